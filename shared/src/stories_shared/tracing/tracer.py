"""What the runtime, publishers and consumers trace with: nothing but ``traceparent``, or spans."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from pymongo.monitoring import CommandListener
from starlette.types import ASGIApp

from stories_shared.tracing import continue_trace

Kind = Literal["server", "client", "producer", "consumer"]


class Tracer:
    """Passes ``traceparent`` on and makes no spans. ``stories_shared.tracing.spans`` has the one that does."""

    makes_spans = False

    def __init__(self) -> None:
        self.mongo_listeners: list[CommandListener] = []

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, with a span for each request."""
        return app

    @contextmanager
    def span(
        self,
        name: str,  # noqa: ARG002
        kind: Kind,  # noqa: ARG002
        parents: Sequence[str | None],
        attributes: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Iterator[Any]:
        """A span around a block that continues the trace of its parent.

        Args:
            name: of the operation, with few different values.
            kind: the span's kind.
            parents: one is continued; several different ones are linked, and belong to a trace of their own.
            attributes: of the span.
        """
        distinct = set(parents)
        with continue_trace(distinct.pop() if len(distinct) == 1 else None):
            yield None

    def traceparent_for_event(self, topic: str, event_id: str, parent: str | None) -> str | None:  # noqa: ARG002
        """The ``traceparent`` header of an event that is published because of the parent."""
        return parent

    def record_call(self, dependency: str, operation: str, seconds: float, outcome: str) -> None:
        """Record a call of a dependency that has just ended."""

    def close(self) -> None:
        """Send what is buffered."""


def tracer_for(service: str, version: str, endpoint: str | None) -> Tracer:
    """The tracer of a process.

    Args:
        service: its name in traces, with ``stories-`` before it.
        version: of the service.
        endpoint: the base URL of an OTLP collector, None for no spans.

    Ends the process with status 2 if the extra ``otel`` is not installed.
    """
    if not endpoint:
        return Tracer()
    try:
        from stories_shared.tracing.spans import SpanTracer
    except ImportError:
        print("OTEL_EXPORTER_OTLP_ENDPOINT: needs pip install 'stories-shared[otel]'", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None
    return SpanTracer.exporting_to(endpoint, f"stories-{service}", version)
