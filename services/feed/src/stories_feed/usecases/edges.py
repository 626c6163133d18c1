"""Users decide about each other: over HTTP here and now, or by facts that somebody else states."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import InvalidMessage
from stories_shared.events import (
    UserBlocked,
    UserCloseFriendAdded,
    UserCloseFriendRemoved,
    UserEdge,
    UserFollowed,
    UserMuted,
    UserUnblocked,
    UserUnfollowed,
    UserUnmuted,
)
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time

from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind, TooManyEdges

EDGE_EVENTS: dict[tuple[Kind, bool], type[UserEdge]] = {
    (Kind.FOLLOW, True): UserFollowed,
    (Kind.FOLLOW, False): UserUnfollowed,
    (Kind.BLOCK, True): UserBlocked,
    (Kind.BLOCK, False): UserUnblocked,
    (Kind.MUTE, True): UserMuted,
    (Kind.MUTE, False): UserUnmuted,
    (Kind.CLOSE_FRIEND, True): UserCloseFriendAdded,
    (Kind.CLOSE_FRIEND, False): UserCloseFriendRemoved,
}
"""The event that says each decision."""

DECISIONS = {event: decision for decision, event in EDGE_EVENTS.items()}


class Edges(Protocol):
    """The kept edges."""

    async def change(self, pairs: Collection[EdgeKey], decide: Callable[[EdgeSet], None], *, publish: bool) -> None:
        """Let ``decide`` change what is known around the pairs, all at once, and mark it to be said if asked to.

        ``decide`` may be called several times, each time with what is then known.
        """
        ...


class OutboxRelay(Protocol):
    """Says what was decided."""

    async def confirm(self, pair: EdgeKey) -> None:
        """Return when Kafka has acknowledged what there is to say about this edge; Unavailable after 3 s."""
        ...

    def wake(self) -> None:
        """There is something to say."""
        ...


@dataclass(frozen=True, slots=True)
class ChangeEdge:
    """A user decides about another."""

    edges: Edges
    relay: OutboxRelay
    now: Clock

    async def __call__(self, pair: EdgeKey, *, on: bool) -> None:
        """Keep the decision and have it said. A block is answered only when Kafka has it.

        Raises:
            TooManyChosen: the user follows and mutes as many as they may.
            Unavailable: MongoDB does not answer, or Kafka has not acknowledged a block; then the block stands.
        """
        now = truncate_to_ms(self.now())
        await self.edges.change([pair], lambda graph: graph.ask(pair, on=on, now=now), publish=True)
        if pair.kind is Kind.BLOCK and on:
            await self.relay.confirm(pair)
        else:
            self.relay.wake()


@dataclass(frozen=True, slots=True)
class ApplyEdgeEvents:
    """What users decided, told by facts: of our own, which are known already, or of outsiders."""

    edges: Edges

    async def __call__(self, facts: Sequence[ReceivedEvent[UserEdge]]) -> None:
        """Take them all at once, each at its time, an outsider's at the latest when it was appended.

        Raises:
            Unacceptable: somebody decided about themselves, or follows or mutes too many.
        """
        heard = [(edge_key_of(fact.event), edge_change_of(fact)) for fact in facts]

        def decide(graph: EdgeSet) -> None:
            for pair, word in heard:
                graph.hear(pair, word)

        try:
            await self.edges.change({pair for pair, _ in heard}, decide, publish=False)
        except TooManyEdges as error:
            raise InvalidMessage(str(error)) from error


def edge_key_of(event: UserEdge) -> EdgeKey:
    """The edge that a fact is about."""
    if event.user_id == event.target_id:
        raise InvalidMessage("nobody decides about themselves")
    kind, _ = DECISIONS[type(event)]
    return EdgeKey(kind, event.user_id, event.target_id)


def edge_change_of(fact: ReceivedEvent[UserEdge]) -> EdgeChange:
    """What was decided and when it counts from."""
    _, on = DECISIONS[type(fact.event)]
    return EdgeChange(on, clamp_to_append_time(fact, fact.event.at))


def event_of(pair: EdgeKey, word: EdgeChange) -> UserEdge:
    """The event that says a decision."""
    return EDGE_EVENTS[pair.kind, word.asked](user_id=pair.user, target_id=pair.target, at=word.at)


EdgeListPosition = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class EdgeListEntry:
    """Somebody on a list of edges, and since when."""

    user_id: str
    since: datetime

    @property
    def place(self) -> tuple[datetime, str]:
        """Where the entry stands in its list."""
        return self.since, self.user_id


class EdgeLists(Protocol):
    """Lists of edges that are in force, newest first."""

    async def targets(
        self, kind: Kind, user: str, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """Whom a user has decided about."""
        ...

    async def users(
        self, kind: Kind, target: str, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """Who has decided so about a user."""
        ...
