"""What is believed of a fact that an outside producer may have said (docs/events.md, "Who may write")."""

from datetime import datetime
from typing import Any

from stories_shared.clock import whole_ms
from stories_shared.events import StoryDeleted, UserErased
from stories_shared.events.cloudevents import Fact
from stories_shared.events.ids import fact_based_id


def no_later(fact: Fact[Any], at: datetime) -> datetime:
    """A time that a fact states; an outsider's that is ahead of the log's counts as the log's."""
    return at if fact.ours else min(at, whole_ms(fact.appended_at))


def receipt_id_of(fact: Fact[UserErased]) -> str:
    """The receipt of an erasure; where an outsider names none it follows from the fact, as at every redelivery."""
    return fact.event.receipt_id or fact_based_id(fact.identity)


def may_delete(fact: Fact[StoryDeleted]) -> bool:
    """Whether it is a deletion: an outsider says it as admin, and in nobody else's name."""
    return fact.ours or fact.event.by == "admin"
