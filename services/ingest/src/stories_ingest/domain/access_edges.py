"""Blocks and hiding: an edge, its states in order, and those that MongoDB may not have stored yet."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

EdgeKind = Literal["block", "hide"]

RECENT_RETENTION = timedelta(seconds=30)
"""The least time that a state is kept in memory; then it is kept until MongoDB has it."""


class Edge(NamedTuple):
    """Who blocks whom, or who hides all stories from whom."""

    kind: EdgeKind
    user_id: str
    target_id: str


class EdgeState(NamedTuple):
    """Since when an edge is on or off. The greater state is the newer one; at a tie the one that is on."""

    at: datetime
    on: bool


def between(author_id: str, viewer_id: str) -> list[Edge]:
    """The edges that hide an author from a viewer."""
    return [
        Edge("block", author_id, viewer_id),
        Edge("block", viewer_id, author_id),
        Edge("hide", author_id, viewer_id),
    ]


def any_on(*sources: Mapping[Edge, EdgeState]) -> bool:
    """Whether one of the edges is on, by the newest state of each."""
    newest: dict[Edge, EdgeState] = {}
    for states in sources:
        for edge, state in states.items():
            newest[edge] = max(newest.get(edge, state), state)
    return any(state.on for state in newest.values())


class RecentEdges:
    """States that this replica has read from the log. The same events in any order lead to the same states."""

    def __init__(self) -> None:
        self._states: OrderedDict[Edge, tuple[EdgeState, datetime]] = OrderedDict()

    def put(self, edge: Edge, state: EdgeState, received_at: datetime) -> None:
        """Keep a state, unless a newer one is known."""
        existing = self._states.get(edge)
        if existing is None or existing[0] < state:
            self._states[edge] = state, received_at
            self._states.move_to_end(edge)

    def states(self, edges: Iterable[Edge]) -> dict[Edge, EdgeState]:
        """The states of these edges that are in memory."""
        return {edge: self._states[edge][0] for edge in edges if edge in self._states}

    def oldest(self, now: datetime, limit: int) -> dict[Edge, EdgeState]:
        """States received at least `RECENT_RETENTION` ago, the oldest first."""
        found: dict[Edge, EdgeState] = {}
        for edge, (state, received_at) in self._states.items():
            if len(found) == limit or received_at + RECENT_RETENTION > now:
                break
            found[edge] = state
        return found

    def drop(self, states: Mapping[Edge, EdgeState]) -> None:
        """Remove these states, unless they have changed meanwhile."""
        for edge, state in states.items():
            if self._states.get(edge, (None,))[0] == state:
                del self._states[edge]

    def defer(self, edges: Iterable[Edge], now: datetime) -> None:
        """Move states that MongoDB has not stored yet to the end of the queue."""
        for edge in edges:
            if edge in self._states:
                self._states[edge] = self._states[edge][0], now
                self._states.move_to_end(edge)
