"""Reactions and shares."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from stories_engagement.testing.in_memory.database import FAR, MemoryDatabase
from stories_engagement.usecases.access import StoryAccess


@dataclass
class MemoryReactions:
    """Stores reactions."""

    database: MemoryDatabase

    async def put(self, access: StoryAccess, emoji: str, at: datetime) -> None:
        self.database.live(access.story_id, access.author_id)
        self.database.reactions[access.story_id, access.user_id] = (emoji, at)

    async def withdraw(self, story_id: str, user_id: str, at: datetime) -> bool:
        if (story_id, user_id) not in self.database.reactions:
            return False
        self.database.live(story_id)
        self.database.reactions[story_id, user_id] = (None, at)
        return True

    async def counts(self, story_id: str) -> Mapping[str, int]:
        return Counter(emoji for (s, _), (emoji, _) in self.database.reactions.items() if s == story_id and emoji)

    async def mine(self, story_id: str, user_id: str) -> str | None:
        return self.database.reactions.get((story_id, user_id), (None, FAR))[0]


@dataclass
class MemoryShares:
    """Stores shares."""

    database: MemoryDatabase

    async def put(self, access: StoryAccess, at: datetime) -> None:
        self.database.live(access.story_id, access.author_id)
        self.database.shares.setdefault((access.story_id, access.user_id), at)
