"""State and the duty to say it are one write; the relay never leaves old news as the last word."""

import asyncio
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryErased, UserFollowed
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo import outbox
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.outbox import Outbox, pending_mark
from stories_shared.testing import HandClock, eventually
from stories_shared.testing.query_plans import CommandRecorder, slow_plans

pytestmark = pytest.mark.servers
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["pymongo", "motor"])
def driver(request) -> str:
    return request.param


class World:
    def __init__(self, realm, driver: str) -> None:
        self.kafka = Kafka(realm["KAFKA_BOOTSTRAP_SERVERS"], realm.prefix)
        self.mongo = Mongo.connect(realm["MONGO_URL"], realm["MONGO_DATABASE"], driver)
        self.things = self.mongo["things"]
        self.publisher = Publisher(self.kafka, "feed")
        self.before_clearing = asyncio.Event()
        self.before_clearing.set()
        self.clock = HandClock(truncate_to_ms(system_now()))
        self.outbox = Outbox("things", self.things, self.events_of, self.publisher, self.clock)

    async def events_of(self, document) -> list[OutgoingEvent]:
        saying = OutgoingEvent(StoryErased(story_id=document["_id"], store="feed", erased_at=document["at"]))
        await self.before_clearing.wait()
        if document["kind"] == "too-large":
            return [OutgoingEvent(UserFollowed(user_id="ann", target_id="b" * 100, at=NOW))]
        return [saying] if document["kind"] == "good" else document["not there"]

    async def change(self, thing: str, n: int, kind: str = "good") -> None:
        fields = {"at": NOW.replace(second=n), "kind": kind, "pending": pending_mark(n, self.clock())}
        await self.things.update_one({"_id": thing}, {"$set": fields}, upsert=True)

    async def marked(self) -> set[str]:
        return {thing["_id"] for thing in await self.things.find({"pending": {"$exists": True}}).to_list(None)}

    async def said(self) -> list[int]:
        consumer = AIOKafkaConsumer(
            self.kafka.topic("story-erased"),
            bootstrap_servers=self.kafka.bootstrap,
            auto_offset_reset="earliest",
            group_id=None,
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found = []
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += [int(record.value.split(b":00:")[1][:2]) for record in records]
            return found
        finally:
            await consumer.stop()


@pytest_asyncio.fixture
async def world(realm, driver):
    await realm.topic("story-erased", partitions=1)
    await realm.topic("user-followed", partitions=1, max_message_bytes="100")
    made = World(realm, driver)
    await Outbox.ensure(made.mongo, "things")
    await made.publisher.start()
    yield made
    await made.publisher.stop()
    await made.mongo.close()


async def test_a_mark_is_said_and_cleared(world):
    await world.change(new_id(), 1)
    assert (await world.outbox.pending())[0] == 1
    assert await world.outbox.run_once() == 1
    assert await world.said() == [1]
    assert await world.outbox.pending() == (0, 0.0)


async def test_the_loop_says_what_it_is_woken_for(world):
    relay = asyncio.create_task(world.outbox.run())
    try:
        await world.change(new_id(), 7)
        world.outbox.wake()
        await eventually(lambda: is_said(world, [7]))
    finally:
        relay.cancel()


async def is_said(world, expected: list[int]) -> bool:
    return await world.said() == expected


async def test_a_change_during_the_saying_is_said_too_and_last(world):
    thing = new_id()
    await world.change(thing, 1)
    world.before_clearing.clear()
    turn = asyncio.create_task(world.outbox.run_once())
    await asyncio.sleep(0.1)
    await world.change(thing, 2)
    world.before_clearing.set()
    await turn
    assert (await world.outbox.pending())[0] == 1
    await world.outbox.run_once()
    assert await world.said() == [1, 2]


async def test_saying_now_returns_once_it_is_acknowledged(world):
    thing = new_id()
    await world.change(thing, 3)
    await world.outbox.publish_now(thing)
    assert await world.said() == [3]


async def test_the_mark_stays_when_whoever_waits_for_it_gives_up(world):
    thing = new_id()
    await world.change(thing, 4)
    world.before_clearing.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await world.outbox.publish_now(thing)
    relay = asyncio.create_task(world.outbox.run())
    try:
        world.before_clearing.set()
        await eventually(lambda: is_said(world, [4]))
    finally:
        relay.cancel()


@pytest.mark.parametrize("kind", ["too-large", "unmakeable"])
async def test_a_document_that_fails_for_good_holds_up_no_other(world, kind):
    good, bad = [new_id() for _ in range(3)], new_id()
    await world.change(good[0], 1)
    await world.change(bad, 2, kind)
    await world.change(good[1], 3)
    await world.outbox.run_once()
    assert await world.marked() == {bad}
    await world.publisher.start()
    producer = world.publisher._producer
    for n in (4, 5):
        world.clock.forward(seconds=10)
        await world.change(good[2], n)
        await world.outbox.run_once()
        assert await world.marked() == {bad}
    assert world.publisher._producer is producer
    assert await world.said() == [1, 3, 4, 5]
    assert await world.outbox.pending() == (1, 20.0)


async def test_a_document_that_fails_is_tried_less_and_less_often(world):
    bad, tries = new_id(), []
    await world.change(bad, 1, "unmakeable")
    for second in range(16):
        await world.outbox.run_once()
        tries.append((second, (await world.things.find_one({"_id": bad}))["pending"]["tries"]))
        world.clock.forward(seconds=1)
    assert [second for second, count in tries if count != dict(tries).get(second - 1)] == [0, 1, 3, 7, 15]


async def test_a_new_mark_of_a_document_that_failed_is_said_at_once(world):
    thing = new_id()
    await world.change(thing, 1, "unmakeable")
    for _ in range(5):
        await world.outbox.run_once()
        world.clock.forward(minutes=10)
    await world.change(thing, 2)
    await world.outbox.run_once()
    assert (await world.said(), await world.marked()) == ([2], set())


async def test_many_documents_that_fail_do_not_starve_what_is_newer(world, monkeypatch):
    monkeypatch.setattr(outbox, "BATCH", 5)
    for n in range(7):
        await world.change(new_id(), n, "unmakeable")
    await world.change(new_id(), 9)
    for _ in range(2):
        await world.outbox.run_once()
    assert await world.said() == [9]


async def test_the_relay_reads_by_its_index(realm, driver):
    recorder = CommandRecorder()
    mongo = Mongo.connect(realm["MONGO_URL"], realm["MONGO_DATABASE"], driver, listeners=[recorder])
    relay = Outbox("things", mongo["things"], lambda _thing: [], Publisher(Kafka("nowhere:1"), "feed"), system_now)
    try:
        await Outbox.ensure(mongo, "things")
        waiting = [{"pending": pending_mark(1, NOW) | ({"retry_at": NOW} if n % 2 else {})} for n in range(200)]
        await mongo["things"].insert_many([*waiting, *({"at": n} for n in range(2_000))])
        await relay.pending()
        await relay.run_once()
        assert await slow_plans(mongo, recorder.commands) == []
    finally:
        await mongo.close()
