"""JSON logs, one object a line, on standard output. No token, ticket, presigned URL or secret is ever logged."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from stories_shared.runtime.log_throttle import LogThrottle
from stories_shared.tracing import current_traceparent, trace_id_of

CHATTY = ("aiokafka", "pymongo", "urllib3", "httpx", "httpcore", "faststream")
HIDDEN_FIELDS = frozenset(
    {
        "authorization",
        "token",
        "ticket",
        "story_ticket",
        "url",
        "media_url",
        "poster_url",
        "upload",
        "secret",
        "password",
    }
)

# Local variables hold tokens, tickets and captions, so a traceback goes without them.
TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact the values of fields that may hold a credential."""
    for field in HIDDEN_FIELDS & event.keys():
        event[field] = "[hidden]"
    return event


def add_trace_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the trace that the line belongs to, if any."""
    if (traceparent := current_traceparent()) is not None:
        event.setdefault("trace_id", trace_id_of(traceparent))
    return event


class ThrottleFilter(logging.Filter):
    """Throttles the log records of client libraries to one of a kind in ten seconds, with the count."""

    def __init__(self) -> None:
        super().__init__()
        self.throttle = LogThrottle()

    def filter(self, record: logging.LogRecord) -> bool:
        """Records of other loggers pass; a kind is the logger and the unformatted message."""
        if not record.name.startswith(CHATTY):
            return True
        times = self.throttle.should_log((record.name, record.msg))
        record.times = times
        return times is not None


def configure(service: str, level: str = "INFO") -> None:
    """Send structlog's and the standard library's records to standard output as JSON lines that name the service."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.processors.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]

    def name_service(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, name_service],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                TRACEBACKS,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    handler.addFilter(ThrottleFilter())
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("uvicorn.access").disabled = True
    structlog.configure(
        processors=[*shared, name_service, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> Any:
    """A logger whose calls take an event's name and fields: ``log.info("story_posted", story_id=…)``."""
    return structlog.get_logger(logger_name=name)
