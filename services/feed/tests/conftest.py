"""The feed on real servers: one service in this process, spoken to through its HTTP application and through Kafka."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest_asyncio
from stories_embedded.testing import Realm
from stories_feed.app import build_app, init
from stories_feed.settings import FeedSettings
from stories_feed.testing.builders import posted
from stories_shared.clock import system_now
from stories_shared.events import Event, StoryPosted
from stories_shared.kafka import Kafka
from stories_shared.mongo import Mongo
from stories_shared.publishing import Publisher, Saying
from stories_shared.settings import load
from stories_shared.testing import eventually


class Feed:
    """A running feed, and voices of those who speak to it."""

    def __init__(self, realm: Realm, **given: Any) -> None:
        self.realm = realm
        names = {name.lower(): value for name, value in realm.items()}
        self.settings = load(FeedSettings, {**names, **given})
        self.kafka = Kafka.of(self.settings)
        self.ingest = Publisher(self.kafka, "ingest")
        self.host = Publisher(self.kafka, "ingest")
        self.host.source = "/host"
        self.app = build_app(self.settings)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://feed", timeout=20)
        self.mongo = Mongo.connect(realm["MONGO_URL"], realm["MONGO_DATABASE"])
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Begin to serve, and wait until it is ready."""
        await self._stack.enter_async_context(self.app.router.lifespan_context(self.app))
        await self.ingest.start()
        await self.host.start()
        await eventually(self.ready, 30)

    async def stop(self) -> None:
        """Stop in good order."""
        await self._stack.aclose()
        await self.http.aclose()
        await self.ingest.stop()
        await self.host.stop()
        await self.mongo.close()

    async def ready(self) -> bool:
        answer = await self.http.get("/readyz")
        assert answer.status_code == 200, answer.text
        return True

    async def call(
        self, method: str, path: str, user: str, roles: Sequence[str] = (), **options: Any
    ) -> httpx.Response:
        """A request of a user."""
        headers = {
            "Authorization": f"Bearer {self.realm.servers.token(user, roles=roles)}",
            **options.pop("headers", {}),
        }
        return await self.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, user: str, **options: Any) -> Any:
        """What a user is answered."""
        answer = await self.call("GET", path, user, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def say(self, *events: Event) -> None:
        """What ingest and its like say."""
        await self.ingest.say_all([Saying(event) for event in events])

    async def tell(self, *events: Event) -> None:
        """What the host application says."""
        await self.host.say_all([Saying(event) for event in events])

    async def post(self, author: str = "ann", lifetime: timedelta = timedelta(hours=24), **fields: Any) -> StoryPosted:
        """Have a story posted, and wait until its author sees it."""
        story = posted(author, system_now(), lifetime, **fields)
        await self.say(story)
        await eventually(lambda: self.sees(author, story.story_id))
        return story

    async def sees(self, user: str, story_id: str) -> bool:
        """Whether the user is shown the story when asking for it by id."""
        answer = await self.call("GET", f"/v1/stories/{story_id}", user)
        assert answer.status_code in {200, 404}, answer.text
        return answer.status_code == 200

    async def follow(self, user: str, *targets: str) -> None:
        """Have a user follow others."""
        for target in targets:
            answer = await self.call("PUT", f"/v1/following/{target}", user)
            assert answer.status_code == 204, answer.text


@pytest_asyncio.fixture
async def feed(realm: Realm) -> AsyncIterator[Feed]:
    """A feed of this test's own."""
    running = Feed(realm)
    await init(running.settings)
    await running.start()
    yield running
    await running.stop()
