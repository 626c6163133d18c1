"""One trace leads from the request through Kafka to the trays; its id is in the events and in the log."""

import json
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from stories_shared.kafka.client import Kafka
from stories_shared.testing import eventually, records_of

from ..stacks import TEST_LIMITS, MakeStack, users_of
from .installation import Installation
from .samples import Samples
from .waiting import SOON


def new_traceparent() -> str:
    """A sampled trace of a client."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


async def records(installation: Installation, topic: str, story_id: str) -> list[dict[str, bytes]]:
    """The headers of a story's records."""
    kafka = Kafka((await installation.stack.env())["KAFKA_BOOTSTRAP_SERVERS"])
    found = [record for record in await records_of(kafka, topic) if record.key == story_id.encode()]
    return [dict(record.headers) for record in found if record.value is not None]


def states(installation: Installation, story_id: str) -> dict[str, list[dict[str, Any]]]:
    """The log lines about a story's states, by state."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for service in ("ingest", "feed", "engagement", "expiry"):
        for line in installation.stack.log(service).read_text().splitlines():
            if '"story_state"' in line and (found := json.loads(line))["story_id"] == story_id:
                lines.setdefault(found["state"], []).append(found)
    return lines


async def test_trace_of_a_request_is_in_its_events_and_the_log(installation: Installation) -> None:
    ann, given, ending = installation.person("ann"), new_traceparent(), new_traceparent()
    media = {"content_type": ann.usual.content_type, "size": len(ann.usual.content)}
    made = await ann.done("POST", "/v1/stories", json={"media": media}, headers={"traceparent": given})
    draft = made.json()
    assert (await ann.upload(draft["upload"], ann.usual)).is_success
    publish = f"/v1/stories/{draft['id']}/publish"
    await ann.done("POST", publish, params={"wait": 30}, headers={"traceparent": given})
    posted = await eventually(lambda: records(installation, "story-posted", draft["id"]), SOON * 5)
    assert [headers["traceparent"].decode() for headers in posted] == [given]
    await ann.done("DELETE", f"/v1/stories/{draft['id']}", headers={"traceparent": ending})
    await ann.complete_receipt(draft)
    found = states(installation, draft["id"])
    traces = {state: {line.get("trace_id") for line in lines} for state, lines in found.items()}
    assert traces == {
        "posted": {given[3:35]},
        "live": {given[3:35]},
        "ended": {ending[3:35]},
        "erased": {ending[3:35]},
    }
    assert found["live"][0]["event_id"] == posted[0]["ce_id"].decode()
    assert {line["store"] for line in found["erased"]} == {"media", "feed", "engagement"}


class Collector:
    """An OTLP collector that keeps spans as (service, span)."""

    def __init__(self) -> None:
        trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        self.spans: list[tuple[str, Any]] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                for sent in trace_service.ExportTraceServiceRequest.FromString(body).resource_spans:
                    names = {each.key: each.value.string_value for each in sent.resource.attributes}
                    spans.extend((names["service.name"], span) for scope in sent.scope_spans for span in scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, trace_id: str) -> set[tuple[str, str]]:
        """Services and names of a trace's spans."""
        return {(service, span.name) for service, span in list(self.spans) if span.trace_id.hex() == trace_id}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()


@pytest.fixture
async def traced_installation(
    make_stack: MakeStack, collector: Collector, samples: Samples
) -> AsyncIterator[Installation]:
    """A stack that sends its spans to the collector, without gzip and soon."""
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with make_stack(settings=TEST_LIMITS | settings) as stack:
        async with users_of(stack, samples) as installation:
            yield installation


EXPECTED = {
    ("stories-ingest", "POST /v1/stories"),
    ("stories-ingest", "POST /v1/stories/{story_id}/publish"),
    ("stories-ingest", "run media job"),
    ("stories-ingest", "create story-posted"),
    ("stories-ingest", "mongodb insert"),
    ("stories-feed", "process story-posted"),
    ("stories-feed", "apply story-posted"),
    ("stories-feed", "GET /v1/tray"),
    ("stories-engagement", "process story-posted"),
    ("stories-expiry", "process story-posted"),
}


@pytest.mark.nightly
async def test_one_trace_has_spans_from_the_post_to_the_tray(
    traced_installation: Installation, collector: Collector
) -> None:
    ann, bob = traced_installation.people("ann", "bob")
    given = traced_installation.http.headers["traceparent"] = new_traceparent()
    await bob.follow(ann)
    story = await ann.post()
    await eventually(lambda: bob.item(story), SOON * 5)
    await bob.get("/v1/tray")

    def missing() -> set[tuple[str, str]]:
        found = collector.of(given[3:35])
        s3 = {name for service, name in found if service == "stories-ingest" and name.startswith("s3 ")}
        return EXPECTED - found if s3 else {("stories-ingest", "s3 …")}

    await eventually(missing, 20, accept=lambda left: not left)
    for service, span in collector.spans:
        text = str(span.attributes)
        assert ann.id not in text, (service, span.name)
        assert story["id"] not in text, (service, span.name)
