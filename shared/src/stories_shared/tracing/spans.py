"""Spans of OpenTelemetry: HTTP requests, events, media jobs, and calls of MongoDB, S3 and Kafka.

The parent of a span is the current ``traceparent``, as without spans; a call of a dependency has a span only within
another one, so that polling is no trace. No attribute names a user or a story.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stories_shared.errors import KAFKA, MONGODB, S3
from stories_shared.runtime.middleware import METHODS, UNCOUNTED, template_of
from stories_shared.runtime.mongo_metrics import QUIET_COMMANDS
from stories_shared.tracing import continue_trace, current_traceparent, valid_traceparent
from stories_shared.tracing.tracer import Kind, Tracer

SYSTEMS = {
    KAFKA: ("messaging.system", "kafka"),
    MONGODB: ("db.system.name", "mongodb"),
    S3: ("rpc.system", "aws-api"),
}


class SpanTracer(Tracer):
    """Makes spans.

    Args:
        service: the resource's ``service.name``, unless ``OTEL_SERVICE_NAME`` gives another.
        version: the resource's ``service.version``.
        processor: takes the finished spans.
    """

    makes_spans = True

    def __init__(self, service: str, version: str, processor: SpanProcessor) -> None:
        super().__init__()
        name = os.environ.get("OTEL_SERVICE_NAME") or service
        resource = Resource.create({"service.name": name, "service.version": version})
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.provider.add_span_processor(processor)
        self.tracer = self.provider.get_tracer("stories")
        self.mongo_listeners = [MongoSpans(self)]

    @classmethod
    def exporting_to(cls, endpoint: str, service: str, version: str) -> "SpanTracer":
        """Send spans in batches to a collector, by OTLP over HTTP; other ``OTEL_…`` variables apply."""
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        return cls(service, version, BatchSpanProcessor(exporter))

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, with a span for each request."""
        return RequestSpans(app, self)

    @contextmanager
    def span(
        self,
        name: str,
        kind: Kind,
        parents: Sequence[str | None],
        attributes: Mapping[str, Any] | None = None,
    ) -> Iterator[Any]:
        """A span around a block that continues the trace of its parent, or of the current span if none is given."""
        distinct = {parent for parent in parents if parent}
        several = len(distinct) > 1
        links = [Link(context) for given in distinct if several and (context := span_context_of(given))]
        parent = None if several else next(iter(distinct), current_traceparent())
        span = self.tracer.start_span(name, within(parent), SpanKind[kind.upper()], attributes=attributes, links=links)
        with continue_trace(traceparent_of(span)):
            try:
                yield span
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
            finally:
                span.end()

    def traceparent_for_event(self, topic: str, event_id: str, parent: str | None) -> str | None:
        """The context of a span for the event's creation; its consumers continue it."""
        attributes = {
            "messaging.system": "kafka",
            "messaging.destination.name": topic,
            "messaging.operation.type": "create",
            "messaging.message.id": event_id,
        }
        span = self.tracer.start_span(f"create {topic}", within(parent), SpanKind.PRODUCER, attributes=attributes)
        span.end()
        return traceparent_of(span)

    def record_call(
        self, dependency: str, operation: str, seconds: float, outcome: str, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Record a call that has just ended as a child of the current span, if there is one."""
        parent = current_traceparent()
        if parent is None:
            return
        ended = time.time_ns()
        system, named = SYSTEMS.get(dependency, ("peer.service", dependency))
        span = self.tracer.start_span(
            f"{dependency} {operation}",
            within(parent),
            SpanKind.CLIENT,
            attributes={system: named, **(attributes or {})},
            start_time=ended - int(seconds * 1e9),
        )
        if outcome != "ok":
            span.set_status(StatusCode.ERROR)
        span.end(ended)

    def close(self) -> None:
        """Send what is buffered."""
        self.provider.shutdown()


class RequestSpans:
    """ASGI middleware, outermost: a span for each request, named after its method and route template."""

    def __init__(self, app: ASGIApp, tracer: SpanTracer) -> None:
        self.app = app
        self.tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNCOUNTED:
            await self.app(scope, receive, send)
            return
        parent = valid_traceparent(Headers(scope=scope).get("traceparent"))
        method, status = scope["method"] if scope["method"] in METHODS else "other", 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with continue_trace(None), self.tracer.span(method, "server", [parent]) as span:
            try:
                await self.app(scope, receive, answer)
            finally:
                route = template_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes(
                    {"http.request.method": method, "http.route": route, "http.response.status_code": status}
                )
                if status >= 500:
                    span.set_status(StatusCode.ERROR)


class MongoSpans(CommandListener):
    """A span for each MongoDB command with its collection, and never with its values."""

    def __init__(self, tracer: SpanTracer) -> None:
        self.tracer = tracer
        self.collections: dict[int, str] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Remember the collection while the command runs."""
        if current_traceparent() is not None and event.command_name not in QUIET_COMMANDS:
            self.collections[event.request_id] = str(event.command.get(event.command_name))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Record a success."""
        self._record(event, "ok")

    def failed(self, event: CommandFailedEvent) -> None:
        """Record a failure."""
        self._record(event, "error")

    def _record(self, event: CommandSucceededEvent | CommandFailedEvent, outcome: str) -> None:
        collection = self.collections.pop(event.request_id, None)
        if collection is not None:
            attributes = {"db.operation.name": event.command_name, "db.collection.name": collection}
            self.tracer.record_call(MONGODB, event.command_name, event.duration_micros / 1e6, outcome, attributes)


def span_context_of(traceparent: str | None) -> SpanContext | None:
    """The context that a ``traceparent`` names."""
    if traceparent is None:
        return None
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def traceparent_of(span: trace.Span) -> str:
    """The ``traceparent`` of a span."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def within(traceparent: str | None) -> Context:
    """The SDK's context of a parent; an empty one begins a trace."""
    context = span_context_of(traceparent)
    return trace.set_span_in_context(NonRecordingSpan(context), Context()) if context else Context()
