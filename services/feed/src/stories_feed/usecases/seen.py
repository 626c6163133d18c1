"""What a viewer has seen, on any device: by events of views, or up to a story by wish."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.events import StoryEngaged, StoryViewed
from stories_shared.events.cloudevents import ReceivedEvent

from stories_feed.domain.live import LiveIndex
from stories_feed.usecases.stories import ErasedUsers


@dataclass(frozen=True, slots=True)
class Seen:
    """That a viewer has seen a story, under the story's key; the mark is kept until the story's planned end."""

    viewer_id: str
    seen_key: int
    until: datetime


class SeenMarks(Protocol):
    """Marks of what was seen."""

    async def mark(self, marks: Collection[Seen]) -> None:
        """Set each mark, once."""
        ...


@dataclass(frozen=True, slots=True)
class SeenKey:
    """The random number that stands for a story in seen marks, and when the story ends.

    It is kept with the story and erased with it, and then nothing tells any more what a mark was about.
    """

    key: int
    until: datetime


class SeenKeys(Protocol):
    """The keys of stories."""

    async def seen_keys(self, ends: Mapping[str, datetime]) -> Mapping[str, SeenKey]:
        """The keys of stories; of those not known yet one is made, for an end that is assumed. None of ended ones."""
        ...


@dataclass(frozen=True, slots=True)
class MarkSeen:
    """Views make stories seen, wherever they were watched."""

    marks: SeenMarks
    stories: SeenKeys
    users: ErasedUsers
    longest: timedelta
    now: Clock

    async def __call__(self, facts: Sequence[ReceivedEvent[StoryViewed]]) -> None:
        """Mark what was viewed, but for stories that are over and for viewers who were erased since.

        A view may be heard before its story; then the longest life that the story can still have is assumed.
        """
        now = self.now()
        views = [fact.event for fact in facts if min(fact.event.viewed_at, fact.appended_at) + self.longest > now]
        if not views:
            return
        erased = await self.users.erased({view.viewer_id for view in views})
        views = [view for view in views if view.viewer_id not in erased or view.viewed_at > erased[view.viewer_id]]
        found = await self.stories.seen_keys({view.story_id: min(view.viewed_at, now) + self.longest for view in views})
        keys = {story_id: each for story_id, each in found.items() if each.until > now}
        marks = {
            Seen(view.viewer_id, keys[view.story_id].key, keys[view.story_id].until)
            for view in views
            if view.story_id in keys
        }
        await self.marks.mark(marks)


class VisibleReel(Protocol):
    """What a viewer may see of an author."""

    async def story_ids(self, viewer_id: str, author_id: str) -> Sequence[str]:
        """Ids in the order of the reel."""
        ...


@dataclass(frozen=True, slots=True)
class MarkSeenUpTo:
    """A viewer has seen an author's stories up to one."""

    index: LiveIndex
    reel: VisibleReel
    stories: SeenKeys
    marks: SeenMarks
    now: Clock

    async def __call__(self, viewer_id: str, author_id: str, up_to: str) -> bool:
        """Mark them; no view is counted.

        Returns:
            Whether the viewer may see such a story of this author.
        """
        visible = await self.reel.story_ids(viewer_id, author_id)
        if up_to not in visible:
            return False
        now = self.now()
        found = [self.index.get(story_id, now) for story_id in visible[: visible.index(up_to) + 1]]
        keys = await self.stories.seen_keys({story.story_id: story.expires_at for story in found if story})
        await self.marks.mark([Seen(viewer_id, each.key, each.until) for each in keys.values()])
        return True


@dataclass(frozen=True, slots=True)
class Engagement:
    """How much of one kind of engagement a story has, as of a number that grows."""

    story_id: str
    kind: str
    total: int
    seq: int


class Engagements(Protocol):
    """What ranking knows of stories."""

    async def keep(self, engagements: Collection[Engagement]) -> None:
        """Keep each with the story, unless a newer one is held or the story has ended."""
        ...


@dataclass(frozen=True, slots=True)
class StoreEngagement:
    """Keep how much stories engage."""

    engagements: Engagements

    async def __call__(self, facts: Sequence[ReceivedEvent[StoryEngaged]]) -> None:
        """Keep the newest total of each story and kind."""
        newest: dict[tuple[str, str], Engagement] = {}
        for event in (fact.event for fact in facts):
            held = newest.get((event.story_id, event.kind))
            if held is None or held.seq < event.seq:
                newest[event.story_id, event.kind] = Engagement(event.story_id, event.kind, event.total, event.seq)
        await self.engagements.keep(list(newest.values()))
