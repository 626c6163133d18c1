"""Every query of every panel and rule has data: on the embedded stack under a short load, and from exporters."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from stories_embedded import prometheus
from stories_embedded.ports import free_port
from stories_embedded.processes import spawn, stop
from stories_shared.events.cloudevents import SERVICES
from stories_shared.kafka.topics import Topics
from stories_shared.testing import eventually

from ..journeys.installation import Installation
from ..journeys.samples import Samples
from ..journeys.waiting import end_of
from ..stacks import MakeStack, users_of
from .prometheus_api import Prometheus
from .sources import PROMETHEUS, LocatedQuery, panel_queries, rule_queries

pytestmark = pytest.mark.needs_prometheus

QUERIES = [*panel_queries(), *rule_queries()]
OF_THE_STACK = [query for query in QUERIES if not query.of_exporter]
OF_THE_EXPORTER = [query for query in QUERIES if query.of_exporter]
ALL_ANSWERED = 150.0
"""Seconds until everything is scraped twice and evaluated, on a busy machine."""


@pytest_asyncio.fixture
async def watched(make_stack: MakeStack, samples: Samples) -> AsyncIterator[Installation]:
    """A stack with a Prometheus."""
    with make_stack(short="6s", observe=True) as stack:
        async with users_of(stack, samples) as installation:
            yield installation


async def test_every_query_of_panels_and_rules_has_data_under_a_short_load(watched: Installation) -> None:
    url = (await watched.stack.processes())["prometheus"]["url"]
    asking = Prometheus(url, watched.http)
    loaded = {rule["name"] for rule in await asking.rules()}
    assert loaded >= {"StoriesTrayIsSlow", "stories:slo_errors:ratio_rate6h"}
    silent = list(OF_THE_STACK)

    async def fewer() -> list[LocatedQuery]:
        silent[:] = await asking.silent(silent)
        return silent

    async with load(watched):
        await eventually(fewer, ALL_ANSWERED, accept=lambda left: not left)
    assert await asking.values("sum by (job) (up) == 1") == [1.0] * len([*SERVICES, "gateway"])
    rules = await asking.rules()
    assert not [rule for rule in rules if rule["health"] != "ok"]
    assert not [rule["name"] for rule in rules if rule.get("state") == "firing" and not is_about_speed(rule["name"])]


def is_about_speed(alert: str) -> bool:
    """Whether a rule is about latency, which may be exceeded on a busy machine."""
    return alert in {"StoriesTrayIsSlow", "StoriesVisibleLate", "StoriesEndedLate", "StoriesViewsCountedLate"}


@asynccontextmanager
async def load(installation: Installation) -> AsyncIterator[None]:
    """A few users who post, read, view and react, inside the block."""

    async def for_ever() -> None:
        while True:
            await one_round(installation)

    living = asyncio.create_task(for_ever())
    try:
        yield
        if living.done():
            living.result()
    finally:
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living


async def one_round(installation: Installation) -> None:
    """A photo and a clip that live for seconds, are viewed, and expire."""
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    posted = [
        await ann.post(sample, lifetime=installation.short)
        for sample in (installation.samples.photo(), installation.samples.clip())
    ]
    await eventually(lambda: bob.ring_in_tray(ann), 10)
    items = await bob.reel(ann)
    await bob.view(*items)
    for item in items:
        await bob.react(item)
        await bob.comment(item, "oh")
    await ann.get(f"/v1/stories/{posted[-1]['id']}/insights")
    await end_of(posted[-1])
    await ann.complete_receipt(posted[-1])


class Exposition(BaseHTTPRequestHandler):
    """Metrics of both exporters for the topics, groups and databases, with documented names; counters grow."""

    def do_GET(self) -> None:
        """One scrape."""
        body = exposition(int(time.monotonic())).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def exposition(offset: int) -> str:
    """The metrics of kafka_exporter (https://github.com/danielqsj/kafka_exporter#metrics) and mongodb_exporter."""
    lines = [
        "kafka_brokers 1",
        "mongodb_up 1",
        f'mongodb_ss_opcounters{{legacy_op_type="insert"}} {offset}',
        f'mongodb_ss_opLatencies_latency{{op_type="writes"}} {offset * 1000}',
        f'mongodb_ss_opLatencies_ops{{op_type="writes"}} {offset}',
        'mongodb_ss_connections{conn_type="current"} 12',
        'mongodb_ss_connections{conn_type="available"} 800',
        "mongodb_ss_wt_cache_bytes_currently_in_the_cache 1000000",
        "mongodb_ss_wt_cache_maximum_bytes_configured 256000000",
        "mongodb_ss_mem_resident 120",
        'kubelet_volume_stats_available_bytes{persistentvolumeclaim="data-kafka-0"} 600',
        'kubelet_volume_stats_capacity_bytes{persistentvolumeclaim="data-kafka-0"} 1000',
        'node_filesystem_avail_bytes{fstype="ext4",mountpoint="/"} 600',
        'node_filesystem_size_bytes{fstype="ext4",mountpoint="/"} 1000',
        'kube_horizontalpodautoscaler_status_desired_replicas{horizontalpodautoscaler="stories-feed"} 2',
        'kube_horizontalpodautoscaler_spec_max_replicas{horizontalpodautoscaler="stories-feed"} 6',
    ]
    for name, topic in Topics.of([timedelta(hours=24)]).items():
        at = f'topic="{name}",partition="0"'
        lines += [
            f"kafka_topic_partition_current_offset{{{at}}} {offset}",
            f"kafka_topic_partition_under_replicated_partition{{{at}}} 0",
        ]
        for service in topic.readers:
            group = f'consumergroup="{service}.{name}"'
            lines += [
                f"kafka_consumergroup_members{{{group}}} 1",
                f"kafka_consumergroup_lag{{{group},{at}}} 0",
                f"kafka_consumergroup_current_offset{{{group},{at}}} {offset}",
            ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def exporter() -> Iterator[str]:
    """An HTTP server that answers like both exporters."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exposition)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest_asyncio.fixture
async def prometheus_with_exporters(tmp_path: Path, exporter: str) -> AsyncIterator[Prometheus]:
    """A Prometheus that scrapes it, with every rule."""
    port = free_port(set())
    config = tmp_path / "prometheus.yml"
    jobs = ("kafka-exporter", "mongodb-exporter")
    scraped = [{"job_name": job, "static_configs": [{"targets": [exporter]}]} for job in jobs]
    often = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    rules = [str(PROMETHEUS / "rules" / "*.yml")]
    config.write_text(json.dumps({"global": often, "rule_files": rules, "scrape_configs": scraped}))
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'series'}"]
    command = [str(prometheus.program()), *arguments, f"--web.listen-address=127.0.0.1:{port}"]
    process = spawn(command, tmp_path / "prometheus.log", os.environ)
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
            yield Prometheus(f"http://127.0.0.1:{port}", http)
    finally:
        stop(process, 5)


async def test_exporter_queries_use_documented_metric_names(
    prometheus_with_exporters: Prometheus,
) -> None:
    assert {query.where.split(":")[0] for query in OF_THE_EXPORTER} >= {
        "stories-kafka",
        "stories-mongodb",
        "StoriesGroupStalled",
    }

    async def silent() -> list[LocatedQuery]:
        try:
            return await prometheus_with_exporters.silent(OF_THE_EXPORTER)
        except httpx.TransportError as error:
            raise AssertionError(str(error)) from error

    await eventually(silent, 60, accept=lambda left: not left)
    nothing = LocatedQuery("nowhere", "kafka_no_such_metric > bool 0")
    assert await prometheus_with_exporters.silent([nothing]) == [nothing]
