"""State and pending marker are one write; the newest state is always published last."""

import asyncio
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryErased, UserFollowed
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo import outbox
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.outbox import Outbox, outbox_index, pending_mark
from stories_shared.testing import FakeClock, eventually, records_of
from stories_shared.testing.query_plans import CommandRecorder, slow_plans

pytestmark = pytest.mark.servers
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["pymongo", "motor"])
def driver(request) -> str:
    return request.param


class Harness:
    def __init__(self, namespace, driver: str) -> None:
        self.kafka = Kafka(namespace["KAFKA_BOOTSTRAP_SERVERS"], namespace.prefix)
        self.mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], driver)
        self.things = self.mongo["things"]
        self.publisher = Publisher(self.kafka, "feed")
        self.before_clearing = asyncio.Event()
        self.before_clearing.set()
        self.has_read = asyncio.Event()
        self.clock = FakeClock(truncate_to_ms(system_now()))
        self.outbox = Outbox("things", self.things, self.events_of, self.publisher, self.clock)

    async def events_of(self, document) -> list[OutgoingEvent]:
        outgoing = OutgoingEvent(StoryErased(story_id=document["_id"], store="feed", erased_at=document["at"]))
        self.has_read.set()
        await self.before_clearing.wait()
        if document["kind"] == "too-large":
            return [OutgoingEvent(UserFollowed(user_id="ann", target_id="b" * 100, at=NOW))]
        return [outgoing] if document["kind"] == "good" else document["not there"]

    async def change(self, thing: str, n: int, kind: str = "good") -> None:
        fields = {"at": NOW.replace(second=n), "kind": kind, "pending": pending_mark(n, self.clock())}
        await self.things.update_one({"_id": thing}, {"$set": fields}, upsert=True)

    async def pending_ids(self) -> set[str]:
        return {thing["_id"] for thing in await self.things.find({"pending": {"$exists": True}}).to_list(None)}

    async def published(self) -> list[int]:
        return [int(record.value.split(b":00:")[1][:2]) for record in await records_of(self.kafka, "story-erased")]


@pytest_asyncio.fixture
async def harness(namespace, driver):
    await namespace.topic("story-erased", partitions=1)
    await namespace.topic("user-followed", partitions=1, max_message_bytes="100")
    made = Harness(namespace, driver)
    await made.mongo.ensure("things", outbox_index())
    await made.publisher.start()
    yield made
    await made.publisher.stop()
    await made.mongo.close()


async def test_pending_event_is_published_and_cleared(harness):
    await harness.change(new_id(), 1)
    assert (await harness.outbox.pending())[0] == 1
    assert await harness.outbox.run_once() == 1
    assert await harness.published() == [1]
    assert await harness.outbox.pending() == (0, 0.0)


async def test_relay_publishes_when_woken(harness):
    relay = asyncio.create_task(harness.outbox.run())
    try:
        await harness.change(new_id(), 7)
        harness.outbox.wake()
        await eventually(lambda: is_published(harness, [7]))
    finally:
        relay.cancel()


async def is_published(harness, expected: list[int]) -> bool:
    return await harness.published() == expected


async def test_change_during_publishing_is_published_last(harness):
    thing = new_id()
    await harness.change(thing, 1)
    harness.before_clearing.clear()
    iteration = asyncio.create_task(harness.outbox.run_once())
    await asyncio.sleep(0.1)
    await harness.change(thing, 2)
    harness.before_clearing.set()
    await iteration
    assert (await harness.outbox.pending())[0] == 1
    await harness.outbox.run_once()
    assert await harness.published() == [1, 2]


async def test_what_changed_meanwhile_stays_pending_among_many(harness):
    things = [new_id() for _ in range(60)]
    for number, thing in enumerate(things):
        await harness.change(thing, 1 + number % 2)
    harness.before_clearing.clear()
    iteration = asyncio.create_task(harness.outbox.run_once())
    await harness.has_read.wait()
    await harness.change(things[0], 3)
    harness.before_clearing.set()
    assert await iteration == len(things)
    assert await harness.pending_ids() == {things[0]}


async def test_publish_now_returns_once_acknowledged(harness):
    thing = new_id()
    await harness.change(thing, 3)
    await harness.outbox.publish_now(thing)
    assert await harness.published() == [3]


async def test_event_stays_pending_when_publish_now_is_cancelled(harness):
    thing = new_id()
    await harness.change(thing, 4)
    harness.before_clearing.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await harness.outbox.publish_now(thing)
    relay = asyncio.create_task(harness.outbox.run())
    try:
        harness.before_clearing.set()
        await eventually(lambda: is_published(harness, [4]))
    finally:
        relay.cancel()


@pytest.mark.parametrize("kind", ["too-large", "unmakeable"])
async def test_permanent_failure_delays_no_other_document(harness, kind):
    good, bad = [new_id() for _ in range(3)], new_id()
    await harness.change(good[0], 1)
    await harness.change(bad, 2, kind)
    await harness.change(good[1], 3)
    await harness.outbox.run_once()
    assert await harness.pending_ids() == {bad}
    await harness.publisher.start()
    producer = harness.publisher._producer
    for n in (4, 5):
        harness.clock.forward(seconds=10)
        await harness.change(good[2], n)
        await harness.outbox.run_once()
        assert await harness.pending_ids() == {bad}
    assert harness.publisher._producer is producer
    assert await harness.published() == [1, 3, 4, 5]
    assert await harness.outbox.pending() == (1, 20.0)


async def test_failing_document_is_retried_with_backoff(harness):
    bad, tries = new_id(), []
    await harness.change(bad, 1, "unmakeable")
    for second in range(16):
        await harness.outbox.run_once()
        tries.append((second, (await harness.things.find_one({"_id": bad}))["pending"]["tries"]))
        harness.clock.forward(seconds=1)
    assert [second for second, count in tries if count != dict(tries).get(second - 1)] == [0, 1, 3, 7, 15]


async def test_new_change_of_a_failed_document_is_published_at_once(harness):
    thing = new_id()
    await harness.change(thing, 1, "unmakeable")
    for _ in range(5):
        await harness.outbox.run_once()
        harness.clock.forward(minutes=10)
    await harness.change(thing, 2)
    await harness.outbox.run_once()
    assert (await harness.published(), await harness.pending_ids()) == ([2], set())


async def test_many_failing_documents_do_not_starve_newer_ones(harness, monkeypatch):
    monkeypatch.setattr(outbox, "BATCH", 5)
    for n in range(7):
        await harness.change(new_id(), n, "unmakeable")
    await harness.change(new_id(), 9)
    for _ in range(2):
        await harness.outbox.run_once()
    assert await harness.published() == [9]


async def test_relay_queries_use_the_index(namespace, driver):
    recorder = CommandRecorder()
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], driver, listeners=[recorder])
    relay = Outbox("things", mongo["things"], lambda _thing: [], Publisher(Kafka("nowhere:1"), "feed"), system_now)
    try:
        await mongo.ensure("things", outbox_index())
        waiting = [{"pending": pending_mark(1, NOW) | ({"retry_at": NOW} if n % 2 else {})} for n in range(200)]
        await mongo["things"].insert_many([*waiting, *({"at": n} for n in range(2_000))])
        await relay.pending()
        await relay.run_once()
        assert await slow_plans(mongo, recorder.commands) == []
    finally:
        await mongo.close()
