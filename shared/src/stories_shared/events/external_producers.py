"""Rules for events that an outside producer may have published (docs/events.md, "Who may write")."""

from datetime import datetime
from typing import Any

from stories_shared.clock import truncate_to_ms
from stories_shared.events import StoryDeleted, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import deterministic_id


def clamp_to_append_time(received: ReceivedEvent[Any], at: datetime) -> datetime:
    """A time stated by an event; for outside producers at most the append time of the record."""
    return at if received.is_internal else min(at, truncate_to_ms(received.appended_at))


def receipt_id_of(received: ReceivedEvent[UserErased]) -> str:
    """The receipt id of an erasure; if an outside producer gives none, it is derived from the event's identity."""
    return received.event.receipt_id or deterministic_id(received.identity)


def is_authorized_deletion(received: ReceivedEvent[StoryDeleted]) -> bool:
    """Whether a deletion is authorized: an outside producer may delete only as admin."""
    return received.is_internal or received.event.by == "admin"
