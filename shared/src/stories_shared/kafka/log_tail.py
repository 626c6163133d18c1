"""Reads topics from given offsets to their end and follows them, on every replica, without a consumer group.

A log tail feeds state that every replica keeps in memory (the feed's live index, engagement's endings). It tracks the
freshness of every partition: the last time that the position had reached the high watermark of a fetch that was sent
while the process was running. So stale data can be told from fresh data.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_fixed

from stories_shared.events import Event
from stories_shared.events.cloudevents import DecodeError, ReceivedEvent, Tombstone, decode_record
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.partitioner import key_hash
from stories_shared.runtime.logging import logger

log = logger(__name__)

Offsets = Mapping[tuple[str, int], int]
Apply = Callable[[ReceivedEvent[Any] | Tombstone], None]

FETCH_WAIT_MS = 100
NEW_PARTITIONS_EVERY_S = 2.0
METADATA_TIMEOUT_S = 10.0
# An iteration takes about FETCH_WAIT_MS. One that took this much longer means that the process was frozen or starved.
GAP_S = 0.5
# A consumer has one fetch in flight for a partition. So the first response that arrives after a gap may answer a fetch
# sent before it; the second answers one that was sent after it.
FETCHES_AFTER_GAP = 2


class PartitionFreshness:
    """When a partition was last known to be read to its end, on the monotonic clock."""

    __slots__ = ("at", "fetches_needed", "last_fetch")

    def __init__(self) -> None:
        self.at = float("-inf")
        self.last_fetch: int | None = None
        self.fetches_needed = FETCHES_AFTER_GAP

    def record_fetch(self, fetched_at: int | None, caught_up: bool, now: float) -> None:
        """Record the time of the consumer's last fetch and whether the partition is read to its end."""
        if fetched_at is not None and fetched_at != self.last_fetch:
            self.last_fetch = fetched_at
            self.fetches_needed = max(0, self.fetches_needed - 1)
            if caught_up and self.fetches_needed == 0:
                self.at = now

    def invalidate(self, fetched_at: int | None) -> None:
        """Ignore fetches that may have been sent before now, and the last response, which arrived at `fetched_at`."""
        self.last_fetch = fetched_at
        self.fetches_needed = FETCHES_AFTER_GAP


class LogTail:
    """A reader of several topics.

    Args:
        kafka: the cluster.
        topics: the events whose topics are read.
        apply: called with each event and tombstone, in order within a partition; must not block.
        name: the group label in metrics.
        stale_after_s: after how many seconds without a fetch to its end a partition is stale.
        start: returns the start offsets by topic (without prefix) and partition. It is awaited first, so a snapshot
            that it loads is older than the first record read. Other partitions are read from their beginning.
        may_be_stale: events whose partitions make no key stale.
    """

    def __init__(
        self,
        kafka: Kafka,
        topics: Sequence[type[Event]],
        apply: Apply,
        name: str,
        stale_after_s: float,
        start: Callable[[], Awaitable[Offsets]] | None = None,
        may_be_stale: Collection[type[Event]] = (),
    ) -> None:
        self.kafka = kafka
        self.topics = {kafka.topic(event.topic): event for event in topics}
        self.apply = apply
        self.name = name
        self.stale_after_s = stale_after_s
        self.start = start
        self._unjudged = {kafka.topic(event.topic) for event in may_be_stale}
        self.ready = False
        self.iterations = 0
        self.positions: dict[TopicPartition, int] = {}
        self.ends: dict[TopicPartition, int] = {}
        self.load_seconds = 0.0
        self._freshness: dict[TopicPartition, PartitionFreshness] = {}
        self._oldest = float("-inf")
        """The freshness of the stalest partition."""
        self._partition_counts: dict[str, set[int]] = {topic: set() for topic in self.topics}
        self._initial_ends: dict[TopicPartition, int] | None = None
        self._loaded = False
        self._assigned: set[TopicPartition] = set()

    def stale(self, key: str) -> bool:
        """Whether a partition that may hold records of this key is stale."""
        if not self.any_stale():
            return False
        hashed = key_hash(key)
        oldest = time.monotonic() - self.stale_after_s
        for topic, counts in self._partition_counts.items():
            if topic in self._unjudged:
                continue
            if not counts:
                return True
            for count in counts:
                freshness = self._freshness.get(TopicPartition(topic, hashed % count))
                if freshness is None or freshness.at < oldest:
                    return True
        return False

    def any_stale(self) -> bool:
        """Whether any partition is stale."""
        return self.age() > self.stale_after_s

    def age(self) -> float:
        """Seconds since the stalest partition was known to be read to its end; infinite if it never was."""
        return time.monotonic() - self._oldest

    async def run(self) -> None:
        """Read for ever. Called again after an error, it continues at its position."""
        began = time.monotonic()
        if not self._loaded:
            offsets = await self.start() if self.start else {}
            self.positions.update(
                {TopicPartition(self.kafka.topic(topic), p): at for (topic, p), at in offsets.items()}
            )
            self._loaded = True
        for freshness in self._freshness.values():
            freshness.invalidate(None)
        consumer = self.kafka.reader(
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            metadata_max_age_ms=int(NEW_PARTITIONS_EVERY_S * 1000),
        )
        try:
            await consumer.start()
            await self._learn_partitions(consumer)
            await self._assign(consumer)
            if self._initial_ends is None:
                self._initial_ends = await consumer.end_offsets(list(consumer.assignment()))
            await self._read(consumer, began)
        finally:
            with contextlib.suppress(KafkaError):
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer, began: float) -> None:
        last_iteration = last_check = time.monotonic()
        while True:
            batches = await consumer.getmany(timeout_ms=FETCH_WAIT_MS)
            now = time.monotonic()
            if now - last_iteration > GAP_S + FETCH_WAIT_MS / 1000:
                for partition, freshness in self._freshness.items():
                    freshness.invalidate(consumer.last_poll_timestamp(partition))
            for partition, records in batches.items():
                for record in records:
                    self._apply(record)
                self.positions[partition] = records[-1].offset + 1
                await asyncio.sleep(0)
            # A freeze since `now` must count: neither the position nor the high watermark is newer than that.
            self._update_freshness(consumer, now)
            if not self.ready and self._reached_initial_ends(consumer):
                self.ready, self.load_seconds = True, time.monotonic() - began
                log.info("log_tail_ready", tail=self.name, seconds=round(self.load_seconds, 3))
            self.iterations += 1
            last_iteration = now
            if now - last_check > NEW_PARTITIONS_EVERY_S:
                last_check = now
                await self._assign(consumer)

    def _apply(self, record: Any) -> None:
        event = self.topics[record.topic]
        topic = event.topic
        if record.value is None:
            if record.key:
                self.apply(Tombstone(topic, record.key.decode(errors="replace"), record.partition, record.offset))
            return
        try:
            self.apply(decode_record(record, event))
        except DecodeError:
            return  # the consumer group of the same topic dead-letters it

    def _update_freshness(self, consumer: AIOKafkaConsumer, now: float) -> None:
        for partition in consumer.assignment():
            end = consumer.highwater(partition)
            if end is not None:
                self.ends[partition] = end
            caught_up = end is not None and self.positions.get(partition, 0) >= end
            self._freshness[partition].record_fetch(consumer.last_poll_timestamp(partition), caught_up, now)
        judged = (each.at for partition, each in self._freshness.items() if partition.topic not in self._unjudged)
        self._oldest = min(judged, default=float("-inf"))

    def _reached_initial_ends(self, consumer: AIOKafkaConsumer) -> bool:
        ends = self._initial_ends or {}
        return (
            all(
                self.positions.get(partition, 0) >= end
                or (consumer.highwater(partition) or -1) <= self.positions.get(partition, 0)
                for partition, end in ends.items()
                if end > 0
            )
            and not self.any_stale()
        )

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Assign every partition; new ones are read from their beginning."""
        partitions: set[TopicPartition] = set()
        for topic in self.topics:
            found = consumer.partitions_for_topic(topic)
            if not found:
                raise LookupError(f"the topic {topic} is missing")
            self._partition_counts[topic].add(len(found))
            partitions |= {TopicPartition(topic, number) for number in found}
        if partitions == self._assigned:
            return
        for partition in partitions - set(self._freshness):
            self._freshness[partition], self._oldest = PartitionFreshness(), float("-inf")
        consumer.assign(list(partitions))
        first = await consumer.beginning_offsets(list(partitions))
        for partition in partitions:
            at = max(self.positions.get(partition, 0), first.get(partition, 0))
            self.positions[partition] = at
            consumer.seek(partition, at)
        self._assigned = partitions

    async def _learn_partitions(self, consumer: AIOKafkaConsumer) -> None:
        """Wait for the topics' metadata; the client requests only that of topics with an assigned partition."""
        self._assigned = set()
        consumer.assign([TopicPartition(topic, 0) for topic in self.topics])
        deadline = time.monotonic() + METADATA_TIMEOUT_S
        while not all(consumer.partitions_for_topic(topic) for topic in self.topics):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.02)


async def committed_offsets(kafka: Kafka, groups: Mapping[str, str]) -> dict[tuple[str, int], int]:
    """The committed offsets of groups, by topic and partition, for ``LogTail``'s start.

    Args:
        kafka: the cluster.
        groups: topic by group, both without prefix.

    Raises:
        KafkaError: a group has no coordinator within ten seconds, or the error is not retriable.
    """
    admin = kafka.admin()
    offsets: dict[tuple[str, int], int] = {}
    try:
        await admin.start()
        for group, topic in groups.items():
            # A new cluster creates its offsets topic, and so the coordinator, at the first request.
            retrying = AsyncRetrying(
                retry=retry_if_exception(lambda error: isinstance(error, KafkaError) and error.retriable),
                stop=stop_after_delay(METADATA_TIMEOUT_S),
                wait=wait_fixed(0.1),
                reraise=True,
            )
            found: Mapping[TopicPartition, Any] = await retrying(admin.list_consumer_group_offsets, kafka.topic(group))
            for partition, stored in found.items():
                if kafka.plain(partition.topic) == topic and stored.offset >= 0:
                    offsets[topic, partition.partition] = stored.offset
    finally:
        with contextlib.suppress(KafkaError):
            await admin.close()
    return offsets
