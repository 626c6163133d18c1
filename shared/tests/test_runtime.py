"""A whole process on real servers: it starts without its dependencies, reports readiness, and drains."""

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
from stories_shared.kafka.consumer_context import BREAKER_THRESHOLD
from stories_shared.kafka.subscriber import Batch, for_each_event, subscribe
from stories_shared.kafka.topics import Topics, ensure_topics, init_topics
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.settings import Settings
from stories_shared.testing import eventually
from stories_shared.testing.kafka_admin import administer

pytestmark = pytest.mark.servers


class Process:
    """An application under its lifespan, with a client."""

    def __init__(self, namespace, now=system_now, **settings) -> None:
        given = {name.lower(): value for name, value in namespace.items()} | settings
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
async def topics(namespace) -> None:
    settings = Settings(**{name.lower(): value for name, value in namespace.items()})
    wanted = Topics.for_settings(settings).of_service("expiry")
    kafka = Kafka.of(settings)
    assert set(await ensure_topics(kafka, wanted, 3, 1)) == set(wanted)
    assert await ensure_topics(kafka, wanted, 3, 1) == []


async def test_external_topics_are_not_created(namespace):
    settings = {name.lower(): value for name, value in namespace.items()}
    assert await init_topics(Settings(**settings, topics="external"), "expiry") == []
    assert "story-erased" in await init_topics(Settings(**settings), "expiry")


async def test_missing_topics_are_named_by_an_unready_process(namespace):
    async with Process(namespace).running() as client:

        async def named() -> bool:
            answer = await client.get("/readyz")
            return answer.status_code == 503 and "story-posted" in answer.json()["problems"].get("kafka", "")

        await eventually(named)
        assert (await client.get("/livez")).status_code == 200


async def test_process_gets_ready_consumes_and_reports_metrics(namespace, topics):
    process = Process(namespace)
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
            return f'stories_consumer_lag_records{{group="{namespace.prefix}expiry.story-erased"' in page

        await eventually(measured)


async def test_one_of_several_bootstrap_servers_is_enough(namespace, topics):
    several = f"{namespace['KAFKA_BOOTSTRAP_SERVERS']}, 127.0.0.1:1"
    async with Process(namespace, kafka_bootstrap_servers=several).running() as client:
        await eventually(lambda: ready(client))


async def test_added_partition_is_consumed_within_seconds(namespace, topics):
    process = Process(namespace)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        topic = process.runtime.kafka.topic(StoryErased.topic)
        more = {topic: NewPartitions(total_count=4)}
        await administer(process.runtime.kafka, lambda admin: admin.create_partitions(more))
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


class AdjustableClock:
    """A clock that can be set."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def __call__(self) -> datetime:
        return system_now() + self.ahead


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
async def test_work_pauses_whenever_the_clock_is_off(namespace, topics, ahead):
    clock = AdjustableClock(ahead)
    process, iterations = Process(namespace, now=clock), []

    async def iteration() -> None:
        iterations.append(clock.ahead)

    process.runtime.periodic("iteration", timedelta(milliseconds=50), iteration)
    event = StoryErased(story_id=new_id(), store="feed", erased_at=datetime.now(UTC))

    async with process.running() as client:

        async def paused() -> bool:
            return (
                "clock" in (await client.get("/readyz")).json()["problems"] and not process.runtime.clock_guard.running
            )

        await eventually(paused)
        await process.runtime.publisher.publish(event)
        assert (await client.get("/livez")).status_code == 200
        clock.ahead = timedelta(0)
        await eventually(lambda: ready(client), 30)
        await eventually(lambda: process.seen == ["feed"])
        assert set(iterations) == {timedelta(0)}
        clock.ahead = ahead
        await eventually(paused)
        count = len(iterations)
        await process.runtime.publisher.publish(event)
        clock.ahead = timedelta(0)
        await eventually(lambda: ready(client), 30)
        await eventually(lambda: process.seen == ["feed", "feed"])
        await eventually(lambda: len(iterations) > count)


async def test_clock_skew_makes_unready_and_answers_503(namespace, topics):
    fast = Process(namespace, now=lambda: system_now() + timedelta(minutes=5))
    async with fast.running() as client:

        async def paused() -> bool:
            answer = await client.get("/readyz")
            return "clock" in answer.json()["problems"]

        await eventually(paused)
        refusal = await client.get("/v1/things/1")
        assert refusal.status_code == 503
        assert "retry-after" in refusal.headers


async def test_every_subscriber_has_the_shared_ack_policy_and_its_own_group(namespace):
    process = Process(namespace)
    (subscriber,) = process.runtime.subscribers
    assert subscriber.ack_policy is AckPolicy.NACK_ON_ERROR
    assert subscriber.group_id == f"{namespace.prefix}expiry.story-erased"
    await process.runtime.mongo.close()


async def test_every_subscriber_uses_the_patched_consumer(namespace, topics):
    process = Process(namespace)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        assert {type(subscriber.consumer) for subscriber in process.runtime.subscribers} == {Consumer}


async def test_open_breaker_makes_unready_and_names_the_group(namespace, topics):
    process = Process(namespace)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        breaker = process.runtime.consumer_context.breaker("expiry.story-erased", TopicPartition("story-erased", 0))
        breaker.streak = BREAKER_THRESHOLD
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["problems"]) == (503, {"dead-lettering": "expiry.story-erased"})
        breaker.streak = 0
        assert await ready(client)


async def test_degraded_check_is_reported_and_process_stays_ready(namespace, topics):
    process = Process(namespace)
    process.runtime.degraded_check("s3", lambda: "no answer")
    async with process.running() as client:
        await eventually(lambda: ready(client))
        assert (await client.get("/readyz")).json() == {"ready": True, "problems": {}, "impaired": {"s3": "no answer"}}


async def test_missing_mongodb_makes_unready_and_is_named(namespace, topics):
    process = Process(namespace, mongo_url="mongodb://127.0.0.1:1/?directConnection=true")
    async with process.running() as client:

        async def named() -> bool:
            return "mongodb" in (await client.get("/readyz")).json()["problems"]

        await eventually(named)
        assert (await client.get("/livez")).status_code == 200
        filtered = (await client.get("/readyz?exclude=mongodb&exclude=kafka&exclude=look")).json()
        assert (filtered["ready"], filtered["problems"]) == (True, {})


async def test_tombstones_and_other_topics_are_ignored(namespace, topics):
    process = Process(namespace)
    async with process.running() as client:
        await eventually(lambda: ready(client))
        await process.runtime.publisher.publish_tombstones(StoryErased, ["x"])
        await process.runtime.publisher.publish(UserErased(user_id="ann", at=datetime.now(UTC)))
        await process.runtime.publisher.publish(
            StoryErased(story_id=new_id(), store="media", erased_at=datetime.now(UTC))
        )
        await eventually(lambda: process.seen == ["media"])
    await asyncio.sleep(0)
