"""The in-memory queue of renditions with the same contract as the MongoDB one."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from stories_ingest.domain.story import Story
from stories_ingest.testing.in_memory.stories import MemoryStories


@dataclass(frozen=True, slots=True)
class MemoryRenditionJobs:
    """The queue of live stories that lack smaller renditions."""

    stories: MemoryStories

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        waiting = [
            (story.posted.renditions_job.since, story)
            for story in self.stories.stories.values()
            if story.posted and story.posted.renditions_job and story.posted.renditions_job.lease_until <= now
        ]
        if not waiting:
            return None
        _, story = min(waiting, key=lambda entry: entry[0])
        return self._update(story.id, worker=worker, lease_until=until, attempts=1)

    async def renew(self, story_id: str, worker: str, until: datetime) -> bool:
        story = await self.stories.find(story_id)
        job = story.posted.renditions_job if story and story.posted else None
        if job is None or job.worker != worker:
            return False
        self._update(story_id, lease_until=until)
        return True

    async def release(self, story_id: str, worker: str, until: datetime) -> None:
        if await self.renew(story_id, worker, until):
            self._update(story_id, worker=None, attempts=-1)

    def _update(self, story_id: str, attempts: int = 0, **changes: Any) -> Story:
        story = self.stories.stories[story_id]
        assert story.posted is not None
        assert story.posted.renditions_job is not None
        job = replace(story.posted.renditions_job, **changes)
        job = replace(job, attempts=job.attempts + attempts)
        story = replace(story, posted=replace(story.posted, renditions_job=job))
        self.stories.stories[story_id] = story
        return story
