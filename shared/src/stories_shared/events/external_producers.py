"""What is believed of a fact that an outside producer may have said (docs/events.md, "Who may write")."""

from datetime import datetime
from typing import Any

from stories_shared.clock import truncate_to_ms
from stories_shared.events import StoryDeleted, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import deterministic_id


def clamp_to_append_time(fact: ReceivedEvent[Any], at: datetime) -> datetime:
    """A time that a fact states; an outsider's that is ahead of the log's counts as the log's."""
    return at if fact.is_internal else min(at, truncate_to_ms(fact.appended_at))


def receipt_id_of(fact: ReceivedEvent[UserErased]) -> str:
    """The receipt of an erasure; where an outsider names none it follows from the fact, as at every redelivery."""
    return fact.event.receipt_id or deterministic_id(fact.identity)


def is_authorized_deletion(fact: ReceivedEvent[StoryDeleted]) -> bool:
    """Whether it is a deletion: an outsider says it as admin, and in nobody else's name."""
    return fact.is_internal or fact.event.by == "admin"
