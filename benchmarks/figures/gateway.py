"""The tray through the gateway, beside the tray straight at the process."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from stories_embedded.ports import free_port
from stories_embedded.services import Gateway
from stories_shared.testing import eventually

from ..bench import Bench, Feed
from ..load import get_load
from ..processes import READY_S, Process, get, start
from ..registry import figure
from ..results import Result, compare


@figure("gateway")
async def gateway(bench: Bench) -> Sequence[Result]:
    """`GET /v1/tray` through the gateway in front of one and of two replicas of the feed, beside one without it."""
    feed = await bench.feed()
    second = bench.service("feed", feed.settings)
    try:
        await second.ready()
        return [await through(bench, feed, [feed.process]), await through(bench, feed, [feed.process, second])]
    finally:
        second.stop()


async def through(bench: Bench, feed: Feed, replicas: Sequence[Process]) -> Result:
    """The tray through a gateway in front of these replicas."""
    hosts = [replica.url.removeprefix("http://") for replica in replicas]
    upstreams = dict.fromkeys(("ingest", "feed", "engagement", "expiry"), hosts)
    with tempfile.TemporaryDirectory(prefix="stories-gateway-") as folder:
        caddy = Gateway(free_port(set()), upstreams, Path(folder), {})
        caddy.prepare()
        process = start(caddy.command(), caddy.environment(), caddy.port)
        try:
            await eventually(lambda: get(f"{process.url}/v1/tray", feed.tokens()[0]) is not None, READY_S)
            return await compare(
                "gateway-tray-200" if len(replicas) == 1 else f"gateway-tray-200-{len(replicas)}-replicas",
                "requests/s",
                lambda: get_load(process, "/v1/tray", feed.tokens(), bench.plan.seconds),
                bench.plan,
                peer="one feed without the gateway",
                limit=lambda: get_load(feed.process, "/v1/tray", feed.tokens(), bench.plan.seconds),
                at_least=0.5,
                note="CPU time of the measured side is the gateway's alone",
            )
        finally:
            process.stop()
