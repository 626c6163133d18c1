"""Correct stale records on `story-posted`, so that the last record of a key is never stale."""

from dataclasses import dataclass

from stories_shared.events import StoryPosted

from stories_ingest.usecases.event_mapping import story_posted
from stories_ingest.usecases.ports import EventPublisher, StoryRepository
from stories_ingest.usecases.tombstones import Tombstones


@dataclass(frozen=True, slots=True)
class RepublishIfStale:
    """Handles this service's own `story-posted` events, which a stalled relay may have published late."""

    stories: StoryRepository
    publisher: EventPublisher
    tombstones: Tombstones

    async def __call__(self, event: StoryPosted) -> None:
        """Publish the current version after a lower revision; publish a tombstone when the media are erased.

        A story that has ended but still has media is skipped: its erasure publishes the tombstone.
        """
        revision = await self.stories.revision(event.story_id)
        if revision is not None and event.revision >= revision:
            return
        story = await self.stories.find(event.story_id)
        if story is not None and story.posted is not None:
            await self.publisher.publish(story_posted(story))
            return
        ended = await self.stories.ended(event.story_id)
        if ended is None or ended.erased_at is not None:
            await self.tombstones.publish_tombstones(StoryPosted, [event.story_id])
