"""New and ended stories: stored once by the consumer group, applied to the live index on every replica."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stories_shared.clock import Clock
from stories_shared.events import StoryDeleted, StoryEngaged, StoryPosted, encode
from stories_shared.events.cloudevents import ReceivedEvent, Tombstone
from stories_shared.events.external_producers import is_authorized_deletion

from stories_feed.domain.live import LiveIndex, LiveStory
from stories_feed.usecases.ports import ErasedUsers, StoryRepository

# A story was posted before it ended, up to clock skew. So it has expired at the latest this long, and the maximum
# lifetime, after its end.
MAX_CLOCK_SKEW = timedelta(minutes=1)
LOAD_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class StoreStories:
    """Store the content of stories."""

    stories: StoryRepository
    erased_users: ErasedUsers
    now: Clock

    async def __call__(self, records: Sequence[ReceivedEvent[StoryPosted]]) -> None:
        """Store the stories that have not expired and whose author was not erased after they were posted."""
        now = self.now()
        live = [record.event for record in records if record.event.expires_at > now]
        if not live:
            return
        erased, known = await asyncio.gather(
            self.erased_users({story.author_id for story in live}), self.stories.known({s.story_id for s in live})
        )
        allowed = [s for s in live if s.author_id not in erased or s.posted_at > erased[s.author_id]]
        await self.stories.put(allowed, known)


@dataclass(frozen=True, slots=True)
class ApplyToIndex:
    """Apply events to the live index, one at a time and without awaiting."""

    index: LiveIndex
    max_lifetime: timedelta
    now: Clock
    on_new_story: Callable[[LiveStory], None]
    on_engagement: Callable[[str, str, int, int], None] = lambda *_: None
    """Called with each total of engagement: story, kind, total, ``seq``."""

    def __call__(self, record: ReceivedEvent[Any] | Tombstone) -> None:
        """Apply one event or tombstone. Redelivery is harmless: older revisions and ended stories are ignored."""
        now = self.now()
        if isinstance(record, Tombstone):
            self.end(record.key, now)
        elif isinstance(record.event, StoryPosted):
            story = live_story_from_event(record.event)
            if self.index.put(story, now):
                self.on_new_story(story)
        elif isinstance(record.event, StoryEngaged):
            self.on_engagement(record.event.story_id, record.event.kind, record.event.total, record.event.seq)
        elif isinstance(record.event, StoryDeleted) and is_authorized_deletion(record):
            self.end(record.event.story_id, now)

    def end(self, story_id: str, at: datetime) -> None:
        """Drop a story for good."""
        self.index.end(story_id, at + self.max_lifetime + MAX_CLOCK_SKEW)


def live_story_from_event(story: StoryPosted) -> LiveStory:
    """The index entry of a posted story."""
    return LiveStory(
        story_id=story.story_id,
        author_id=story.author_id,
        posted_at=story.posted_at,
        expires_at=story.expires_at,
        audience=story.audience,
        hide_from=frozenset(story.hide_from),
        series_id=story.series_id,
        part=story.part,
        revision=story.revision,
        hashtags=story.hashtags,
        mentions=story.mentions,
        size=len(encode(story)),
    )


Offsets = Mapping[tuple[str, int], int]
CommittedOffsets = Callable[[], Awaitable[Offsets]]
"""The offsets by topic and partition that the group which stores stories has committed."""


@dataclass(frozen=True, slots=True)
class LoadIndex:
    """Load the index from the store, and return the offsets from which the topics must be read.

    The order matters: offsets first, then the snapshot. What is committed after the offsets were read is read again
    from the topics; what was committed before is in the snapshot. The other way round, a story stored in between would
    be in neither.
    """

    committed: CommittedOffsets
    stories: StoryRepository
    apply: ApplyToIndex

    async def __call__(self) -> Offsets:
        """Load, and return the offsets."""
        offsets = await self.committed()
        now = self.apply.now()
        stories = await self.stories.live(now)
        for story_id, at in await self.stories.deleted_since(now - self.apply.max_lifetime - MAX_CLOCK_SKEW):
            self.apply.end(story_id, at)
        # By time, so that sorted lists grow at their ends. A million stories take seconds.
        for number, story in enumerate(sorted(stories, key=lambda story: story.recency_key)):
            self.apply.index.put(story, now)
            if number % LOAD_BATCH == 0:
                await asyncio.sleep(0)
        return offsets
