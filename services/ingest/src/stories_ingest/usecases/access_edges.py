"""Blocks and hiding: who may not see an author's highlights."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from stories_shared.events import UserBlocked, UserHidden, UserUnblocked, UserUnhidden
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time

EdgeKind = Literal["block", "hide"]
AccessEdgeRecord = (
    ReceivedEvent[UserBlocked] | ReceivedEvent[UserUnblocked] | ReceivedEvent[UserHidden] | ReceivedEvent[UserUnhidden]
)


class AccessEdgeRepository(Protocol):
    """The newest state of each edge."""

    async def put(self, kind: EdgeKind, user_id: str, target_id: str, at: datetime, *, on: bool) -> None:
        """Store an edge unless a newer state is stored, or one of the two was erased since; at a tie `on` wins."""


@dataclass(frozen=True, slots=True)
class StoreAccessEdge:
    """Stores a block or a hide, or its end."""

    edges: AccessEdgeRepository

    async def __call__(self, record: AccessEdgeRecord) -> None:
        """Store it. A time that an external producer names is at most the append time."""
        event = record.event
        kind: EdgeKind = "block" if isinstance(event, UserBlocked | UserUnblocked) else "hide"
        on = isinstance(event, UserBlocked | UserHidden)
        await self.edges.put(kind, event.user_id, event.target_id, clamp_to_append_time(record, event.at), on=on)
