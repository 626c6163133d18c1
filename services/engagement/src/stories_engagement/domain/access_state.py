"""The access state: the data in memory by which a replica checks tickets.

It holds live stories, the endings of the last day, and blocks that MongoDB may not have stored yet. All other blocks
are read from MongoDB (usecases/blocks.py), so memory is bounded by one day of events. Every method is a bounded step.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from stories_engagement.domain.answers import AnswerableLayer

ENDED_RETENTION = timedelta(hours=25)
"""How long an ending is kept: the longest lifetime of a ticket plus the day in which a story can be reported."""

ERASED_RETENTION = timedelta(hours=1)
"""How long an erasure is kept, so that an older block that arrives after it is ignored. One that arrives even later
applies only until it is compared with MongoDB."""

BLOCK_RETENTION = timedelta(seconds=30)
"""The least time that a change of a block is kept; then it is kept until MongoDB has it."""

PRUNE_BATCH = 1_000
"""Entries removed in one step: about a millisecond."""


@dataclass(frozen=True, slots=True)
class LiveStory:
    """A live story at its highest revision."""

    author_id: str
    expires_at: datetime
    revision: int
    access_revision: int
    comments: str
    reactions: bool
    sharing: bool
    view_list: bool
    layers: tuple[AnswerableLayer, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockState:
    """The newest state of a block: whether it is on, and since when."""

    on: bool
    at: datetime

    def superseded_by(self, other: "BlockState") -> bool:
        """Whether the other state is newer, or of the same time and a block: a tie goes to the block."""
        return other.at > self.at or (other.at == self.at and other.on and not self.on)


KINDS = ("stories", "endings", "blocks", "erasures")
"""The kinds of entries."""

Pair = tuple[str, str]
"""A user and the user whom they blocked."""


class AccessState:
    """Order-independent and idempotent: the same events in any order and any number lead to the same state."""

    def __init__(self) -> None:
        self._stories: dict[str, LiveStory] = {}
        self._stories_until: dict[int, list[str]] = {}
        self._ended: OrderedDict[str, datetime] = OrderedDict()
        self._blocks: OrderedDict[Pair, tuple[BlockState, datetime]] = OrderedDict()
        self._pairs: defaultdict[str, set[Pair]] = defaultdict(set)
        self._erased: OrderedDict[str, tuple[datetime, datetime]] = OrderedDict()

    def post(self, story_id: str, story: LiveStory) -> None:
        """Add or update a story. Older revisions and ended stories change nothing."""
        existing = self._stories.get(story_id)
        if story_id in self._ended or (existing is not None and existing.revision >= story.revision):
            return
        self._stories[story_id] = story
        if existing is None or existing.expires_at != story.expires_at:
            self._stories_until.setdefault(_hour(story.expires_at), []).append(story_id)

    def end(self, story_id: str, received_at: datetime) -> None:
        """Mark a story as ended. An ending is final."""
        self._ended.setdefault(story_id, received_at)
        self._stories.pop(story_id, None)

    def block(self, user_id: str, target_id: str, state: BlockState, received_at: datetime) -> None:
        """Set or lift a block, unless it is older than the stored state or than the erasure of one of the two users."""
        pair = user_id, target_id
        existing = self._blocks.get(pair)
        if existing is not None and not existing[0].superseded_by(state):
            return
        if any(state.at <= self._erased[user][0] for user in pair if user in self._erased):
            return
        self._blocks.pop(pair, None)
        self._blocks[pair] = state, received_at
        for user in pair:
            self._pairs[user].add(pair)

    def erase(self, user_id: str, until: datetime, received_at: datetime) -> None:
        """Remove all blocks by and against a user up to a time."""
        earlier = self._erased.pop(user_id, None)
        until = max(until, earlier[0]) if earlier else until
        self._erased[user_id] = until, received_at
        for pair in [pair for pair in self._pairs.get(user_id, ()) if self._blocks[pair][0].at <= until]:
            self._drop(pair)

    def story(self, story_id: str, now: datetime) -> LiveStory | None:
        """The story, if it is known here and has not expired."""
        known = self._stories.get(story_id)
        return known if known is not None and known.expires_at > now else None

    def has_ended(self, story_id: str, now: datetime) -> bool:
        """Whether the story is known to have ended, by an event or by its expiry."""
        if story_id in self._ended:
            return True
        known = self._stories.get(story_id)
        return known is not None and known.expires_at <= now

    def block_states(self, pairs: Iterable[Pair]) -> dict[Pair, BlockState]:
        """The states of these pairs that are in memory."""
        return {pair: self._blocks[pair][0] for pair in pairs if pair in self._blocks}

    def block_states_of(self, user_id: str) -> dict[Pair, BlockState]:
        """The states in memory of all blocks by and against a user."""
        return self.block_states(self._pairs.get(user_id, ()))

    def oldest_block_states(self, now: datetime, limit: int) -> dict[Pair, BlockState]:
        """States received at least `BLOCK_RETENTION` ago, the oldest first."""
        found: dict[Pair, BlockState] = {}
        for pair, (state, received_at) in self._blocks.items():
            if len(found) == limit or received_at + BLOCK_RETENTION > now:
                break
            found[pair] = state
        return found

    def drop_stored(self, states: dict[Pair, BlockState]) -> None:
        """Remove states that MongoDB has stored, unless they have changed meanwhile."""
        for pair, state in states.items():
            if self._blocks.get(pair, (None,))[0] == state:
                self._drop(pair)

    def defer_unstored(self, pairs: Iterable[Pair], now: datetime) -> None:
        """Move states that MongoDB has not stored yet to the end of the queue."""
        for pair in pairs:
            if pair in self._blocks:
                self._blocks[pair] = self._blocks[pair][0], now
                self._blocks.move_to_end(pair)

    def sizes(self) -> dict[str, int]:
        """The number of entries of each kind."""
        sizes = len(self._stories), len(self._ended), len(self._blocks), len(self._erased)
        return dict(zip(KINDS, sizes, strict=True))

    def prune(self, now: datetime) -> bool:
        """Remove a bounded number of outdated entries; whether more may be left."""
        budget = PRUNE_BATCH
        while budget and self._ended and next(iter(self._ended.values())) + ENDED_RETENTION < now:
            self._ended.popitem(last=False)
            budget -= 1
        while budget and self._erased and next(iter(self._erased.values()))[1] + ERASED_RETENTION < now:
            self._erased.popitem(last=False)
            budget -= 1
        for hour in [hour for hour in self._stories_until if hour < _hour(now - ENDED_RETENTION)]:
            ids = self._stories_until[hour]
            while budget and ids:
                story_id = ids.pop()
                known = self._stories.get(story_id)
                if known is not None and _hour(known.expires_at) == hour:
                    del self._stories[story_id]
                budget -= 1
            if not ids:
                del self._stories_until[hour]
        return not budget

    def _drop(self, pair: Pair) -> None:
        del self._blocks[pair]
        for user in set(pair):
            self._pairs[user].discard(pair)
            if not self._pairs[user]:
                del self._pairs[user]


def _hour(at: datetime) -> int:
    return int(at.timestamp()) // 3600
