"""A trace goes on from a request through the outbox and Kafka to the consumers, with spans or without."""

import json
import subprocess
import sys
from datetime import timedelta

import httpx
import pytest
from bson import SON
from pymongo.monitoring import CommandStartedEvent, CommandSucceededEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from stories_shared.clock import system_now
from stories_shared.events import StoryErased
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.outbox import pending_mark
from stories_shared.runtime.logging import add_trace_id
from stories_shared.runtime.middleware import RequestIdMiddleware
from stories_shared.tracing import continue_trace, current_traceparent, trace_id_of, valid_traceparent
from stories_shared.tracing.tracer import Tracer, tracer_for

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"
TRACE = GIVEN[3:35]
STORY = "0190a1de-0000-7000-8000-000000000001"


@pytest.mark.parametrize("value", [GIVEN, GIVEN.replace("00-", "cc-", 1) + "-more"])
def test_valid_traceparent_is_taken_as_version_00(value):
    assert valid_traceparent(value) == GIVEN


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        GIVEN + "-more",
        GIVEN.upper(),
        GIVEN.replace("00-", "ff-", 1),
        GIVEN.replace(TRACE, "0" * 32),
        GIVEN.replace("b7ad6b7169203331", "0" * 16),
        GIVEN[:-1],
        GIVEN + "\n",
    ],
)
def test_invalid_traceparent_is_ignored(value):
    assert valid_traceparent(value) is None


async def answered(_request: Request) -> JSONResponse:
    """The trace of the request, as the outbox and a log line have it."""
    mark = pending_mark(1, system_now())
    return JSONResponse({"log": add_trace_id(None, "info", {}), "outbox": mark.get("traceparent")})


async def ask(app, **headers: str) -> dict:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://feed") as client:
        return (await client.get("/things/1", headers=headers)).json()


def application() -> RequestIdMiddleware:
    return RequestIdMiddleware(Starlette(routes=[Route("/things/{thing}", answered)]))


async def test_request_without_spans_passes_its_trace_on():
    assert await ask(application(), traceparent=GIVEN) == {"log": {"trace_id": TRACE}, "outbox": GIVEN}
    assert await ask(application(), traceparent="no trace") == {"log": {}, "outbox": None}
    assert current_traceparent() is None


def headers_of(publisher: Publisher, **fields) -> dict[str, bytes]:
    event = StoryErased(story_id=STORY, store="feed", erased_at=system_now())
    return dict(publisher.record_of(OutgoingEvent(event, **fields)).headers)


def test_event_has_the_trace_that_led_to_it():
    publisher = Publisher(Kafka("nowhere:1"), "feed")
    assert "traceparent" not in headers_of(publisher)
    with continue_trace(GIVEN):
        assert headers_of(publisher)["traceparent"] == GIVEN.encode()
        assert headers_of(publisher, traceparent=OTHER)["traceparent"] == OTHER.encode()


def test_change_of_state_is_logged_with_event_and_trace():
    publisher = Publisher(Kafka("nowhere:1"), "feed")
    event = StoryErased(story_id=STORY, store="feed", erased_at=system_now())
    record = publisher.record_of(OutgoingEvent(event, "an-id", traceparent=GIVEN))
    expected = {"state": "erased", "story_id": STORY, "event_id": "an-id", "store": "feed", "trace_id": TRACE}
    assert record.logged == expected


def test_without_a_collector_the_sdk_is_not_imported():
    code = "import sys, stories_feed.app as _; print([m for m in sys.modules if m.startswith('opentelemetry.sdk')])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(run.stdout) == []
    assert not tracer_for("feed", "1", None).makes_spans


def test_collector_without_the_extra_ends_the_process(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "stories_shared.tracing.spans", None)
    with pytest.raises(SystemExit) as ended:
        tracer_for("feed", "1", "http://127.0.0.1:4318")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("OTEL_EXPORTER_OTLP_ENDPOINT: needs")


class Spans:
    """A tracer whose spans stay in memory."""

    def __init__(self) -> None:
        pytest.importorskip("opentelemetry.sdk")
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from stories_shared.tracing.spans import SpanTracer

        self.exporter = InMemorySpanExporter()
        self.tracer: Tracer = SpanTracer("stories-feed", "1", SimpleSpanProcessor(self.exporter))

    def finished(self) -> dict[str, tuple[str, str | None]]:
        """Trace and parent by name."""
        return {
            span.name: (f"{span.context.trace_id:032x}", span.parent and f"{span.parent.span_id:016x}")
            for span in self.exporter.get_finished_spans()
        }


async def test_request_span_is_named_after_its_route():
    spans = Spans()
    found = await ask(spans.tracer.around(application()), traceparent=GIVEN)
    assert found["log"] == {"trace_id": TRACE}
    assert trace_id_of(found["outbox"]) == TRACE
    assert found["outbox"] != GIVEN
    assert spans.finished() == {"GET /things/{thing}": (TRACE, GIVEN[36:52])}
    (span,) = spans.exporter.get_finished_spans()
    assert span.attributes["http.response.status_code"] == 200


def test_calls_have_spans_only_within_others():
    spans = Spans()
    (listener,) = spans.tracer.mongo_listeners

    def find() -> None:
        command = SON([("find", "stories"), ("filter", {"_id": "secret"})])
        listener.started(CommandStartedEvent(command, "stories_feed", 7, ("m", 1), 1))
        listener.succeeded(CommandSucceededEvent(timedelta(), {}, "find", 7, ("m", 1), 1))
        spans.tracer.record_call("s3", "put", 0.1, "error")

    find()
    assert spans.finished() == {}
    with spans.tracer.span("process story-posted", "consumer", [GIVEN]):
        find()
    assert {name: trace for name, (trace, _) in spans.finished().items()} == dict.fromkeys(
        ["mongodb find", "s3 put", "process story-posted"], TRACE
    )
    found = next(span for span in spans.exporter.get_finished_spans() if span.name == "mongodb find")
    assert found.attributes["db.collection.name"] == "stories"
    assert "secret" not in str(found.attributes)


def test_batch_is_linked_with_the_traces_of_its_events():
    spans = Spans()
    with spans.tracer.span("process story-posted", "consumer", [GIVEN, OTHER, None]):
        own = trace_id_of(current_traceparent())
    (span,) = spans.exporter.get_finished_spans()
    assert {f"{link.context.trace_id:032x}" for link in span.links} == {TRACE, trace_id_of(OTHER)}
    assert own not in {TRACE, trace_id_of(OTHER)}


def test_failed_block_ends_its_span_as_an_error():
    spans = Spans()
    with pytest.raises(ValueError, match="broken"), spans.tracer.span("process x", "consumer", [GIVEN]):
        raise ValueError("broken")
    (span,) = spans.exporter.get_finished_spans()
    assert not span.status.is_ok
    assert current_traceparent() is None
