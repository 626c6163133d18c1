"""What users set and what is erased of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from stories_engagement.domain.access_state import BlockState, Pair
from stories_engagement.domain.views import Block
from stories_engagement.testing.in_memory.comments import MemoryComments
from stories_engagement.testing.in_memory.database import FAR, MemoryDatabase
from stories_engagement.testing.in_memory.views import MemoryViews
from stories_engagement.usecases.privacy import Unlisting

BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class MemoryBlocks:
    """Stores blocks."""

    database: MemoryDatabase

    async def block_states(self, pairs: Iterable[Pair]) -> dict[Pair, BlockState]:
        return {pair: self.database.block_states[pair] for pair in pairs if pair in self.database.block_states}

    async def block_states_of(self, user_id: str, limit: int) -> dict[Pair, BlockState]:
        mine = [(pair, state) for pair, state in self.database.block_states.items() if user_id in pair and state.on]
        return dict(mine[:limit])

    async def outdated(self, states: Mapping[Pair, BlockState]) -> set[Pair]:
        kept, erased = self.database.block_states, self.database.erased
        return {
            pair
            for pair, state in states.items()
            if (pair in kept and not kept[pair].superseded_by(state))
            or any(user in erased and state.at <= erased[user] for user in pair)
        }

    async def put(self, user_id: str, target_id: str, state: BlockState) -> None:
        key = user_id, target_id
        existing = self.database.block_states.get(key)
        if existing is not None and not existing.superseded_by(state):
            stored = self.database.blocks[key]
            if state.on and stored.until == stored.since > state.at:
                self.database.blocks[key] = Block(state.at, stored.until)
            return
        if any(state.at <= self.database.erased.get(user, BEFORE_ALL) for user in key):
            return
        since = self.database.blocks[key].since if existing is not None and existing.on else state.at
        self.database.block_states[key] = state
        self.database.blocks[key] = Block(since, None if state.on else state.at)


@dataclass
class MemoryPrivacy:
    """Stores privacy settings."""

    database: MemoryDatabase

    async def listed(self, user_id: str) -> bool:
        return self.database.privacy.get(user_id, (True, FAR, None))[0]

    async def set_listed(self, user_id: str, listed: bool, at: datetime) -> None:
        if not listed:
            self.database.privacy[user_id] = (False, at, None)
            self.database.unlist[user_id] = at, ""
        elif not await self.listed(user_id):
            self.database.privacy[user_id] = (True, at, at)

    async def claim_unlisting(self, now: datetime, until: datetime) -> Unlisting | None:
        due = sorted((due_at, user_id, after) for user_id, (due_at, after) in self.database.unlist.items())
        if not due or due[0][0] > now:
            return None
        _, user_id, after = due[0]
        self.database.unlist[user_id] = until, after
        _, at, off_until = self.database.privacy[user_id]
        return Unlisting(user_id, at, off_until or at, after)

    async def keep_progress(self, work: Unlisting, now: datetime) -> None:
        if self.database.privacy[work.user_id][1] == work.at:
            self.database.unlist[work.user_id] = now, work.after

    async def unlisted(self, work: Unlisting) -> None:
        if self.database.privacy[work.user_id][1] == work.at:
            del self.database.unlist[work.user_id]


@dataclass
class MemoryUserErasure:
    """Erases all data of users."""

    database: MemoryDatabase

    async def erase_user(self, user_id: str, until: datetime) -> None:
        database = self.database
        await MemoryViews(database).erase_viewer(user_id, until)
        written = [c for c in database.comments.values() if c.writer_id == user_id and c.created_at <= until]
        for comment in written:
            await MemoryComments(database).remove(comment)
        database.reactions = {k: kept for k, kept in database.reactions.items() if k[1] != user_id or kept[1] > until}
        database.shares = {k: at for k, at in database.shares.items() if k[1] != user_id or at > until}
        database.answers = {k: kept for k, kept in database.answers.items() if k[2] != user_id or kept[1] > until}
        for sealed in [sealed for sealed in database.sealed.values() if sealed.author_id == user_id]:
            if sealed.posted_at <= until:
                del database.sealed[sealed.story_id]
        for pair in [pair for pair, state in database.block_states.items() if user_id in pair and state.at <= until]:
            del database.block_states[pair], database.blocks[pair]
        if user_id in database.privacy and database.privacy[user_id][1] <= until:
            del database.privacy[user_id]
            database.unlist.pop(user_id, None)
        if user_id in database.words and database.words[user_id][1] <= until:
            del database.words[user_id]
