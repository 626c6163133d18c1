"""State and the duty to say it are one write; the relay never leaves old news as the last word."""

import asyncio
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from stories_shared.clock import system_now
from stories_shared.events import StoryErased
from stories_shared.failures import Unavailable
from stories_shared.ids import new_id
from stories_shared.kafka import Kafka
from stories_shared.mongo import Mongo
from stories_shared.outbox import Outbox, mark
from stories_shared.publishing import Publisher, Saying
from stories_shared.testing import eventually

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
        self.outbox = Outbox("things", self.things, self.facts, self.publisher, system_now)

    async def facts(self, document) -> list[Saying]:
        saying = Saying(StoryErased(story_id=document["_id"], store="feed", erased_at=document["at"]))
        await self.before_clearing.wait()
        return [saying]

    async def change(self, thing: str, n: int) -> None:
        at = NOW.replace(second=n)
        await self.things.update_one({"_id": thing}, {"$set": {"at": at, "unsaid": mark(n, system_now())}}, upsert=True)

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
    made = World(realm, driver)
    await Outbox.ensure(made.mongo, "things")
    await made.publisher.start()
    yield made
    await made.publisher.stop()
    await made.mongo.close()


async def test_a_mark_is_said_and_cleared(world):
    await world.change(new_id(), 1)
    assert (await world.outbox.pending())[0] == 1
    assert await world.outbox.turn() == 1
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
    turn = asyncio.create_task(world.outbox.turn())
    await asyncio.sleep(0.1)
    await world.change(thing, 2)
    world.before_clearing.set()
    await turn
    assert (await world.outbox.pending())[0] == 1
    await world.outbox.turn()
    assert await world.said() == [1, 2]


async def test_saying_now_returns_once_it_is_acknowledged(world):
    thing = new_id()
    await world.change(thing, 3)
    await world.outbox.say_now(thing)
    assert await world.said() == [3]


async def test_saying_now_gives_up_after_three_seconds_and_the_mark_stays(world):
    thing = new_id()
    await world.change(thing, 4)
    world.before_clearing.clear()
    with pytest.raises(Unavailable):
        await world.outbox.say_now(thing)
    assert (await world.outbox.pending())[0] == 1
