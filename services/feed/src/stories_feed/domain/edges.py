"""Edges between two users: follow, block, mute, close friend, hide. The latest change counts, in any order of arrival.

An edge stores the latest change and its time. A follow or a close friend is in force only while neither user blocks the
other and the latest change of both blocks is older. So a block removes both follows and both close friends, unblocking
restores nothing, and a follow made after that is in force even if its event arrives first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

MILLISECOND = timedelta(milliseconds=1)
# A viewer's follows and mutes are one document, read for every tray; at this size it has about 7 MB at most.
MAX_FOLLOWS_AND_MUTES = 50_000


class TooManyEdges(Exception):
    """A user would follow or mute more users than one document holds."""


class Kind(StrEnum):
    """The kinds of edges from one user to another."""

    __hash__ = str.__hash__  # an enum's own is written in Python, and half of the time of a look-up by edge

    FOLLOW = "follow"
    """Sees the target's stories for followers, and their ring in the tray."""
    BLOCK = "block"
    """Hides each of the two from the other, everywhere."""
    MUTE = "mute"
    """Hides the target from the user's tray and For You."""
    CLOSE_FRIEND = "close-friend"
    """Lets the target see the user's stories for close friends."""
    HIDE = "hidden-from"
    """Hides all of the user's stories from the target."""


# Which of two changes with the same time wins: the one that shows less.
TIE_BREAK = {Kind.FOLLOW: False, Kind.BLOCK: True, Kind.MUTE: True, Kind.CLOSE_FRIEND: False, Kind.HIDE: True}
REMOVED_BY_BLOCK = (Kind.FOLLOW, Kind.CLOSE_FRIEND)


class EdgeKey(NamedTuple):
    """The identity of an edge: its kind, the user it belongs to, and the target. No user id contains a slash."""

    kind: Kind
    user: str
    target: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.user}/{self.target}"

    @property
    def reversed(self) -> "EdgeKey":
        """The same kind of edge from the target to the user."""
        return EdgeKey(self.kind, self.target, self.user)

    @property
    def block_edges(self) -> "tuple[EdgeKey, EdgeKey]":
        """The blocks between the two, either way."""
        block = EdgeKey(Kind.BLOCK, self.user, self.target)
        return block, block.reversed

    @property
    def dependencies(self) -> "frozenset[EdgeKey]":
        """Every edge that must be loaded before this one is changed, including itself."""
        if self.kind in {Kind.MUTE, Kind.HIDE}:
            return frozenset((self,))
        if self.kind is Kind.BLOCK:
            return frozenset((self, self.reversed, *self.removed_by_block))
        return frozenset((self, *self.block_edges))

    @property
    def removed_by_block(self) -> "tuple[EdgeKey, ...]":
        """The edges that a block between the two removes."""
        own = [EdgeKey(kind, self.user, self.target) for kind in REMOVED_BY_BLOCK]
        return *own, *(key.reversed for key in own)


class EdgeChange(NamedTuple):
    """A change of an edge: switched on or off, and when."""

    on: bool
    at: datetime


@dataclass(slots=True)
class EdgeSet:
    """The loaded edges around some keys, and what is changed in them.

    Args:
        latest: the latest change of each edge.
        erased: when users were erased; changes of their edges that are not later are ignored.
    """

    latest: dict[EdgeKey, EdgeChange]
    erased: Mapping[str, datetime] = field(default_factory=dict)
    previous: dict[EdgeKey, bool] = field(default_factory=dict)
    created: set[EdgeKey] = field(default_factory=set)
    has_blocks: bool = field(init=False)
    """Whether any is a block. Among an import's thousands of follows there is hardly ever one."""

    def __post_init__(self) -> None:
        self.has_blocks = any(key.kind is Kind.BLOCK for key in self.latest)

    def apply(self, key: EdgeKey, change: EdgeChange) -> None:
        """Apply a change from an event. The later one wins, on a tie the one that shows less; duplicates do nothing."""
        if any(change.at <= self.erased[user] for user in (key.user, key.target) if user in self.erased):
            return
        current = self.latest.get(key)
        if current is not None and (change.at, change.on == TIE_BREAK[key.kind]) <= (
            current.at,
            current.on == TIE_BREAK[key.kind],
        ):
            return
        affected = [key]
        if key.kind is Kind.BLOCK:
            affected += [removed for removed in key.removed_by_block if removed in self.latest]
        if current is None:
            self.created.add(key)
        for edge in affected:
            self.previous.setdefault(edge, self.in_force(edge))
        self.latest[key] = change
        self.has_blocks = self.has_blocks or key.kind is Kind.BLOCK

    def request(self, key: EdgeKey, *, on: bool, now: datetime) -> None:
        """Apply a change requested now, later than every known change. Requesting the current state does nothing.

        A follow or a close friend is not stored while either user blocks the other.
        """
        current = self.latest.get(key)
        if on and (self.in_force(key) or (key.kind in REMOVED_BY_BLOCK and self.blocked(key))):
            return
        if not on and (current is None or not current.on):
            return
        known = [self.latest[edge].at for edge in key.dependencies if edge in self.latest]
        known += [self.erased[user] for user in (key.user, key.target) if user in self.erased]
        self.apply(key, EdgeChange(on, max([now, *(at + MILLISECOND for at in known)])))

    def blocked(self, key: EdgeKey) -> bool:
        """Whether either of the two blocks the other."""
        return any(self.latest[block].on for block in key.block_edges if block in self.latest)

    def in_force(self, key: EdgeKey) -> bool:
        """Whether an edge is in force."""
        change = self.latest.get(key)
        if change is None or not change.on:
            return False
        if not self.has_blocks or key.kind not in REMOVED_BY_BLOCK:
            return True
        blocks = [self.latest[block] for block in key.block_edges if block in self.latest]
        return all(not block.on and block.at < change.at for block in blocks)

    def changes(self) -> "list[AppliedChange]":
        """Every edge that was changed, or whose force a block may have changed, in its present state."""
        return [
            AppliedChange(key, self.latest[key], was_in_force, self.in_force(key), key in self.created)
            for key, was_in_force in self.previous.items()
        ]


class AppliedChange(NamedTuple):
    """An edge to be written: its latest change, whether it was and is in force, and whether it is new."""

    key: EdgeKey
    latest: EdgeChange
    was_in_force: bool
    in_force: bool
    created: bool

    @property
    def delta(self) -> int:
        """The change in the number of edges in force: -1, 0 or 1."""
        return self.in_force - self.was_in_force


def dependencies_of(keys: Iterable[EdgeKey]) -> Collection[EdgeKey]:
    """Every edge that must be loaded before these are changed."""
    return {dependency for key in keys for dependency in key.dependencies}


@dataclass(frozen=True, slots=True)
class NotifyChoice:
    """Whether a follower is notified of new stories, and the country of their token when they said so."""

    notify: bool
    country: str | None = None


EdgeListPosition = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class EdgeListEntry:
    """A user on a list of edges, and since when. `country`: of who is notified, as of their choice."""

    user_id: str
    since: datetime
    notify: bool = False
    country: str | None = None

    @property
    def position(self) -> EdgeListPosition:
        """The entry's position in its list."""
        return self.since, self.user_id


@dataclass(frozen=True, slots=True)
class FollowList:
    """The viewer's follows and mutes, and who hides all stories from the viewer.

    Blocked authors are not in ``following``.
    """

    following: Sequence[str]
    muted: frozenset[str]
    hidden_by: frozenset[str] = frozenset()
