"""All stores of the feed over one database, or in memory."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet
from stories_feed.store.announcements import MongoAnnouncements
from stories_feed.store.edges import MongoEdges
from stories_feed.store.erasure import MongoUserData
from stories_feed.store.seen import MongoSeenMarks
from stories_feed.store.stories import MongoStories
from stories_feed.testing.builders import DAY, NOON
from stories_feed.testing.in_memory import MemoryEdges, MemorySeen, MemoryStories, MemoryUserData
from stories_shared.clock import Clock
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import MongoErasedUsers

SECOND = timedelta(seconds=1)


@dataclass
class Stores:
    """All stores of the feed."""

    stories: Any
    edges: Any
    announcements: Any
    seen: Any
    user_data: Any
    erased_users: Any

    async def apply(self, *changes: tuple[EdgeKey, bool, int]) -> None:
        """Apply changes at seconds after noon, in one batch."""

        def update(graph: EdgeSet) -> None:
            for key, on, second in changes:
                graph.apply(key, EdgeChange(on, NOON + second * SECOND))

        since = NOON + min(second for _, _, second in changes) * SECOND
        await self.edges.change([key for key, _, _ in changes], update, publish=False, since=since)

    async def request(self, key: EdgeKey, *, on: bool) -> None:
        """Request a change at noon."""
        await self.edges.change([key], lambda graph: graph.request(key, on=on, now=NOON), publish=True)


def memory_stores(now: Clock) -> Stores:
    """Stores in memory."""
    stories, edges, seen = MemoryStories(now), MemoryEdges(), MemorySeen()
    return Stores(stories, edges, stories, seen, MemoryUserData(stories, edges, seen), edges.erased_users)


def mongo_stores(mongo: Mongo, now: Clock) -> Stores:
    """Stores in MongoDB."""
    stories = MongoStories(mongo, now)
    return Stores(
        stories,
        MongoEdges(mongo, now),
        MongoAnnouncements(mongo),
        MongoSeenMarks(mongo, DAY),
        MongoUserData(mongo, stories),
        MongoErasedUsers(mongo, now),
    )
