"""A whole process on real servers: it starts whatever is down, says why it is not ready, and drains."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions
from fastapi import APIRouter
from faststream import AckPolicy
from faststream.kafka import KafkaRouter
from stories_shared.clock import system_now
from stories_shared.events import StoryErased, UserErased, encode
from stories_shared.events.ids import new_id
from stories_shared.kafka.client import Consumer, Kafka
from stories_shared.kafka.subscriber import BREAKER_THRESHOLD, Batch, for_each_event, subscribe
from stories_shared.kafka.topics import Topics, ensure_topics, init_topics
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.settings import Settings
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


class Process:
    """An application under its lifespan, with a client."""

    def __init__(self, realm, now=system_now, **settings) -> None:
        given = {name.lower(): value for name, value in realm.items()} | settings
        self.settings = Settings(**given)
        self.runtime = ServiceRuntime("expiry", self.settings, MetricsRegistry(), now)
        self.seen: list[str] = []
        events, http = KafkaRouter(), APIRouter()

        @subscribe(events, StoryErased, service="expiry")
        async def on_story_erased(batch: Batch) -> None:
            await for_each_event(batch, StoryErased, self.remember)

        @http.get("/v1/things/{thing}")
        async def read_thing(thing: str) -> dict[str, str]:
            return {"thing": thing}

        self.app = self.runtime.app("Things", events, http)

    async def remember(self, event: StoryErased) -> None:
        self.seen.append(event.store)

    @contextlib.asynccontextmanager
    async def running(self):
        async with self.app.router.lifespan_context(self.app):
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                yield client


async def ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


@pytest_asyncio.fixture
async def topics(realm) -> None:
    settings = Settings(**{name.lower(): value for name, value in realm.items()})
    wanted = Topics.for_settings(settings).of_service("expiry")
    kafka = Kafka.of(settings)
    assert set(await ensure_topics(kafka, wanted, 3, 1)) == set(wanted)
    assert await ensure_topics(kafka, wanted, 3, 1) == []


async def test_topics_that_somebody_else_makes_are_left_alone(realm):
    settings = {name.lower(): value for name, value in realm.items()}
    assert await init_topics(Settings(**settings, topics="external"), "expiry") == []
    assert "story-erased" in await init_topics(Settings(**settings), "expiry")


async def test_a_process_whose_topics_are_missing_stays_unready_and_names_them(realm):
    async with Process(realm).running() as client:

        async def named() -> bool:
            answer = await client.get("/readyz")
            return answer.status_code == 503 and "story-posted" in answer.json()["problems"].get("kafka", "")

        await eventually(named)
        assert (await client.get("/livez")).status_code == 200


async def test_a_process_gets_ready_consumes_and_counts(realm, topics):
    process = Process(realm)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        event = StoryErased(story_id=new_id(), store="feed", erased_at=datetime.now(UTC))
        await process.runtime.publisher.publish(event)
        await eventually(lambda: process.seen == ["feed"])
        await client.get("/v1/things/1")
        await client.get("/nowhere/secret-id")

        async def measured() -> bool:
            page = (await client.get("/metrics")).text
            assert 'stories_http_requests_total{method="GET",route="/v1/things/{thing}",status="200"} 1.0' in page
            assert 'route="unmatched",status="404"' in page
            assert "secret-id" not in page
            assert "stories_event_age_seconds_count" in page
            assert "faststream" in page
            return f'stories_consumer_lag_records{{group="{realm.prefix}expiry.story-erased"' in page

        await eventually(measured)


async def test_a_partition_that_is_added_is_read_within_seconds(realm, topics):
    process = Process(realm)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        admin = process.runtime.kafka.admin()
        await admin.start()
        topic = process.runtime.kafka.topic(StoryErased.topic)
        await admin.create_partitions({topic: NewPartitions(total_count=4)})
        await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=process.runtime.kafka.bootstrap)
        await producer.start()
        try:

            async def there() -> bool:
                await producer.client.force_metadata_update()
                return 3 in await producer.partitions_for(topic)

            await eventually(there)
            event = StoryErased(story_id=new_id(), store="media", erased_at=datetime.now(UTC))
            await producer.send_and_wait(topic, encode(event), partition=3)
        finally:
            await producer.stop()
        await eventually(lambda: process.seen == ["media"], 10)


class Watch:
    """A clock that can be set."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def __call__(self) -> datetime:
        return system_now() + self.ahead


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
async def test_nothing_is_done_by_a_clock_that_is_off_until_it_is_set_right_and_when_it_goes_wrong_again(
    realm, topics, ahead
):
    clock = Watch(ahead)
    process, turns = Process(realm, now=clock), []

    async def turn() -> None:
        turns.append(clock.ahead)

    process.runtime.periodic("turn", timedelta(milliseconds=50), turn)
    said = StoryErased(story_id=new_id(), store="feed", erased_at=datetime.now(UTC))

    async with process.running() as client:

        async def paused() -> bool:
            return (
                "clock" in (await client.get("/readyz")).json()["problems"] and not process.runtime.clock_guard.running
            )

        await eventually(paused)
        await process.runtime.publisher.publish(said)
        assert (await client.get("/livez")).status_code == 200
        clock.ahead = timedelta(0)
        await eventually(lambda: ready(client), 30)
        await eventually(lambda: process.seen == ["feed"])
        assert set(turns) == {timedelta(0)}
        clock.ahead = ahead
        await eventually(paused)
        turned = len(turns)
        await process.runtime.publisher.publish(said)
        clock.ahead = timedelta(0)
        await eventually(lambda: ready(client), 30)
        await eventually(lambda: process.seen == ["feed", "feed"])
        await eventually(lambda: len(turns) > turned)


async def test_a_clock_that_is_off_steps_aside(realm, topics):
    fast = Process(realm, now=lambda: system_now() + timedelta(minutes=5))
    async with fast.running() as client:

        async def paused() -> bool:
            answer = await client.get("/readyz")
            return "clock" in answer.json()["problems"]

        await eventually(paused)
        refusal = await client.get("/v1/things/1")
        assert refusal.status_code == 503
        assert "retry-after" in refusal.headers


async def test_every_subscriber_of_a_process_has_the_one_policy_and_its_own_group(realm):
    process = Process(realm)
    (subscriber,) = process.runtime.subscribers
    assert subscriber.ack_policy is AckPolicy.NACK_ON_ERROR
    assert subscriber.group_id == f"{realm.prefix}expiry.story-erased"
    await process.runtime.mongo.close()


async def test_every_consumer_of_a_process_stops_to_its_end(realm, topics):
    process = Process(realm)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        assert {type(subscriber.consumer) for subscriber in process.runtime.subscribers} == {Consumer}


async def test_an_open_breaker_makes_unready_and_names_the_group(realm, topics):
    process = Process(realm)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        breaker = process.runtime.consumer_context.breaker("expiry.story-erased", TopicPartition("story-erased", 0))
        breaker.streak = BREAKER_THRESHOLD
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["problems"]) == (503, {"dead-lettering": "expiry.story-erased"})
        breaker.streak = 0
        assert await ready(client)


async def test_what_a_process_does_without_is_named_and_it_stays_ready(realm, topics):
    process = Process(realm)
    process.runtime.degraded_check("s3", lambda: "no answer")
    async with process.running() as client:
        await eventually(lambda: ready(client))
        assert (await client.get("/readyz")).json() == {"ready": True, "problems": {}, "impaired": {"s3": "no answer"}}


async def test_mongodb_gone_makes_unready_and_names_it(realm, topics):
    process = Process(realm, mongo_url="mongodb://127.0.0.1:1/?directConnection=true")
    async with process.running() as client:

        async def named() -> bool:
            return "mongodb" in (await client.get("/readyz")).json()["problems"]

        await eventually(named)
        assert (await client.get("/livez")).status_code == 200
        forgiving = (await client.get("/readyz?exclude=mongodb&exclude=kafka&exclude=look")).json()
        assert (forgiving["ready"], forgiving["problems"]) == (True, {})


async def test_a_tombstone_or_foreign_record_does_not_disturb(realm, topics):
    process = Process(realm)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        await process.runtime.publisher.publish_tombstone(StoryErased, "x")
        await process.runtime.publisher.publish(UserErased(user_id="ann", at=datetime.now(UTC)))
        await process.runtime.publisher.publish(
            StoryErased(story_id=new_id(), store="media", erased_at=datetime.now(UTC))
        )
        await eventually(lambda: process.seen == ["media"])
    await asyncio.sleep(0)
