"""Log tail: start offsets, following the end, new partitions and staleness."""

import asyncio
import os
import signal
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions
from stories_shared.events import StoryDeleted, StoryErased
from stories_shared.events.cloudevents import ReceivedEvent, Tombstone
from stories_shared.events.ids import new_id
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.log_tail import LogTail, PartitionFreshness, committed_offsets
from stories_shared.kafka.publisher import Publisher
from stories_shared.testing import eventually
from stories_shared.testing.kafka_admin import administer

pytestmark = pytest.mark.servers
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Reader:
    def __init__(self, kafka: Kafka, start=None) -> None:
        self.applied: list[str] = []
        self.tail = LogTail(kafka, [StoryDeleted], self.apply, "test", 2.0, start)
        self.task = asyncio.create_task(self.tail.run())

    def apply(self, received: ReceivedEvent | Tombstone) -> None:
        self.applied.append(
            received.event.story_id if isinstance(received, ReceivedEvent) else f"forget {received.key}"
        )


@pytest_asyncio.fixture
async def kafka(namespace):
    await namespace.topic("story-deleted")
    return Kafka(namespace["KAFKA_BOOTSTRAP_SERVERS"], namespace.prefix)


@pytest_asyncio.fixture
async def publisher(kafka):
    made = Publisher(kafka, "ingest")
    await made.start()
    yield made
    await made.stop()


async def delete(publisher: Publisher) -> str:
    story = new_id()
    await publisher.publish(StoryDeleted(story_id=story, deleted_at=NOW, by="author"))
    return story


async def test_tail_reads_existing_records_then_follows(kafka, publisher):
    before = [await delete(publisher) for _ in range(5)]
    reader = Reader(kafka)
    try:
        await eventually(lambda: reader.tail.ready)
        assert sorted(reader.applied) == sorted(before)
        await publisher.publish_tombstones(StoryDeleted, ["gone"])
        after = await delete(publisher)
        await eventually(lambda: {after, "forget gone"} <= set(reader.applied))
        assert not reader.tail.stale(after)
        assert not reader.tail.any_stale()
    finally:
        reader.task.cancel()


async def test_tail_is_ready_on_an_empty_topic(kafka):
    reader = Reader(kafka)
    try:
        await eventually(lambda: reader.tail.ready)
    finally:
        reader.task.cancel()


async def test_tail_starts_at_given_offsets_and_other_partitions_at_zero(kafka, publisher):
    for _ in range(20):
        await delete(publisher)

    async def ends():
        admin = kafka.reader()
        await admin.start()
        found = await admin.end_offsets([TopicPartition(kafka.topic("story-deleted"), 0)])
        await admin.stop()
        return {("story-deleted", 0): next(iter(found.values()))}

    async def nothing_committed():
        return await committed_offsets(kafka, {"feed.story-deleted": "story-deleted"})

    everything, rest = Reader(kafka, nothing_committed), Reader(kafka, ends)
    try:
        await eventually(lambda: everything.tail.ready and rest.tail.ready)
        assert len(everything.applied) == 20
        in_partition_0 = (await ends())["story-deleted", 0]
        assert len(rest.applied) == 20 - in_partition_0
    finally:
        everything.task.cancel()
        rest.task.cancel()


async def test_new_partitions_are_found_and_read_from_their_beginning(kafka, publisher):
    reader = Reader(kafka)
    try:
        await eventually(lambda: reader.tail.ready)
        more = {kafka.topic("story-deleted"): NewPartitions(6)}
        await administer(kafka, lambda admin: admin.create_partitions(more))
        stories: set[str] = set()

        async def published_while_it_grows() -> bool:
            stories.add(await delete(publisher))
            return len(reader.tail.positions) == 6 and len(stories) > 10

        await eventually(published_while_it_grows, within_s=60, every_s=0.3)
        await eventually(lambda: stories <= set(reader.applied), within_s=60)
    finally:
        reader.task.cancel()


async def test_while_the_broker_is_frozen_partitions_go_stale_and_recover(servers, kafka, publisher):
    reader = Reader(kafka)
    broker = servers.process(servers.kafka).pid
    try:
        await eventually(lambda: reader.tail.ready)
        story = await delete(publisher)
        await eventually(lambda: not reader.tail.stale(story))
        os.kill(broker, signal.SIGSTOP)
        try:
            frozen = time.monotonic()
            await eventually(lambda: reader.tail.stale(story), within_s=10)
            assert time.monotonic() - frozen > 1.5
        finally:
            os.kill(broker, signal.SIGCONT)
        await eventually(lambda: not reader.tail.stale(story), within_s=30)
    finally:
        reader.task.cancel()


async def test_consumer_stop_completes_when_the_broker_is_gone(servers, kafka):
    consumer = kafka.reader(retry_backoff_ms=60_000)
    await consumer.start()
    consumer.assign([TopicPartition(kafka.topic("story-deleted"), 0)])
    consumer.seek(TopicPartition(kafka.topic("story-deleted"), 0), 0)
    await consumer.getmany(timeout_ms=100)
    fetches = consumer._fetcher._pending_tasks
    servers.kill(servers.kafka)
    try:
        # Its fetch has failed, and it waits a minute before the retry.
        await eventually(lambda: fetches and all(task.get_coro().cr_await.__qualname__ == "sleep" for task in fetches))
        await consumer.stop()
        assert not consumer._client._conns
        assert consumer._fetcher._fetch_task.done()
    finally:
        servers.start(servers.kafka)


class OneFetch:
    """A consumer whose only fetch returns at once; the next one ends the reading."""

    def __init__(self, partition: TopicPartition) -> None:
        self.partition, self.fetches = partition, 0

    async def getmany(self, timeout_ms: int) -> dict:
        self.fetches += 1
        if self.fetches > 1:
            raise asyncio.CancelledError
        return {
            self.partition: [SimpleNamespace(topic=self.partition.topic, value=None, key=b"x", partition=0, offset=0)]
        }

    def assignment(self) -> set[TopicPartition]:
        return {self.partition}

    def highwater(self, _partition: TopicPartition) -> int:
        return 1

    def last_poll_timestamp(self, _partition: TopicPartition) -> int:
        return 1


async def test_freeze_while_a_fetch_is_applied_makes_a_tail_stale() -> None:
    def frozen(_record: object) -> None:
        time.sleep(0.3)

    tail = LogTail(Kafka("nowhere:1"), [StoryErased], frozen, "test", stale_after_s=0.2)
    partition = TopicPartition("story-erased", 0)
    tail._freshness[partition] = freshness = PartitionFreshness()
    freshness.fetches_needed = 0
    with pytest.raises(asyncio.CancelledError):
        await tail._read(OneFetch(partition), time.monotonic())
    assert freshness.at > 0
    assert tail.any_stale()


def test_responses_from_before_a_freeze_do_not_make_a_partition_fresh() -> None:
    freshness = PartitionFreshness()
    for fetched_at in range(3):
        freshness.record_fetch(fetched_at, caught_up=True, now=1.0)
    assert freshness.at == 1.0
    unseen = 3  # processed by the consumer before the freeze, not noted yet
    freshness.invalidate(unseen)
    freshness.record_fetch(unseen, caught_up=True, now=9.0)
    freshness.record_fetch(in_flight := 4, caught_up=True, now=9.1)
    assert freshness.at == 1.0, "neither response says what happened during the freeze"
    freshness.record_fetch(in_flight + 1, caught_up=True, now=9.2)
    assert freshness.at == 9.2
