"""Distributed tracing with W3C Trace Context.

The ``traceparent`` of a request is stored with the outbox's marker, sent in the event's headers and taken up by the
consumers, and its trace id is in the log lines, whether or not spans are exported. ``OTEL_EXPORTER_OTLP_ENDPOINT``
turns spans on (``tracer``, ``spans``); without it nothing of OpenTelemetry's SDK is imported.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_VALID = re.compile(r"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def valid_traceparent(value: str | None) -> str | None:
    """A ``traceparent`` header as version 00, or None if it is absent or invalid."""
    match = _VALID.fullmatch(value) if value else None
    if match is None or (match[1] == "00" and match[3]):
        return None
    return f"00-{match[2]}"


def current_traceparent() -> str | None:
    """The ``traceparent`` of the work in progress."""
    return _current.get()


def trace_id_of(traceparent: str) -> str:
    """The 32 hexadecimal digits of the trace."""
    return traceparent[3:35]


@contextmanager
def continue_trace(traceparent: str | None) -> Iterator[None]:
    """Continue a trace in this block, or none."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)
