"""In-memory archive with the same contract as the MongoDB one."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from stories_ingest.domain.archive import ArchivedStory, RemovedStory
from stories_ingest.domain.keys import story_of
from stories_ingest.domain.story import Story


@dataclass(slots=True)
class MemoryArchive:
    """What authors keep; `live` are the stories that may still be copied."""

    live: Mapping[str, Story] = field(default_factory=dict)
    settings: dict[str, datetime] = field(default_factory=dict)
    stories: dict[str, ArchivedStory] = field(default_factory=dict)
    removed: dict[str, RemovedStory] = field(default_factory=dict)
    erase_at: dict[str, datetime] = field(default_factory=dict)
    off_at: datetime | None = None
    on_erasure: Callable[[str, datetime], None] = lambda *_: None
    on_removal: Callable[[Collection[str]], None] = lambda _: None

    def add(self, story: Story, at: datetime) -> None:
        """Keep a story."""
        self.stories[story.id] = ArchivedStory(story=story, archived_at=at)

    async def keeping(self, story_ids: Collection[str]) -> set[str]:
        found = [self.live[story_id] for story_id in story_ids if story_id in self.live]
        return {story.id for story in found if story.posted and story.author_id in self.settings}

    async def enabled(self, user_id: str) -> bool:
        return user_id in self.settings

    async def set_enabled(self, user_id: str, at: datetime, *, enabled: bool) -> None:
        if enabled:
            self.settings[user_id] = at
        else:
            self.settings.pop(user_id, None)

    async def owner(self, story_id: str) -> str | None:
        if story_id in self.removed:
            return self.removed[story_id].author_id
        return self.stories[story_id].story.author_id if story_id in self.stories else None

    async def kept(self, story_ids: Collection[str]) -> set[str]:
        return self.stories.keys() & set(story_ids)

    async def archive_page(self, author_id: str, before: str | None, limit: int) -> list[ArchivedStory]:
        own = [each for each in self.stories.values() if each.story.author_id == author_id]
        page = [each for each in own if before is None or each.story.id < before]
        return sorted(page, key=lambda each: each.story.id, reverse=True)[:limit]

    async def copies_of(self, story_ids: Collection[str], limit: int) -> list[str]:
        found = [each.story for each in self.stories.values()]
        return [
            story.id
            for story in found
            if story.id in story_ids or (story.reposted_from and story.reposted_from.story_id in story_ids)
        ][:limit]

    async def of_author(self, user_id: str, at: datetime, limit: int) -> list[str]:
        stories = [each.story for each in self.stories.values()]
        kept = [story.id for story in stories if story.author_id == user_id and story.created_at <= at]
        unerased = [each for each in self.removed.values() if each.author_id == user_id and each.erased_at is None]
        return [*kept, *(each.story_id for each in unerased)][:limit]

    async def remove(self, story_ids: Collection[str], at: datetime, erase_at: datetime) -> list[RemovedStory]:  # noqa: ARG002
        for story_id in story_ids:
            if found := self.stories.pop(story_id, None):
                self.removed[story_id] = RemovedStory(story_id=story_id, author_id=found.story.author_id)
                self.erase_at[story_id] = erase_at
        self.on_removal(story_ids)
        left = [self.removed[story_id] for story_id in story_ids if story_id in self.removed]
        return [each for each in left if each.erased_at is None]

    async def due_erasures(self, now: datetime, limit: int) -> list[RemovedStory]:
        return [self.removed[story_id] for story_id, at in self.erase_at.items() if at <= now][:limit]

    async def count_due(self, before: datetime) -> int:
        return len(await self.due_erasures(before, 1_000))

    async def record_archive_erasure(self, story_id: str, at: datetime, recheck_at: datetime) -> None:
        if story_id in self.removed:
            self.removed[story_id] = replace(self.removed[story_id], erased_at=at)
            self.erase_at[story_id] = recheck_at

    async def forget_archived(self, story_id: str) -> None:
        self.removed.pop(story_id, None)
        self.erase_at.pop(story_id, None)

    async def off_since(self, now: datetime) -> datetime:
        self.off_at = self.off_at or now
        return self.off_at

    async def record_on(self) -> None:
        self.off_at = None

    async def any_archived(self, limit: int) -> list[str]:
        return list(self.stories)[:limit]

    async def forget_settings(self) -> None:
        self.settings.clear()

    async def referenced_archived(self, story_keys: Collection[str]) -> set[str]:
        stories = [each.story for each in self.stories.values()]
        kept = {key for story in stories if story.posted for key in story.posted.media.keys}
        moving = {story.id for story in self.live.values() if story.posted}
        return {key for key in story_keys if key in kept or story_of(key) in moving}
