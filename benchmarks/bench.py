"""What figures share: the servers, and the services that they start when a figure first needs them."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from stories_embedded.testing import IsolatedNamespace, Servers
from stories_feed import store
from stories_feed.app import init as init_feed
from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind
from stories_feed.settings import FeedSettings
from stories_feed.store.edges import MongoEdges
from stories_feed.testing.builders import posted
from stories_shared.clock import system_now
from stories_shared.events import StoryPosted
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.settings import load
from stories_shared.testing import eventually

from .processes import READY_S, Process, get, start_service
from .results import Plan

VIEWERS, RINGS = 64, 10
FOLLOWS = (50, 200, 1_000, 5_000)
NO_LIMIT = "100000000"


class Bench:
    """The servers of a run, and its services.

    Args:
        servers: Kafka, mongod and the object store, running.
        plan: how much is measured.
        on_start: called with a process whenever one has started.
    """

    def __init__(
        self, servers: Servers, plan: Plan, on_start: Callable[[str, Process], None] = lambda _name, _process: None
    ) -> None:
        self.servers, self.plan, self.on_start = servers, plan, on_start
        self.stack = ExitStack()
        self._feed: Feed | None = None
        self._starting = asyncio.Lock()

    def settings(self, namespace: IsolatedNamespace, **changes: str) -> dict[str, str]:
        """The settings of a service, with hardly any limit of reads."""
        return {**namespace, "LIMIT_READS": NO_LIMIT, **changes}

    def service(self, name: str, settings: dict[str, str]) -> Process:
        """Start a service; it is stopped at the end of the run."""
        process = start_service(name, settings)
        self.stack.callback(process.stop)
        self.on_start(name, process)
        return process

    async def feed(self) -> "Feed":
        """The feed with ten live authors, and 64 viewers for each number of follows."""
        async with self._starting:
            if self._feed is None:
                self._feed = await started_feed(self)
            return self._feed


class Feed:
    """A running feed, its stories, and tokens of its viewers."""

    def __init__(self, bench: Bench, process: Process, settings: dict[str, str], stories: list[StoryPosted]) -> None:
        self.process, self.settings, self.stories = process, settings, stories
        self._tokens = {
            count: [bench.servers.token(f"v{count}-{number}") for number in range(VIEWERS)] for count in FOLLOWS
        }

    def tokens(self, follows: int = 200) -> list[str]:
        """The tokens of the viewers with so many follows."""
        return self._tokens[follows]

    @property
    def authors(self) -> str:
        """The ids of the live authors, for a query."""
        return ",".join(story.author_id for story in self.stories)


async def started_feed(bench: Bench) -> Feed:
    """Store follows, start the feed, and publish ten stories."""
    settings = bench.settings(IsolatedNamespace(bench.servers))
    parsed = load(FeedSettings, {name.lower(): value for name, value in settings.items()})
    await init_feed(parsed)
    await store_follows(settings)
    process = bench.service("feed", settings)
    stories = await publish_stories(Kafka.of(parsed))
    feed = Feed(bench, process, settings, stories)
    await process.ready()
    token = feed.tokens()[0]
    urls = [f"{process.url}/v1/stories/{story.story_id}" for story in stories]
    await eventually(lambda: all(get(url, token) is not None for url in urls), READY_S)
    await process.measure_idle(bench.plan.seconds)
    return feed


async def store_follows(settings: dict[str, str]) -> None:
    """Follows of the live authors, and of others without stories, of whom a tray reads the follow list only."""
    mongo = Mongo.connect(settings["MONGO_URL"], settings["MONGO_DATABASE"])
    await store.ensure(mongo)
    edges, now = MongoEdges(mongo, system_now), system_now()
    viewers = [(count, f"v{count}-{number}") for count in FOLLOWS for number in range(VIEWERS)]
    keys = [EdgeKey(Kind.FOLLOW, viewer, f"live{n}") for _, viewer in viewers for n in range(RINGS)]
    for start in range(0, len(keys), 500):

        def update(graph: EdgeSet, keys: list[EdgeKey] = keys[start : start + 500]) -> None:
            for key in keys:
                graph.apply(key, EdgeChange(on=True, at=now))

        await edges.change(keys[start : start + 500], update, publish=False)
    for count, viewer in viewers:
        others = [f"other{n}" for n in range(count - RINGS)]
        await mongo["choices"].update_one({"_id": viewer}, {"$push": {"following": {"$each": others}}})
    await mongo.close()


async def publish_stories(kafka: Kafka) -> list[StoryPosted]:
    """One story of each live author."""
    now = system_now()
    content: dict[str, Any] = {
        "caption": "first light",
        "layers": ({"kind": "text", "id": "l1", "text": "hello", "x": 0.5, "y": 0.5},),
    }
    stories = [posted(f"live{n}", now - timedelta(minutes=n), **content) for n in range(RINGS)]
    ingest = Publisher(kafka, "ingest")
    await ingest.start()
    await ingest.publish_all([OutgoingEvent(story) for story in stories])
    await ingest.stop()
    return stories
