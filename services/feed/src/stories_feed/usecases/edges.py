"""Changes of edges: requested over HTTP, or received as events."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import InvalidMessage
from stories_shared.events import (
    UserBlocked,
    UserCloseFriendAdded,
    UserCloseFriendRemoved,
    UserEdge,
    UserFollowed,
    UserHidden,
    UserMuted,
    UserUnblocked,
    UserUnfollowed,
    UserUnhidden,
    UserUnmuted,
)
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time

from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind, NotifyChoice, TooManyEdges
from stories_feed.usecases.ports import EdgeRepository, OutboxRelay

EDGE_EVENTS: dict[tuple[Kind, bool], type[UserEdge]] = {
    (Kind.FOLLOW, True): UserFollowed,
    (Kind.FOLLOW, False): UserUnfollowed,
    (Kind.BLOCK, True): UserBlocked,
    (Kind.BLOCK, False): UserUnblocked,
    (Kind.MUTE, True): UserMuted,
    (Kind.MUTE, False): UserUnmuted,
    (Kind.CLOSE_FRIEND, True): UserCloseFriendAdded,
    (Kind.CLOSE_FRIEND, False): UserCloseFriendRemoved,
    (Kind.HIDE, True): UserHidden,
    (Kind.HIDE, False): UserUnhidden,
}
"""The event of each change: kind of edge, and whether it was switched on."""

CHANGE_OF_EVENT = {event: change for change, event in EDGE_EVENTS.items()}

WRITTEN_APART = frozenset({Kind.FOLLOW, Kind.MUTE, Kind.CLOSE_FRIEND})
"""Kinds of which two transactions conflict only over edges of the same user."""
MIN_SHARE = 250
"""Changes from which a second transaction is worth its cost."""


KeyAndChange = tuple[EdgeKey, EdgeChange]


@dataclass(frozen=True, slots=True)
class ChangeEdge:
    """Switch an edge of a user on or off."""

    edges: EdgeRepository
    relay: OutboxRelay
    now: Clock

    async def __call__(self, key: EdgeKey, *, on: bool, notify: NotifyChoice | None = None) -> None:
        """Store and publish the change. A new block returns only when Kafka has acknowledged it.

        ``notify`` of a follow: None changes nothing.

        Raises:
            TooManyEdges: the user has reached the limit of follows and mutes.
            Unavailable: MongoDB does not answer, or Kafka has not acknowledged a block; then the block is stored.
        """
        now = truncate_to_ms(self.now())
        await self.edges.change([key], lambda graph: graph.request(key, on=on, now=now), publish=True)
        if on and notify is not None:
            await self.edges.set_notify(key, notify)
        if key.kind is Kind.BLOCK and on:
            await self.relay.publish_now(str(key))
        else:
            self.relay.wake()


@dataclass(frozen=True, slots=True)
class ApplyEdgeEvents:
    """Apply edge events: our own, which are stored already, or those of external producers."""

    edges: EdgeRepository

    async def __call__(self, records: Sequence[ReceivedEvent[UserEdge]]) -> None:
        """Apply a batch, each event at its time; an external producer's at the latest when it was appended.

        Raises:
            InvalidMessage: a user has reached the limit of follows and mutes.
        """
        changes = [(edge_key_of(record.event), edge_change_of(record)) for record in records]
        outcomes = await asyncio.gather(*map(self._apply, shares_of(changes)), return_exceptions=True)
        for failed in outcomes:
            if isinstance(failed, TooManyEdges):
                raise InvalidMessage(str(failed)) from failed
            if failed is not None:
                raise failed

    async def _apply(self, changes: Sequence[KeyAndChange]) -> None:
        def update(graph: EdgeSet) -> None:
            for key, change in changes:
                graph.apply(key, change)

        since = min(change.at for _, change in changes)
        await self.edges.change({key for key, _ in changes}, update, publish=False, since=since)


def shares_of(changes: Iterable[KeyAndChange]) -> list[list[KeyAndChange]]:
    """The changes in one share, or in two of different users: MongoDB writes one while the other is prepared."""
    ordered = sorted(changes, key=lambda each: each[0].user)
    middle = len(ordered) // 2
    while 0 < middle < len(ordered) and ordered[middle][0].user == ordered[middle - 1][0].user:
        middle += 1
    apart = middle >= MIN_SHARE and all(key.kind in WRITTEN_APART for key, _ in ordered)
    return [some for some in (ordered[:middle], ordered[middle:]) if some] if apart else [ordered]


def edge_key_of(event: UserEdge) -> EdgeKey:
    """The edge that an event is about. The event's own validation refuses an edge from a user to themselves."""
    kind, _ = CHANGE_OF_EVENT[type(event)]
    return EdgeKey(kind, event.user_id, event.target_id)


def edge_change_of(record: ReceivedEvent[UserEdge]) -> EdgeChange:
    """The change, and the time from which it counts."""
    _, on = CHANGE_OF_EVENT[type(record.event)]
    return EdgeChange(on, clamp_to_append_time(record, record.event.at))


def event_of(key: EdgeKey, change: EdgeChange) -> UserEdge:
    """The event that reports a change."""
    return EDGE_EVENTS[key.kind, change.on](user_id=key.user, target_id=key.target, at=change.at)
