"""Blocks and hiding: who may not see an author's highlights."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.errors import KAFKA, Unavailable
from stories_shared.events import UserBlocked, UserEdge, UserHidden, UserUnblocked, UserUnhidden
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time

from stories_ingest.domain.access_edges import Edge, EdgeKind, EdgeState, RecentEdges, any_on, between

EDGE_EVENTS = (UserBlocked, UserUnblocked, UserHidden, UserUnhidden)
COMPARE_BATCH = 500
"""States compared with MongoDB in one step."""


class AccessEdgeRepository(Protocol):
    """The newest state of each edge, as the consumers have stored it."""

    async def put(self, edge: Edge, state: EdgeState) -> None:
        """Store a state unless a newer one is stored, or one of the two users was erased since."""

    async def states(self, edges: Collection[Edge]) -> Mapping[Edge, EdgeState]:
        """The states of these edges. Absent: never on, or off and forgotten."""

    async def outdated(self, states: Mapping[Edge, EdgeState]) -> set[Edge]:
        """Which of these states are stored, or superseded by a stored state or an erasure."""


class Freshness(Protocol):
    """Whether this replica has read the log of edges to its end."""

    def is_stale(self, *user_ids: str) -> bool:
        """Whether the partitions of these users may have unread records."""


def edge_of(record: ReceivedEvent[UserEdge]) -> tuple[Edge, EdgeState]:
    """The edge of an event and its state. A time that an external producer names is at most the append time."""
    event = record.event
    kind: EdgeKind = "block" if isinstance(event, UserBlocked | UserUnblocked) else "hide"
    state = EdgeState(clamp_to_append_time(record, event.at), isinstance(event, UserBlocked | UserHidden))
    return Edge(kind, event.user_id, event.target_id), state


@dataclass(frozen=True, slots=True)
class FindHidden:
    """Finds whether an author is hidden from a viewer: stored edges, merged with those read from the log since."""

    recent: RecentEdges
    stored: AccessEdgeRepository
    freshness: Freshness

    async def is_hidden(self, author_id: str, viewer_id: str) -> bool:
        """Raises Unavailable while there may be edges that this replica has not read."""
        if self.freshness.is_stale(author_id, viewer_id):
            raise Unavailable(KAFKA, "the log of blocks has not been read in time")
        edges = between(author_id, viewer_id)
        before = self.recent.states(edges)  # a state in memory may be stored and dropped while the query runs
        stored = await self.stored.states(edges)
        return any_on(before, stored, self.recent.states(edges))


@dataclass(frozen=True, slots=True)
class DropStoredEdges:
    """Drops states from memory once MongoDB has them."""

    recent: RecentEdges
    stored: AccessEdgeRepository
    now: Clock

    async def __call__(self) -> bool:
        """Compare a batch; whether there may be more to drop."""
        batch = self.recent.oldest(self.now(), COMPARE_BATCH)
        if not batch:
            return False
        outdated = await self.stored.outdated(batch)
        self.recent.drop({edge: state for edge, state in batch.items() if edge in outdated})
        self.recent.defer(batch.keys() - outdated, self.now())
        return len(batch) == COMPARE_BATCH
