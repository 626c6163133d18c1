"""The tray through the gateway, beside the tray straight at the process."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from stories_embedded.ports import free_port
from stories_embedded.services import Gateway

from ..bench import Bench
from ..load import get_load
from ..processes import get, start, until
from ..registry import figure
from ..results import Result, compare


@figure("gateway")
async def gateway(bench: Bench) -> Sequence[Result]:
    """`GET /v1/tray` through the gateway in front of one feed, beside the feed without it."""
    feed = await bench.feed()
    upstreams = {
        name: [feed.process.url.removeprefix("http://")] for name in ("ingest", "feed", "engagement", "expiry")
    }
    with tempfile.TemporaryDirectory(prefix="stories-gateway-") as folder:
        caddy = Gateway(free_port(set()), upstreams, Path(folder), {})
        caddy.prepare()
        process = start(caddy.command(), caddy.environment(), caddy.port)
        try:
            await until(lambda: get(f"{process.url}/v1/tray", feed.tokens()[0]) is not None, "the gateway responds")
            return [
                await compare(
                    "gateway-tray-200",
                    "requests/s",
                    lambda: get_load(process, "/v1/tray", feed.tokens(), bench.plan.seconds),
                    bench.plan,
                    peer="the feed without the gateway",
                    limit=lambda: get_load(feed.process, "/v1/tray", feed.tokens(), bench.plan.seconds),
                    at_least=0.5,
                    note="CPU time of the measured side is the gateway's alone",
                )
            ]
        finally:
            process.stop()
