"""Old news on `story-posted` is answered with the truth, so that it is never the last word."""

from dataclasses import dataclass

from stories_shared.events import StoryPosted

from stories_ingest.usecases.event_mapping import story_posted
from stories_ingest.usecases.ports import EventPublisher, StoryRepository


@dataclass(frozen=True, slots=True)
class RepublishIfStale:
    """Hears what was said of our stories, by a relay that had stalled for instance."""

    stories: StoryRepository
    publisher: EventPublisher

    async def __call__(self, event: StoryPosted) -> None:
        """Say the story again when a lower revision was said; let it be forgotten when its media are gone.

        Of a story that has ended but still has media nothing is said: its erasure ends with the tombstone.
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
            await self.publisher.forget(StoryPosted, event.story_id)
