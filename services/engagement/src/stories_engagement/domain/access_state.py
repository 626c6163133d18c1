"""The access state: what this replica holds in memory to judge tickets by.

Live stories, the endings of the last day, and the blocks that MongoDB may not have yet. Everything else about blocks is
asked of MongoDB (usecases/blocks.py), so that what is here is bounded by what happens in a day, however many blocks
were ever set. Nothing here takes longer than a bounded step.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

ENDED_RETENTION = timedelta(hours=25)
"""How long an ending is remembered here: the longest life of a ticket and the day in which a story can be reported."""

ERASED_RETENTION = timedelta(hours=1)
"""How long an erasure is remembered here, so that an older block heard after it does not stand. One that is heard later
still stands only until it is compared with MongoDB."""

BLOCK_RETENTION = timedelta(seconds=30)
"""A block set or lifted is held here for so long at least, then until MongoDB has it."""

PRUNE_BATCH = 1_000
"""Entries forgotten in one step: about a millisecond."""


@dataclass(frozen=True, slots=True)
class LiveStory:
    """A live story, as its author last set it."""

    author_id: str
    expires_at: datetime
    revision: int
    access_revision: int
    comments: str
    reactions: bool
    sharing: bool
    view_list: bool


@dataclass(frozen=True, slots=True)
class BlockState:
    """The newest word about a block: whether it is on, and since when."""

    on: bool
    at: datetime

    def superseded_by(self, other: "BlockState") -> bool:
        """The newer wins; at the same time, the one that blocks: of two words the one that shows less."""
        return other.at > self.at or (other.at == self.at and other.on and not self.on)


KINDS = ("stories", "endings", "blocks", "erasures")
"""What is held."""

Pair = tuple[str, str]
"""Who blocked whom."""


class AccessState:
    """Pure data: the same facts in any order, any number of times, leave the same standing."""

    def __init__(self) -> None:
        self._stories: dict[str, LiveStory] = {}
        self._stories_until: dict[int, list[str]] = {}
        self._ended: OrderedDict[str, datetime] = OrderedDict()
        self._blocks: OrderedDict[Pair, tuple[BlockState, datetime]] = OrderedDict()
        self._pairs: defaultdict[str, set[Pair]] = defaultdict(set)
        self._erased: OrderedDict[str, tuple[datetime, datetime]] = OrderedDict()

    def post(self, story_id: str, known: LiveStory) -> None:
        """A story was posted or changed. Older revisions and ended stories change nothing."""
        held = self._stories.get(story_id)
        if story_id in self._ended or (held is not None and held.revision >= known.revision):
            return
        self._stories[story_id] = known
        if held is None or held.expires_at != known.expires_at:
            self._stories_until.setdefault(_hour(known.expires_at), []).append(story_id)

    def end(self, story_id: str, received_at: datetime) -> None:
        """A story has ended, for good."""
        self._ended.setdefault(story_id, received_at)
        self._stories.pop(story_id, None)

    def block(self, user_id: str, target_id: str, state: BlockState, received_at: datetime) -> None:
        """A block was set or lifted; words about erased people from before their erasure are nobody's."""
        pair = user_id, target_id
        held = self._blocks.get(pair)
        if held is not None and not held[0].superseded_by(state):
            return
        if any(state.at <= self._erased[one][0] for one in pair if one in self._erased):
            return
        self._blocks.pop(pair, None)
        self._blocks[pair] = state, received_at
        for one in pair:
            self._pairs[one].add(pair)

    def erase(self, user_id: str, until: datetime, received_at: datetime) -> None:
        """A person was erased: blocks set by or against them up to then are forgotten."""
        earlier = self._erased.pop(user_id, None)
        until = max(until, earlier[0]) if earlier else until
        self._erased[user_id] = until, received_at
        for pair in [pair for pair in self._pairs.get(user_id, ()) if self._blocks[pair][0].at <= until]:
            self._drop(pair)

    def story(self, story_id: str, now: datetime) -> LiveStory | None:
        """The story, if this replica has heard of it and it lives."""
        known = self._stories.get(story_id)
        return known if known is not None and known.expires_at > now else None

    def has_ended(self, story_id: str, now: datetime) -> bool:
        """Whether the story is known to have ended, by word or by the clock."""
        if story_id in self._ended:
            return True
        known = self._stories.get(story_id)
        return known is not None and known.expires_at <= now

    def block_states(self, pairs: Iterable[Pair]) -> dict[Pair, BlockState]:
        """The newest words about these pairs that are held here."""
        return {pair: self._blocks[pair][0] for pair in pairs if pair in self._blocks}

    def block_states_of(self, user_id: str) -> dict[Pair, BlockState]:
        """The newest words held here that a person has a part in."""
        return self.block_states(self._pairs.get(user_id, ()))

    def oldest_block_states(self, now: datetime, limit: int) -> dict[Pair, BlockState]:
        """Some words that were heard long enough ago for MongoDB to have them, the oldest first."""
        found: dict[Pair, BlockState] = {}
        for pair, (state, received_at) in self._blocks.items():
            if len(found) == limit or received_at + BLOCK_RETENTION > now:
                break
            found[pair] = state
        return found

    def drop_stored(self, states: dict[Pair, BlockState]) -> None:
        """MongoDB has these words, so they need not be held here unless there are newer ones."""
        for pair, state in states.items():
            if self._blocks.get(pair, (None,))[0] == state:
                self._drop(pair)

    def defer_unstored(self, pairs: Iterable[Pair], now: datetime) -> None:
        """MongoDB does not have these words yet: they are compared again after the others."""
        for pair in pairs:
            if pair in self._blocks:
                self._blocks[pair] = self._blocks[pair][0], now
                self._blocks.move_to_end(pair)

    def sizes(self) -> dict[str, int]:
        """How many entries of each kind are held."""
        sizes = len(self._stories), len(self._ended), len(self._blocks), len(self._erased)
        return dict(zip(KINDS, sizes, strict=True))

    def prune(self, now: datetime) -> bool:
        """Forget some of what can no longer matter; whether there is more of it."""
        left = PRUNE_BATCH
        while left and self._ended and next(iter(self._ended.values())) + ENDED_RETENTION < now:
            self._ended.popitem(last=False)
            left -= 1
        while left and self._erased and next(iter(self._erased.values()))[1] + ERASED_RETENTION < now:
            self._erased.popitem(last=False)
            left -= 1
        for hour in [hour for hour in self._stories_until if hour < _hour(now - ENDED_RETENTION)]:
            ids = self._stories_until[hour]
            while left and ids:
                story_id = ids.pop()
                known = self._stories.get(story_id)
                if known is not None and _hour(known.expires_at) == hour:
                    del self._stories[story_id]
                left -= 1
            if not ids:
                del self._stories_until[hour]
        return not left

    def _drop(self, pair: Pair) -> None:
        del self._blocks[pair]
        for one in set(pair):
            self._pairs[one].discard(pair)
            if not self._pairs[one]:
                del self._pairs[one]


def _hour(at: datetime) -> int:
    return int(at.timestamp()) // 3600
