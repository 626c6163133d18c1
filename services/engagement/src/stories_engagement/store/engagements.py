"""Reactions and shares: a row per viewer and story, counted in the story's engagements document."""

from collections.abc import Mapping
from datetime import datetime

from stories_engagement.store.kinds import REACTION, REACTIONS, SHARE
from stories_engagement.store.schema import ENGAGEMENTS, row_id
from stories_engagement.store.story_counters import CounterWriter
from stories_engagement.store.writes import PutRow
from stories_engagement.usecases.access import StoryAccess


class MongoReactions:
    """One reaction per viewer and story. A withdrawn one leaves its row, so that withdrawing is idempotent."""

    def __init__(self, counter_writer: CounterWriter) -> None:
        self._counter_writer = counter_writer
        self._rows = counter_writer.mongo[REACTIONS]

    async def put(self, access: StoryAccess, emoji: str, at: datetime) -> None:
        """Set a viewer's reaction. Raises `NotFound`."""
        await self._set(access.story_id, access.user_id, access.author_id, emoji, at)

    async def withdraw(self, story_id: str, user_id: str, at: datetime) -> bool:
        """Withdraw a viewer's reaction; False if there never was one. Raises `NotFound`."""
        row = await self._rows.find_one({"_id": row_id(story_id, user_id)})
        if row is None:
            return False
        await self._set(story_id, user_id, None, None, at)
        return True

    async def counts(self, story_id: str) -> Mapping[str, int]:
        """How many of each, the most frequent first."""
        document = await self._counter_writer.mongo[ENGAGEMENTS].find_one({"_id": story_id}, {"emoji": 1})
        return by_frequency((document or {}).get("emoji", {}))

    async def mine(self, story_id: str, user_id: str) -> str | None:
        """A viewer's own reaction."""
        row = await self._rows.find_one({"_id": row_id(story_id, user_id)})
        return row["emoji"] if row else None

    async def _set(self, story_id: str, user_id: str, author_id: str | None, emoji: str | None, at: datetime) -> None:
        row = {"_id": row_id(story_id, user_id), "story_id": story_id, "viewer_id": user_id, "emoji": emoji, "at": at}
        await self._counter_writer.write(story_id, author_id, PutRow(REACTION, row))


class MongoShares:
    """Who shared a story, once each."""

    def __init__(self, counter_writer: CounterWriter) -> None:
        self._counter_writer = counter_writer

    async def put(self, access: StoryAccess, at: datetime) -> None:
        """Count a viewer's first share. Raises `NotFound`."""
        story_id, user_id = access.story_id, access.user_id
        row = {"_id": row_id(story_id, user_id), "story_id": story_id, "viewer_id": user_id, "at": at}
        await self._counter_writer.write(story_id, access.author_id, PutRow(SHARE, row, once=True))


def by_frequency(emoji: Mapping[str, int]) -> dict[str, int]:
    """Counts by emoji, the most frequent first."""
    return dict(sorted(emoji.items(), key=lambda item: (-item[1], item[0])))
