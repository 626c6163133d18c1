"""Seen marks of viewers, from view events or requested over HTTP; engagement totals of stories."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stories_shared.clock import Clock
from stories_shared.events import StoryEngaged, StoryViewed
from stories_shared.events.cloudevents import ReceivedEvent

from stories_feed.usecases.ports import ErasedUsers, Seen, SeenRepository
from stories_feed.usecases.visible_stories import VisibleStories


@dataclass(frozen=True, slots=True)
class SeenKey:
    """The random number that identifies a story in seen marks, and when the story ends.

    It is stored in the story's document and erased with it. After that no mark can be linked to the story.
    """

    key: int
    until: datetime


ReadSeenKeys = Callable[[Mapping[str, datetime]], Awaitable[Mapping[str, SeenKey]]]
"""The keys of those of the stories that have not ended; an unknown story gets a key with the given end."""


@dataclass(frozen=True, slots=True)
class MarkSeen:
    """Set seen marks from view events."""

    marks: SeenRepository
    seen_keys: ReadSeenKeys
    erased_users: ErasedUsers
    max_lifetime: timedelta
    now: Clock

    async def __call__(self, records: Sequence[ReceivedEvent[StoryViewed]]) -> None:
        """Mark viewed stories as seen, except expired stories and viewers who were erased after the view.

        A view may be consumed before its story; then the story's longest possible remaining lifetime is assumed.
        """
        now = self.now()
        views = [
            record.event
            for record in records
            if min(record.event.viewed_at, record.appended_at) + self.max_lifetime > now
        ]
        if not views:
            return
        erased = await self.erased_users({view.viewer_id for view in views})
        views = [view for view in views if view.viewer_id not in erased or view.viewed_at > erased[view.viewer_id]]
        found = await self.seen_keys({view.story_id: min(view.viewed_at, now) + self.max_lifetime for view in views})
        keys = {story_id: each for story_id, each in found.items() if each.until > now}
        marks = {
            Seen(view.viewer_id, keys[view.story_id].key, keys[view.story_id].until)
            for view in views
            if view.story_id in keys
        }
        await self.marks.mark(marks)


@dataclass(frozen=True, slots=True)
class MarkSeenUpTo:
    """Mark an author's stories as seen, up to one and including it."""

    visible_stories: VisibleStories
    seen_keys: ReadSeenKeys
    marks: SeenRepository

    async def __call__(self, viewer_id: str, author_id: str, up_to: str) -> bool:
        """Set the marks. No view is counted.

        Returns:
            Whether ``up_to`` is a story of this author that the viewer may see.
        """
        reels = await self.visible_stories.reels(viewer_id, [author_id])
        reel = reels.get(author_id, ())
        ids = [story.story_id for story in reel]
        if up_to not in ids:
            return False
        seen = reel[: ids.index(up_to) + 1]
        keys = await self.seen_keys({story.story_id: story.expires_at for story in seen})
        await self.marks.mark([Seen(viewer_id, each.key, each.until) for each in keys.values()])
        return True


@dataclass(frozen=True, slots=True)
class StoreEngagement:
    """Store engagement totals of stories.

    ``save`` stores each with its story, unless a newer one is stored or the story has ended.
    """

    save: Callable[[Collection[StoryEngaged]], Awaitable[None]]

    async def __call__(self, records: Sequence[ReceivedEvent[StoryEngaged]]) -> None:
        """Store the newest total of each story and kind."""
        events = sorted((record.event for record in records), key=lambda event: event.seq)
        newest = {(event.story_id, event.kind): event for event in events}
        await self.save(newest.values())
