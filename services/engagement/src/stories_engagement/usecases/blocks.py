"""Blocks: who is on the other side of one, by what MongoDB has and what this replica has heard since."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.events import UserBlocked, UserUnblocked
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time

from stories_engagement.domain.access_state import AccessState, BlockState, Pair

MAX_BLOCKED_USERS = 10_000
"""People whom one lookup of everybody on the other side of a block names."""

COMPARE_BATCH = 500
"""Blocks that are compared with MongoDB in one step."""


class Blocks(Protocol):
    """Keeps the newest word about each block."""

    async def put(self, user_id: str, target_id: str, state: BlockState) -> None: ...


def block_state_of(record: ReceivedEvent[UserBlocked] | ReceivedEvent[UserUnblocked]) -> BlockState:
    """The block as it counts: an outsider's time ahead of the log's is the log's (docs/events.md)."""
    return BlockState(on=isinstance(record.event, UserBlocked), at=clamp_to_append_time(record, record.event.at))


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """Keep a block or its lifting, unless a newer word is kept."""

    blocks: Blocks

    async def __call__(self, record: ReceivedEvent[UserBlocked] | ReceivedEvent[UserUnblocked]) -> None:
        await self.blocks.put(record.event.user_id, record.event.target_id, block_state_of(record))


class StoredBlocks(Protocol):
    """The newest word about each block, as the consumers have stored it."""

    async def block_states(self, pairs: Iterable[Pair]) -> Mapping[Pair, BlockState]:
        """The words about these pairs; what is absent was never said or is long lifted."""
        ...

    async def block_states_of(self, user_id: str, limit: int) -> Mapping[Pair, BlockState]:
        """Blocks that stand and that a person has a part in, at most so many."""
        ...

    async def outdated(self, states: Mapping[Pair, BlockState]) -> set[Pair]:
        """Which of these words are stored, or outdone by what is stored: by a newer word or by an erasure."""
        ...


@dataclass(frozen=True, slots=True)
class FindBlocked:
    """Finds the people on the other side of a block, either way."""

    access_state: AccessState
    stored: StoredBlocks

    async def among(self, user_id: str, others: Collection[str]) -> frozenset[str]:
        """Who of these people and the user are apart."""
        pairs = [pair for other in others for pair in ((user_id, other), (other, user_id))]
        if not pairs:
            return frozenset()
        # What was held before the question was asked may be stored and dropped before it is answered.
        before = self.access_state.block_states(pairs)
        stored = await self.stored.block_states(pairs)
        return blocked(user_id, before, stored, self.access_state.block_states(pairs))

    async def of(self, user_id: str) -> frozenset[str]:
        """Everybody who is apart from the user, at most `AVOIDED_AT_MOST` and who was heard of lately."""
        before = self.access_state.block_states_of(user_id)
        stored = await self.stored.block_states_of(user_id, MAX_BLOCKED_USERS)
        return blocked(user_id, before, stored, self.access_state.block_states_of(user_id))


def blocked(user_id: str, *words: Mapping[Pair, BlockState]) -> frozenset[str]:
    """Who is apart from the user by the newest of all words about each pair."""
    newest: dict[Pair, BlockState] = {}
    for some in words:
        for pair, state in some.items():
            held = newest.get(pair)
            if held is None or held.superseded_by(state):
                newest[pair] = state
    return frozenset(other for pair, state in newest.items() if state.on for other in pair if other != user_id)


@dataclass(frozen=True, slots=True)
class ForgetStoredBlocks:
    """Drops blocks from memory once MongoDB has them."""

    access_state: AccessState
    stored: StoredBlocks
    now: Clock

    async def __call__(self) -> bool:
        """Compare some; whether there may be more to drop."""
        some = self.access_state.oldest_block_states(self.now(), COMPARE_BATCH)
        if not some:
            return False
        outdated = await self.stored.outdated(some)
        self.access_state.drop_stored({pair: state for pair, state in some.items() if pair in outdated})
        self.access_state.defer_unstored(some.keys() - outdated, self.now())
        return len(some) == COMPARE_BATCH
