"""Announces new stories to the followers who want to be notified, for a push gateway to consume.

Each story keeps its position in the author's followers. Position and next batch are saved in one write, then the batch
is published and cleared, by one replica at a time. A crash loses no batch; between publishing and clearing it makes the
next replica publish the same event again, with the same id.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import StoryNotified
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent

from stories_feed.domain.edges import EdgeListPosition, Kind
from stories_feed.domain.live import LiveIndex, LiveStory
from stories_feed.domain.visibility import NO_ACCESS, may_see
from stories_feed.usecases.ports import EdgeRepository, PublishAll, ViewPolicy
from stories_feed.usecases.visible_stories import AUDIENCE_EDGES

MAX_USERS = 500  # contract: in one event
# Stories that are looked at in one iteration, one batch of each.
MAX_STORIES = 20


@dataclass(frozen=True, slots=True)
class NextBatch:
    """Followers whose announcement is saved, but not known to be published. ``id``: the event's."""

    id: str
    users: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Announcement:
    """A story that is not announced to all followers yet, and the last one it was announced to.

    ``batch``: of a crashed replica. ``last``: no batch follows it.
    """

    story_id: str
    author_id: str
    after: EdgeListPosition | None
    batch: NextBatch | None = None
    last: bool = False


class AnnouncementRepository(Protocol):
    """The repository of stories that are to be announced."""

    async def unannounced(self, limit: int) -> Sequence[Announcement]:
        """Those that have waited longest."""

    async def advance(
        self, announcement: Announcement, to: EdgeListPosition | None, now: datetime, batch: NextBatch | None = None
    ) -> bool:
        """Save a position and the batch up to it; None: the story is announced to all.

        False if another replica did, or the story ended.
        """

    async def published(self, announcement: Announcement) -> None:
        """Clear the batch; after the last one the story is announced to all."""


@dataclass(slots=True)
class AnnounceStories:
    """Announces a bounded number of users' stories in each iteration, one batch of each story in turn."""

    announcements: AnnouncementRepository
    edges: EdgeRepository
    index: LiveIndex
    publish_all: PublishAll
    may_view: ViewPolicy
    """The rollout, by the country that users had when they asked to be notified."""
    per_second: int
    """How many users at most."""
    ready: Callable[[], bool]
    """Whether Kafka answers."""
    now: Clock

    async def __call__(self) -> int:
        """One iteration, to be called once a second. Returns the number of followers looked at."""
        left = self.per_second
        while left > 0 and self.ready() and (waiting := await self.announcements.unannounced(MAX_STORIES)):
            looked_at = 0
            for announcement in waiting:
                if left > 0:
                    taken = await self._batch(announcement, min(MAX_USERS, left))
                    looked_at, left = looked_at + max(taken, 0), left - max(taken, 0)
            if looked_at == 0:
                break
        return self.per_second - left

    async def _batch(self, announcement: Announcement, limit: int) -> int:
        story = self.index.get(announcement.story_id, self.now())
        if story is None:
            return 0  # this replica does not know it yet, or it ended and its document is about to go
        if announcement.batch is not None:
            await self._publish(story, announcement, announcement.batch)
            return len(announcement.batch.users)
        followers = await self.edges.notified_followers(announcement.author_id, announcement.after, limit)
        to = followers[-1].position if len(followers) == limit else None
        in_rollout = [each.user_id for each in followers if self.may_view(each.user_id, each.country) is None]
        users = await self._allowed(story, in_rollout)
        batch = NextBatch(new_id(), tuple(users), truncate_to_ms(self.now())) if users else None
        if not await self.announcements.advance(announcement, to, self.now(), batch):
            return 0
        if batch is not None:
            await self._publish(story, replace(announcement, after=to, batch=batch, last=to is None), batch)
        return len(followers)

    async def _publish(self, story: LiveStory, announcement: Announcement, batch: NextBatch) -> None:
        """Publish a batch to those who still may see the story, unless it has ended, and clear it."""
        users = await self._allowed(story, batch.users)
        if users and self.index.get(story.story_id, self.now()) is not None:
            event = StoryNotified(
                story_id=story.story_id, author_id=story.author_id, user_ids=tuple(users), at=batch.at
            )
            await self.publish_all([OutgoingEvent(event, batch.id, batch.at)])
        await self.announcements.published(announcement)

    async def _allowed(self, story: LiveStory, users: Sequence[str]) -> list[str]:
        """The users who may see the story and do not mute its author, in their order. Their country is not asked."""
        wanted: Mapping[str, frozenset[Kind]] = {
            story.author_id: AUDIENCE_EDGES[story.audience] | {Kind.FOLLOW, Kind.MUTE}
        }
        found = await asyncio.gather(*(self.edges.relations(user, wanted) for user in users))
        relations = {
            user: relation.get(story.author_id, NO_ACCESS) for user, relation in zip(users, found, strict=True)
        }
        return [
            user
            for user, relation in relations.items()
            if relation.follows
            and not relation.muted
            and may_see(user, relation, story)
            and self.may_view(user, None) in {None, "country"}
        ]
