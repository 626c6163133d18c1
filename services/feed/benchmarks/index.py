"""The cost of a tray with the live index, and of a post compared with one row per follower.

    python services/feed/benchmarks/index.py [--mongo mongodb://…]

Without MongoDB only the in-memory part is measured. It uses its own database and drops it.
"""

import argparse
import asyncio
import random
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median

from stories_feed import store
from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind
from stories_feed.domain.live import LiveIndex, LiveStory
from stories_feed.domain.ttl import TtlPolicy
from stories_feed.store.edges import MongoEdges
from stories_feed.store.seen import MongoSeenMarks
from stories_feed.store.stories import MongoStories
from stories_feed.testing.builders import DAY, NOON, posted
from stories_feed.testing.in_memory import FakeLogStatus, FakeSigner, MemoryEdges, MemorySeen, MemoryStories
from stories_feed.usecases.stories import live_story_from_event
from stories_feed.usecases.trays import ReadTray
from stories_feed.usecases.visible_stories import FollowList, VisibleStories
from stories_shared.mongo.client import Mongo
from stories_shared.testing import FakeClock

AUTHORS, LIVE = 1_000_000, 50_000  # five in a hundred authors are live at any moment
FOLLOWEES = (200, 5_000)
FOLLOWERS = (1_000, 10_000)
ROUNDS = 200
TTL_POLICY = TtlPolicy(ticket=timedelta(hours=1), restricted=timedelta(minutes=5))


async def timed(rounds: int, act: Callable[[int], Awaitable[object]]) -> float:
    """The median time over the rounds, in milliseconds."""
    took = []
    for number in range(rounds):
        began = time.perf_counter()
        await act(number)
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


def filled() -> LiveIndex:
    """An index with one story of each live author."""
    index = LiveIndex()
    for number in range(LIVE):
        posted_at = NOON - timedelta(seconds=number % 80_000)
        index.put(LiveStory(f"story-{number}", f"author-{number * 20}", posted_at, posted_at + DAY), NOON)
    return index


class FixedFollows(MemoryEdges):
    """The same follow list for every viewer."""

    def __init__(self, following: list[str]) -> None:
        super().__init__()
        self.following = following

    async def follow_list(self, viewer_id: str) -> FollowList:  # noqa: ARG002
        """The fixed follow list."""
        return FollowList(self.following, frozenset())


async def in_memory(index: LiveIndex) -> None:
    """The tray without a store: filtering and ranking only."""
    now = FakeClock(NOON)
    for followees in FOLLOWEES:
        edges = FixedFollows([f"author-{number}" for number in random.sample(range(AUTHORS), followees)])
        stories = MemoryStories(now)
        visible_stories = VisibleStories(index, edges, stories, FakeLogStatus(), now)
        tray = ReadTray(visible_stories, edges, MemorySeen(), stories, FakeSigner(), TTL_POLICY)
        took = await timed(ROUNDS, lambda _, tray=tray: tray("viewer", None, 20))
        print(f"tray in memory, {followees} followees, {LIVE} live authors: {took:.2f} ms")


async def with_mongodb(url: str, index: LiveIndex) -> None:
    """A whole tray, and a post compared with one row per follower."""
    mongo = Mongo.connect(url, "stories_feed_benchmark")
    await mongo.client.drop_database("stories_feed_benchmark")
    await store.ensure(mongo)
    now = FakeClock(NOON)
    stories, edges, seen = MongoStories(mongo, now), MongoEdges(mongo, now), MongoSeenMarks(mongo, DAY)
    live = [posted(f"author-{number * 20}", NOON - timedelta(seconds=number)) for number in range(LIVE // 10)]
    for start in range(0, len(live), 1_000):
        await stories.put(live[start : start + 1_000])
    for story in live:
        index.put(live_story_from_event(story), NOON)
    try:
        for followees in FOLLOWEES:
            viewer = f"viewer-{followees}"
            await follow(edges, viewer, [f"author-{n}" for n in random.sample(range(AUTHORS // 10), followees)])
            visible_stories = VisibleStories(index, edges, stories, FakeLogStatus(), now)
            tray = ReadTray(visible_stories, edges, seen, stories, FakeSigner(), TTL_POLICY)
            took = await timed(ROUNDS, lambda _, tray=tray, viewer=viewer: tray(viewer, None, 20))
            print(f"whole tray, {followees} followees: {took:.2f} ms")
        took = await timed(20, lambda _: stories.put([posted("author-1", NOON)]))
        print(f"a post with the index, any number of followers: {took:.2f} ms")
        rows = mongo["rows"]
        for followers in FOLLOWERS:
            took = await timed(3, lambda number, n=followers: rows.insert_many(rows_of(number, n), ordered=False))
            print(f"a post with a row for each of {followers} followers: {took:.0f} ms")
    finally:
        await mongo.client.drop_database("stories_feed_benchmark")
        await mongo.close()


async def follow(edges: MongoEdges, viewer: str, targets: list[str]) -> None:
    """Make a viewer follow many, in batches as a consumer applies them."""
    began = time.perf_counter()
    for start in range(0, len(targets), 500):
        keys = [EdgeKey(Kind.FOLLOW, viewer, target) for target in targets[start : start + 500]]

        def update(graph: EdgeSet, keys: list[EdgeKey] = keys) -> None:
            for key in keys:
                graph.apply(key, EdgeChange(on=True, at=NOON))

        await edges.change(keys, update, publish=False)
    print(f"edges applied: {len(targets) / (time.perf_counter() - began):.0f}/s")


def rows_of(number: int, followers: int) -> list[dict[str, object]]:
    """One row per follower, as with fan-out on write."""
    return [{"viewer": f"v{n}", "author": "author-1", "story": f"{number}-{n}", "at": NOON} for n in range(followers)]


def main() -> None:
    """Measure and print the results."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mongo", help="a replica set to measure on")
    given = arguments.parse_args()
    tracemalloc.start()
    index = filled()
    print(f"index of {LIVE} live stories: {tracemalloc.get_traced_memory()[0] / LIVE:.0f} B each")
    tracemalloc.stop()
    asyncio.run(in_memory(index))
    if given.mongo:
        asyncio.run(with_mongodb(given.mongo, index))


if __name__ == "__main__":
    main()
