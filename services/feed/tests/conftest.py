"""The feed on real servers: one service in this process, used through its ASGI application and Kafka."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from stories_embedded.testing import IsolatedNamespace, Servers
from stories_feed.app import build_app, init
from stories_feed.settings import FeedSettings
from stories_feed.testing.builders import posted
from stories_shared.clock import system_now
from stories_shared.events import Event, StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent, decode_record
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.settings import load
from stories_shared.s3.objects import Objects
from stories_shared.testing import eventually, resumed

from .use_cases import UseCases

DAY = timedelta(hours=24)


class Feed:
    """A running feed, with publishers of ingest and of the host application."""

    def __init__(self, namespace: IsolatedNamespace, **overrides: Any) -> None:
        self.namespace = namespace
        names = {name.lower(): value for name, value in namespace.items()}
        settings = {"story_lifetimes": "24h,3s", "limit_reads": 100_000, "limit_edges": 100_000}
        self.settings = load(FeedSettings, {**names, **settings, **overrides})
        self.kafka = Kafka.of(self.settings)
        self.ingest = Publisher(self.kafka, "ingest")
        self.host = Publisher(self.kafka, "ingest")
        self.host.source = "/host"
        self.app = build_app(self.settings)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://feed", timeout=20)
        self.mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"])
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Start, and wait until it is ready."""
        await self._stack.enter_async_context(self.app.router.lifespan_context(self.app))
        await self.ingest.start()
        await self.host.start()
        await eventually(self.ready, 60)

    async def stop(self) -> None:
        """Shut down gracefully."""
        await self._stack.aclose()
        await self.http.aclose()
        await self.ingest.stop()
        await self.host.stop()
        await self.mongo.close()

    async def ready(self) -> bool:
        """Whether `/readyz` is 200."""
        answer = await self.http.get("/readyz")
        assert answer.status_code == 200, answer.text
        return True

    async def call(
        self, method: str, path: str, user: str, roles: Sequence[str] = (), headers: Any = None, **options: Any
    ) -> httpx.Response:
        """Send a request as a user, whose token may name a `country`."""
        claims = {"country": country} if (country := options.pop("country", None)) else {}
        token = self.namespace.servers.token(user, roles=roles, **claims)
        return await self.http.request(
            method, path, headers={"Authorization": f"Bearer {token}", **(headers or {})}, **options
        )

    async def get(self, path: str, user: str, **options: Any) -> Any:
        """The JSON of a successful GET as a user."""
        answer = await self.call("GET", path, user, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def edit(self, method: str, path: str, user: str, status: int = 204) -> httpx.Response:
        """Send a request without a body as a user, and check its status."""
        answer = await self.call(method, path, user)
        assert answer.status_code == status, answer.text
        return answer

    async def follow(self, user: str, *targets: str) -> None:
        """Make a user follow others."""
        for target in targets:
            await self.edit("PUT", f"/v1/following/{target}", user)

    async def publish(self, *events: Event) -> None:
        """Publish as an internal service."""
        await self.ingest.publish_all([OutgoingEvent(event) for event in events])

    async def publish_as_host(self, *events: Event) -> None:
        """Publish as the host application."""
        await self.host.publish_all([OutgoingEvent(event) for event in events])

    async def post(self, author: str, lifetime: timedelta = DAY, **fields: Any) -> StoryPosted:
        """Publish a story, and wait until its author sees it."""
        story = posted(author, fields.pop("at", None) or system_now(), lifetime, **fields)
        await self.publish(story)
        await eventually(lambda: self.sees(author, story.story_id))
        return story

    async def sees(self, user: str, story_id: str) -> bool:
        """Whether the user can read the story by id."""
        answer = await self.call("GET", f"/v1/stories/{story_id}", user)
        assert answer.status_code in {200, 404}, answer.text
        return answer.status_code == 200

    async def reel(self, user: str, author: str) -> list[str]:
        """The ids of the stories in an author's reel for a user."""
        return [item["id"] for item in (await self.get(f"/v1/users/{author}/stories", user))["items"]]

    async def tray(self, user: str) -> dict[str, str]:
        """The rings of a user's tray by author."""
        return {ring["author_id"]: ring["ring"] for ring in (await self.get("/v1/tray", user))["items"]}

    async def ring(self, user: str, author: str) -> str:
        """The ring of an author for a user."""
        rings = (await self.get("/v1/rings", user, params={"user_ids": author}))["rings"]
        return str(rings[author])

    async def see(self, user: str, author: str, story_id: str) -> None:
        """Mark an author's stories as seen by a user, up to one."""
        answer = await self.call("PUT", f"/v1/users/{author}/seen", user, json={"up_to": story_id})
        assert answer.status_code == 204, answer.text

    async def listed(self, user: str, name: str) -> list[str]:
        """The users on a list of edges."""
        return [each["user_id"] for each in (await self.get(f"/v1/{name}", user))["items"]]

    async def records(self, name: str) -> list[Any]:
        """All records of a topic."""
        reader = self.kafka.reader()
        await reader.start()
        try:
            partitions = [TopicPartition(self.kafka.topic(name), number) for number in range(3)]
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = await reader.end_offsets(partitions)
            found: list[Any] = []
            while any([await reader.position(partition) < end for partition, end in ends.items()]):
                for records in (await reader.getmany(timeout_ms=200)).values():
                    found += records
            return found
        finally:
            await reader.stop()

    async def events_of(self, event: type[Event], key: str) -> list[ReceivedEvent[Any]]:
        """All events of a topic that have this key."""
        records = await self.records(event.topic)
        return [decode_record(record, event) for record in records if record.value and record.key == key.encode()]

    async def values(self, name: str) -> list[bytes]:
        """The values of all records of a topic."""
        return [record.value for record in await self.records(name)]

    @property
    def objects(self) -> Objects:
        """The bucket of its URLs."""
        namespace = self.namespace
        names = ("S3_ENDPOINT", "S3_PUBLIC_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET")
        return Objects(*(namespace[name] for name in names))

    @property
    def tickets(self) -> Any:
        """Reads its tickets."""
        return self.app.state.runtime.tickets


@pytest.fixture
def use_cases() -> UseCases:
    """The use cases over stores in memory."""
    return UseCases()


@dataclass(frozen=True)
class People:
    """Users of one test only."""

    ann: str
    bob: str
    cho: str
    dee: str


@pytest.fixture
def people() -> People:
    """Four users."""
    suffix = uuid.uuid4().hex[:8]
    return People(*(f"{name}-{suffix}" for name in ("ann", "bob", "cho", "dee")))


@pytest.fixture
async def feed(running_feed: Feed) -> Feed:
    """A feed that all tests share; each test has its own users."""
    await resumed(running_feed.app)
    return running_feed


@pytest_asyncio.fixture(scope="session")
async def running_feed(servers: Servers) -> AsyncIterator[Feed]:
    """A feed that runs in the background while a test of this session runs."""
    namespace = IsolatedNamespace(servers)
    running = Feed(namespace)
    await init(running.settings)
    await running.start()
    yield running
    await running.stop()
    await namespace.remove()
