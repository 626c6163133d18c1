"""Stories and how they ended."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from stories_shared.events import StoryPosted

from stories_engagement.domain.views import StoryCounter
from stories_engagement.testing.in_memory.database import MemoryDatabase
from stories_engagement.testing.in_memory.insights import FLOOR, MemoryInsights
from stories_engagement.usecases.insights import sealed_insights
from stories_engagement.usecases.stories import live_story_of


@dataclass
class MemoryStories:
    """Stores and ends stories."""

    database: MemoryDatabase

    async def put(self, story: StoryPosted) -> None:
        database, story_id, live_story = self.database, story.story_id, live_story_of(story)
        existing = database.stories.get(story_id)
        if story_id in database.ended or (existing and existing.revision >= live_story.revision):
            return
        database.stories[story_id] = live_story
        database.content[story_id] = story
        database.counters[story_id] = StoryCounter(
            live_story.author_id, live_story.expires_at, view_list=live_story.view_list
        )
        own = database.rows.pop((story_id, live_story.author_id), None)
        if own is not None:
            database.viewers[story_id] -= 1
            database.plays[story_id] -= len(own.plays)

    async def end(self, story_ids: Collection[str], how: str) -> None:
        for story_id in story_ids:
            await self._end(story_id, how)

    async def _end(self, story_id: str, how: str) -> None:
        if how == "expired" and story_id not in self.database.ended:
            live = await MemoryInsights(self.database).live(story_id)
            if live is not None:
                self.database.sealed[story_id] = sealed_insights(live, live.posted_at, FLOOR)
        elif how == "deleted":
            self.database.sealed.pop(story_id, None)
        counter = self.database.counters.get(story_id, StoryCounter())
        self.database.counters[story_id] = replace(counter, ended=True)
        self.database.ended.setdefault(story_id, how)
        self.database.stories.pop(story_id, None)
        self.database.content.pop(story_id, None)

    async def erase_small(self, story_ids: Collection[str]) -> set[str]:
        return {story_id for story_id in story_ids if not await self.erase(story_id, 1)}

    async def erase(self, story_id: str, steps: int) -> bool:
        if not steps:
            return False
        database = self.database
        database.rows = {key: row for key, row in database.rows.items() if row.story_id != story_id}
        database.reactions = {key: kept for key, kept in database.reactions.items() if key[0] != story_id}
        database.shares = {key: kept for key, kept in database.shares.items() if key[0] != story_id}
        database.answers = {key: kept for key, kept in database.answers.items() if key[0] != story_id}
        database.comments = {key: kept for key, kept in database.comments.items() if kept.story_id != story_id}
        return True

    async def erase_later(self, story_id: str, now: datetime) -> None:
        self.database.erase_at[story_id] = now

    async def claim_erasure(self, now: datetime, until: datetime) -> str | None:
        waiting = sorted((at, story_id) for story_id, at in self.database.erase_at.items() if at <= now)
        if not waiting:
            return None
        _, story_id = waiting[0]
        self.database.erase_at[story_id] = until
        return story_id

    async def erased(self, story_id: str) -> None:
        self.database.erase_at.pop(story_id, None)
