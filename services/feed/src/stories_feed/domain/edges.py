"""Edges between two users: follow, block, mute, close friend. Who said what last counts, whatever arrives first.

An edge remembers what was last asked and when. A follow or a close friend is in force only where no block of either
side stands and the last word about one is older: so a block takes both follows and both close friends away, lifting
it brings nothing back, and a follow made after that holds even if the news of it came before.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

# Longer than any record of an edge can live in a topic, so that no replay finds its mark gone.
MARK_RETENTION = timedelta(days=30)
MILLISECOND = timedelta(milliseconds=1)
# Whom a viewer follows and has muted is one document, read for every tray; at this size it is some 7 MB at most.
MAX_FOLLOWS_AND_MUTES = 50_000


class TooManyEdges(Exception):
    """A user would follow or mute more others than one document holds."""


class Kind(StrEnum):
    """What a user may decide about another."""

    FOLLOW = "follow"
    """Sees the other's stories for followers, and their ring in the tray."""
    BLOCK = "block"
    """Each is hidden from the other, everywhere."""
    MUTE = "mute"
    """Does not want the other in tray and For You."""
    CLOSE_FRIEND = "close-friend"
    """Lets the other see stories for close friends."""


# What wins where two facts have the same time: the one that shows less.
TIE_BREAK = {Kind.FOLLOW: False, Kind.BLOCK: True, Kind.MUTE: True, Kind.CLOSE_FRIEND: False}
REMOVED_BY_BLOCK = (Kind.FOLLOW, Kind.CLOSE_FRIEND)


@dataclass(frozen=True, slots=True)
class EdgeKey:
    """An edge's name: its kind, who decided, and about whom. No user id holds a slash."""

    kind: Kind
    user: str
    target: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.user}/{self.target}"

    @property
    def back(self) -> "EdgeKey":
        """The same the other way round."""
        return EdgeKey(self.kind, self.target, self.user)

    @property
    def blocks(self) -> "tuple[EdgeKey, EdgeKey]":
        """The blocks between the two, either way."""
        block = EdgeKey(Kind.BLOCK, self.user, self.target)
        return block, block.back

    @property
    def needed(self) -> "frozenset[EdgeKey]":
        """Every edge that must be known to decide about this one, itself among them."""
        if self.kind is Kind.MUTE:
            return frozenset((self,))
        if self.kind is Kind.BLOCK:
            return frozenset((self, self.back, *self.ended))
        return frozenset((self, *self.blocks))

    @property
    def ended(self) -> "tuple[EdgeKey, ...]":
        """The edges that a block of this pair takes away."""
        own = [EdgeKey(kind, self.user, self.target) for kind in REMOVED_BY_BLOCK]
        return *own, *(pair.back for pair in own)


@dataclass(frozen=True, slots=True)
class EdgeChange:
    """What was asked of an edge, and when."""

    asked: bool
    at: datetime


@dataclass(slots=True)
class EdgeSet:
    """The known edges around some pairs, and what the facts heard change in them.

    Args:
        words: the last word on each edge.
        erased: when users were erased; facts about them that are not later are ignored.
    """

    words: dict[EdgeKey, EdgeChange]
    erased: Mapping[str, datetime] = field(default_factory=dict)
    before: dict[EdgeKey, bool] = field(default_factory=dict)
    fresh: set[EdgeKey] = field(default_factory=set)

    def hear(self, pair: EdgeKey, word: EdgeChange) -> None:
        """Take a fact: the later word counts, on a tie the one that shows less, a repeated one changes nothing."""
        if any(word.at <= self.erased[user] for user in (pair.user, pair.target) if user in self.erased):
            return
        held = self.words.get(pair)
        if held is not None and (word.at, word.asked == TIE_BREAK[pair.kind]) <= (
            held.at,
            held.asked == TIE_BREAK[pair.kind],
        ):
            return
        touched = (pair, *(each for each in pair.ended if each in self.words)) if pair.kind is Kind.BLOCK else (pair,)
        if held is None:
            self.fresh.add(pair)
        for each in touched:
            self.before.setdefault(each, self.stands(each))
        self.words[pair] = word

    def ask(self, pair: EdgeKey, *, on: bool, now: datetime) -> None:
        """Take a wish made here and now, which is later than everything known. Wishing for what is so changes nothing.

        Following somebody, or making somebody a close friend, while a block stands is not kept.
        """
        held = self.words.get(pair)
        if on and (self.stands(pair) or (pair.kind in REMOVED_BY_BLOCK and self.blocked(pair))):
            return
        if not on and (held is None or not held.asked):
            return
        known = [self.words[each].at for each in pair.needed if each in self.words]
        known += [self.erased[user] for user in (pair.user, pair.target) if user in self.erased]
        self.hear(pair, EdgeChange(on, max([now, *(at + MILLISECOND for at in known)])))

    def blocked(self, pair: EdgeKey) -> bool:
        """Whether either of the two blocks the other."""
        return any(self.words[block].asked for block in pair.blocks if block in self.words)

    def stands(self, pair: EdgeKey) -> bool:
        """Whether an edge is in force."""
        word = self.words.get(pair)
        if word is None or not word.asked:
            return False
        if pair.kind not in REMOVED_BY_BLOCK:
            return True
        blocks = [self.words[block] for block in pair.blocks if block in self.words]
        return all(not block.asked and block.at < word.at for block in blocks)

    def changes(self) -> "list[AppliedChange]":
        """Every edge whose word or force is not what it was, as it is now."""
        return [
            AppliedChange(pair, self.words[pair], was, self.stands(pair), pair in self.fresh)
            for pair, was in self.before.items()
        ]


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """An edge that is to be written: its last word, whether it was in force, whether it is, and whether it is new."""

    pair: EdgeKey
    word: EdgeChange
    was: bool
    stands: bool
    fresh: bool

    @property
    def growth(self) -> int:
        """By how much it makes the edges in force more."""
        return int(self.stands) - int(self.was)


def all_dependencies(pairs: Iterable[EdgeKey]) -> Collection[EdgeKey]:
    """Every edge that must be known to decide about these."""
    return {needed for pair in pairs for needed in pair.needed}
