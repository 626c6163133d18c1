"""Blocks: stored ones, merged with those that this replica has consumed since."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.events import UserBlocked, UserUnblocked
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time

from stories_engagement.domain.access_state import AccessState, BlockState, Pair

MAX_BLOCKED_USERS = 10_000
"""The most users that one lookup of all blocks of a user returns."""

COMPARE_BATCH = 500
"""Blocks compared with MongoDB in one step."""


class BlockRepository(Protocol):
    """Stores the newest state of each block."""

    async def put(self, user_id: str, target_id: str, state: BlockState) -> None: ...

    async def block_states(self, pairs: Iterable[Pair]) -> Mapping[Pair, BlockState]:
        """The states of these pairs. Absent: never set, or lifted and expired."""

    async def block_states_of(self, user_id: str, limit: int) -> Mapping[Pair, BlockState]:
        """Blocks in force by and against a user, at most `limit` in each direction."""

    async def outdated(self, states: Mapping[Pair, BlockState]) -> set[Pair]:
        """Which of these states are stored, or superseded by a stored state or an erasure."""


def block_state_of(record: ReceivedEvent[UserBlocked] | ReceivedEvent[UserUnblocked]) -> BlockState:
    """The state that the event sets. External times are capped at the append time (docs/events.md)."""
    return BlockState(on=isinstance(record.event, UserBlocked), at=clamp_to_append_time(record, record.event.at))


@dataclass(frozen=True, slots=True)
class FindBlocked:
    """Finds users with a block between them and a user, in either direction."""

    access_state: AccessState
    stored: BlockRepository

    async def among(self, user_id: str, others: Collection[str]) -> frozenset[str]:
        """Those of these users with a block between them and the user."""
        pairs = [pair for other in others for pair in ((user_id, other), (other, user_id))]
        if not pairs:
            return frozenset()
        # A state in memory may be stored and dropped while the query runs.
        before = self.access_state.block_states(pairs)
        stored = await self.stored.block_states(pairs)
        return blocked(user_id, before, stored, self.access_state.block_states(pairs))

    async def of(self, user_id: str) -> frozenset[str]:
        """Users with a block between them and the user, at most `MAX_BLOCKED_USERS` a direction."""
        before = self.access_state.block_states_of(user_id)
        stored = await self.stored.block_states_of(user_id, MAX_BLOCKED_USERS)
        return blocked(user_id, before, stored, self.access_state.block_states_of(user_id))


def blocked(user_id: str, *sources: Mapping[Pair, BlockState]) -> frozenset[str]:
    """Users blocked by or blocking the user, by the newest state of each pair."""
    newest: dict[Pair, BlockState] = {}
    for states in sources:
        for pair, state in states.items():
            existing = newest.get(pair)
            if existing is None or existing.superseded_by(state):
                newest[pair] = state
    return frozenset(other for pair, state in newest.items() if state.on for other in pair if other != user_id)


@dataclass(frozen=True, slots=True)
class DropStoredBlocks:
    """Drops blocks from memory once MongoDB has them."""

    access_state: AccessState
    stored: BlockRepository
    now: Clock

    async def __call__(self) -> bool:
        """Compare a batch; whether there may be more to drop."""
        batch = self.access_state.oldest_block_states(self.now(), COMPARE_BATCH)
        if not batch:
            return False
        outdated = await self.stored.outdated(batch)
        self.access_state.drop_stored({pair: state for pair, state in batch.items() if pair in outdated})
        self.access_state.defer_unstored(batch.keys() - outdated, self.now())
        return len(batch) == COMPARE_BATCH
