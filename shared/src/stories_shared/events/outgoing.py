"""An event to publish."""

from dataclasses import dataclass
from datetime import datetime

from stories_shared.events import Event


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event to publish, with an optional fixed id (kept when it is republished) and time."""

    event: Event
    event_id: str | None = None
    at: datetime | None = None
    traceparent: str | None = None
    """The trace it belongs to; None: that of the work in progress."""
