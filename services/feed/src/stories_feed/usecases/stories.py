"""Stories come: into the store by one member of the group, into the live index of every replica."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from stories_shared.clock import Clock
from stories_shared.events import StoryDeleted, StoryPosted, encode
from stories_shared.events.cloudevents import ReceivedEvent, Tombstone
from stories_shared.events.external_producers import is_authorized_deletion

from stories_feed.domain.live import LiveIndex, LiveStory

# A story was posted before it ended, give or take what clocks differ by, so its own dates refuse it after the longest
# life from then on.
MAX_CLOCK_SKEW = timedelta(minutes=1)
LOAD_BATCH = 1_000


class Stories(Protocol):
    """The documents of stories."""

    async def put(self, stories: Sequence[StoryPosted]) -> None:
        """Keep each, unless it has ended or is held in the same or a newer revision."""
        ...


class ErasedUsers(Protocol):
    """Who was erased, and when."""

    async def erased(self, users: Collection[str]) -> Mapping[str, datetime]:
        """The times of those who were."""
        ...


@dataclass(frozen=True, slots=True)
class StoreStories:
    """Keep what stories show, so that they can be shown."""

    stories: Stories
    users: ErasedUsers
    now: Clock

    async def __call__(self, facts: Sequence[ReceivedEvent[StoryPosted]]) -> None:
        """Keep those that are not over, and whose author was not erased since."""
        now = self.now()
        live = [fact.event for fact in facts if fact.event.expires_at > now]
        if not live:
            return
        erased = await self.users.erased({story.author_id for story in live})
        await self.stories.put([s for s in live if s.author_id not in erased or s.posted_at > erased[s.author_id]])


@dataclass(frozen=True, slots=True)
class ApplyToIndex:
    """Bring the live index up to date, fact by fact; it is called by the log's reader and never waits.

    Args:
        index: of this replica.
        longest: the longest life of a story.
        now: the clock.
        appeared: is told of each story that was not there before.
    """

    index: LiveIndex
    longest: timedelta
    now: Clock
    appeared: Callable[[LiveStory], None]

    def __call__(self, fact: ReceivedEvent[Any] | Tombstone) -> None:
        """Apply one fact. Replays are harmless: revisions only grow and the end leaves a mark."""
        now = self.now()
        if isinstance(fact, Tombstone):
            self.end(fact.key, now)
        elif isinstance(fact.event, StoryPosted):
            story = as_live(fact.event)
            if self.index.put(story, now):
                self.appeared(story)
        elif isinstance(fact.event, StoryDeleted) and is_authorized_deletion(fact):
            self.end(fact.event.story_id, now)

    def end(self, story_id: str, at: datetime) -> None:
        """Drop a story for good."""
        self.index.end(story_id, at + self.longest + MAX_CLOCK_SKEW)


def as_live(story: StoryPosted) -> LiveStory:
    """What the index keeps of a posted story."""
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
        size=len(encode(story)),
    )


class Snapshot(Protocol):
    """What the store knows of live stories and of those that ended before their time."""

    def forget(self, story_id: str) -> None:
        """Keep nothing of a story in this process."""
        ...

    async def live(self, now: datetime) -> Sequence[LiveStory]:
        """Every story that is not over."""
        ...

    async def deleted_since(self, since: datetime) -> Sequence[tuple[str, datetime]]:
        """Ids of stories that were deleted, and when, since a time. What expired is refused by its own dates."""
        ...


Offsets = Mapping[tuple[str, int], int]


class Committed(Protocol):
    """What the group that writes the documents has handled."""

    async def __call__(self) -> Offsets:
        """Offsets by topic and partition."""
        ...


@dataclass(frozen=True, slots=True)
class LoadIndex:
    """Fill the index from the store, and tell from where on the log must be read.

    The order is the point: offsets first, then the snapshot. What is handled after the offsets were asked for is read
    again from the log; what was handled before is in the snapshot, its ends too. The other way round, a story written
    in between would be in neither.
    """

    committed: Committed
    snapshot: Snapshot
    log: ApplyToIndex

    async def __call__(self) -> Offsets:
        """Load, and return the offsets."""
        offsets = await self.committed()
        now = self.log.now()
        stories = await self.snapshot.live(now)
        for story_id, at in await self.snapshot.deleted_since(now - self.log.longest - MAX_CLOCK_SKEW):
            self.log.end(story_id, at)
        # In the order of the index, so that none is put in between others; a million of them take seconds.
        for number, story in enumerate(sorted(stories, key=lambda story: story.freshness)):
            self.log.index.put(story, now)
            if number % LOAD_BATCH == 0:
                await asyncio.sleep(0)
        return offsets
