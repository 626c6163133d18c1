"""An event on its way to Kafka."""

from dataclasses import dataclass
from datetime import datetime

from stories_shared.events.models import Event


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event to be said, with the id it must keep when it is said again and the time it is said to be from."""

    event: Event
    event_id: str | None = None
    at: datetime | None = None
