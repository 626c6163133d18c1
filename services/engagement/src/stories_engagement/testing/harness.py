"""A harness that runs engagement in one process on real servers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import httpx
from aiokafka import TopicPartition
from stories_shared.auth.tickets import Ticket, Tickets
from stories_shared.events import Event, StoryPosted
from stories_shared.events.cloudevents import decode_record
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.runtime.settings import load
from stories_shared.testing import eventually, records_of

from stories_engagement.app import build_app, init
from stories_engagement.settings import EngagementSettings
from stories_engagement.testing.builders import a_story, a_ticket

E = TypeVar("E", bound=Event)
UNAVAILABLE = 503


class TestEnvironment(Protocol):
    """Settings by name, and servers that issue tokens."""

    servers: Any

    def items(self) -> Any: ...


def settings_of(namespace: TestEnvironment, **changes: Any) -> EngagementSettings:
    """The settings of an environment."""
    given = {name.lower(): value for name, value in namespace.items()}
    return load(EngagementSettings, {**given, **changes})


async def until_available(request: Callable[[], Awaitable[httpx.Response]]) -> int:
    """The status of a request that is repeated after 503, as clients do; a busy machine may answer that."""

    async def status() -> int:
        return (await request()).status_code

    answer: int = await eventually(status, accept=lambda given: given != UNAVAILABLE)
    return answer


class ServiceHarness:
    """A running engagement service, publishers of other services, and test operations."""

    def __init__(
        self, namespace: TestEnvironment, settings: EngagementSettings, client: httpx.AsyncClient, app: Any
    ) -> None:
        self.namespace = namespace
        self.settings = settings
        self.client = client
        self.app = app
        self.kafka = Kafka.of(settings)
        self.tickets = Tickets(settings.ticket_secrets)
        self.ingest = Publisher(self.kafka, "ingest")
        self.feed = Publisher(self.kafka, "feed")

    def token(self, user: str, *roles: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.namespace.servers.token(user, roles=roles)}"}

    async def request(
        self, method: str, path: str, user: str, ticket: Ticket | str | None = None, **more: Any
    ) -> httpx.Response:
        """One request as a user; `ticket` is a ticket or its encoded form."""
        headers = self.token(user, *more.pop("roles", ())) | more.pop("headers", {})
        if ticket is not None:
            headers["Story-Ticket"] = ticket if isinstance(ticket, str) else self.tickets.sign(ticket)
        return await self.client.request(method, path, headers=headers, **more)

    async def post(self, author: str = "ann", *, consumed: bool = True, **changes: Any) -> StoryPosted:
        """Publish a story; wait until this service has consumed it."""
        story = a_story(author, **changes)
        await self.ingest.publish(story)
        if consumed:
            await eventually(lambda: self.has_consumed(story))
        return story

    async def has_consumed(self, story: StoryPosted) -> bool:
        found = await self.mongo["stories"].find_one({"_id": story.story_id})
        in_memory = self.app.state.access_state.story(story.story_id, story.posted_at)
        newest = in_memory is not None and in_memory.revision >= story.revision
        return newest and found is not None and found["revision"] >= story.revision

    @property
    def mongo(self) -> Any:
        return self.app.state.runtime.mongo

    def event_reader(self, event: type[E]) -> Callable[[], Awaitable[list[E]]]:
        """A function that reads all events of a topic."""

        async def consumed() -> list[E]:
            return [decode_record(record, event).event for record in await records_of(self.kafka, event.topic)]

        return consumed

    def metric(self, name: str, **labels: str) -> float:
        """The current value of a metric of this process."""
        found = self.app.state.runtime.registry.registry.get_sample_value(name, labels)
        return found or 0.0

    async def view(self, story: StoryPosted, viewer: str, **changes: Any) -> httpx.Response:
        """Report one view over HTTP."""
        ticket = changes.pop("ticket", None) or self.tickets.sign(a_ticket(story, viewer))
        return await self.request("POST", "/v1/views", viewer, json={"views": [{"ticket": ticket, **changes}]})

    async def counts(self, story: StoryPosted) -> dict[str, int]:
        answer = await self.request("GET", f"/v1/stories/{story.story_id}/counts", story.author_id)
        assert answer.status_code == 200, answer.text
        found: dict[str, int] = answer.json()
        return found

    async def viewers(self, story: StoryPosted, **query: Any) -> dict[str, Any]:
        answer = await self.request("GET", f"/v1/stories/{story.story_id}/viewers", story.author_id, params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until_counted(self, story: StoryPosted, **expected: int) -> dict[str, int]:
        """Wait until these counts are reached."""

        async def reached() -> dict[str, int]:
            found = await self.counts(story)
            assert {name: found[name] for name in expected} == expected
            return found

        counts: dict[str, int] = await eventually(reached)
        return counts

    async def until_consumed(self, *events: type[Event]) -> None:
        """Wait until every record now in these topics has been processed."""
        consumer_context = self.app.state.runtime.consumer_context
        ends: dict[TopicPartition, int] = {}
        reader = self.kafka.reader()
        await reader.start()
        try:
            for event in events:
                topic = self.kafka.topic(event.topic)
                ends |= await reader.end_offsets([TopicPartition(topic, number) for number in range(3)])
        finally:
            await reader.stop()

        def handled() -> bool:
            at = {partition: offset for (_, partition), offset in consumer_context.handled.items()}
            return all(at.get(partition, 0) >= end for partition, end in ends.items() if end)

        await eventually(handled)


@asynccontextmanager
async def running(namespace: TestEnvironment, **changes: Any) -> AsyncIterator[ServiceHarness]:
    """Run a service; it is ready when yielded."""
    settings = settings_of(namespace, **changes)
    await init(settings)
    app = build_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://engagement") as client,
    ):
        service = ServiceHarness(namespace, settings, client, app)
        await service.ingest.start()
        await service.feed.start()
        await eventually(lambda: is_ready(client), within_s=30)
        try:
            yield service
        finally:
            await service.ingest.stop()
            await service.feed.stop()


async def is_ready(client: httpx.AsyncClient) -> bool:
    answer = await client.get("/readyz")
    assert answer.status_code == 200, answer.text
    return True
