"""Post scheduled stories when they are due."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.concurrency import gather_limited

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import State
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.ports import OutboxRelay, StoryObjects, StoryRepository
from stories_ingest.usecases.wakeups import Wakeups

PAGE = 40
"""Stories per iteration."""
CONCURRENCY = 4
"""Stories that are posted concurrently."""


@dataclass(frozen=True, slots=True)
class PostedLate:
    """What became of a scheduled story: `live` or `refused`, and how long after its time."""

    state: State
    lateness: timedelta


@dataclass(frozen=True, slots=True)
class PostScheduled:
    """Posts what is due. Every replica does so: a transaction decides which one posts a story.

    `due_scheduled` finds the ids of scheduled stories whose media is finished and whose time has come.
    """

    due_scheduled: Callable[[datetime, int], Awaitable[list[str]]]
    stories: StoryRepository
    objects: StoryObjects
    posted: OutboxRelay
    wakeups: Wakeups
    bounds: QuotaLimits
    now: Clock

    async def __call__(self) -> list[PostedLate]:
        """Post one page of stories, and return what became of those that this replica decided."""
        story_ids = await self.due_scheduled(self.now(), PAGE)
        return [done for done in await gather_limited(self._post, story_ids, CONCURRENCY) if done is not None]

    async def _post(self, story_id: str) -> PostedLate | None:
        prepared: tuple[str, ...] = ()
        now = truncate_to_ms(self.now())

        def transition(snapshot: StorySnapshot) -> StoryChange:
            nonlocal prepared
            prepared = tuple(part.id for part in snapshot.story.prepared)
            return transitions.post_scheduled(snapshot, now, self.bounds)

        try:
            changes = await self.stories.transact(story_id, transition)
        except NoSuchStory:
            return None
        if not changes.upserts:
            return None
        story = changes.upserts[0]
        if story.state is State.REFUSED:
            await self.objects.erase(story_id, *prepared)
        self.posted.wake()
        self.wakeups.notify(story_id)
        return PostedLate(story.state, now - (story.publish_at or now))
