"""Reads a log from a known place to its end and stays there, on every replica, without a group.

A tail feeds what must be in the memory of each replica at once (the feed's live index, engagement's endings). It
knows of every partition when it last heard from it: the position had reached the high watermark of a fetch that was
sent while we were running. What may be old news can so be told from what is known.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from stories_shared.events import Event
from stories_shared.events.cloudevents import DecodeError, ReceivedEvent, Tombstone, decode_record
from stories_shared.kafka.client import Kafka, key_hash
from stories_shared.runtime.logging import logger

log = logger(__name__)

Offsets = Mapping[tuple[str, int], int]
Apply = Callable[[ReceivedEvent[Any] | Tombstone], None]

FETCH_WAIT_MS = 100
NEW_PARTITIONS_EVERY_S = 2.0
TOPICS_WITHIN_S = 10.0
# A turn takes about FETCH_WAIT_MS. One that took longer than this means that the process was frozen or starved.
GAP_S = 0.5
# After a gap, answers that were under way before it may still arrive; the second fetch after it was sent after it.
FETCHES_AFTER_GAP = 2


class PartitionFreshness:
    """When a partition was last heard from, on the monotonic clock."""

    __slots__ = ("at", "poll", "wanted")

    def __init__(self) -> None:
        self.at = float("-inf")
        self.poll: int | None = None
        self.wanted = FETCHES_AFTER_GAP

    def note(self, poll: int | None, caught_up: bool, now: float) -> None:
        """Take one look at the consumer: the time of its last fetch and whether it has been read to its end."""
        if poll is not None and poll != self.poll:
            self.poll = poll
            self.wanted = max(0, self.wanted - 1)
            if caught_up and self.wanted == 0:
                self.at = now

    def doubt(self) -> None:
        """Believe no fetch that may have been sent before now."""
        self.wanted = FETCHES_AFTER_GAP


class LogTail:
    """A reader of several topics.

    Args:
        kafka: where to read.
        topics: the events whose topics are read.
        apply: takes facts and tombstones, one by one, in order within a partition; must not block.
        name: as metrics show it, in the place of a group.
        stale_after_s: how long a partition may go unheard, in seconds.
        start: gives the offsets to start from by topic (without prefix) and partition; it is awaited first, so what
            it loads besides (a snapshot) is older than the first record read. Partitions it leaves out are read from
            their beginning.
    """

    def __init__(
        self,
        kafka: Kafka,
        topics: Sequence[type[Event]],
        apply: Apply,
        name: str,
        stale_after_s: float = 2.0,
        start: Callable[[], Awaitable[Offsets]] | None = None,
    ) -> None:
        self.kafka = kafka
        self.topics = {kafka.topic(event.topic): event for event in topics}
        self.apply = apply
        self.name = name
        self.stale_after_s = stale_after_s
        self.start = start
        self.ready = False
        self.turns = 0
        self.positions: dict[TopicPartition, int] = {}
        self.ends: dict[TopicPartition, int] = {}
        self.load_seconds = 0.0
        self._heard: dict[TopicPartition, PartitionFreshness] = {}
        self._oldest = float("-inf")
        """When the partition that was heard from the longest ago was heard from."""
        self._counts: dict[str, set[int]] = {topic: set() for topic in self.topics}
        self._goal: dict[TopicPartition, int] | None = None
        self._loaded = False
        self._assigned: set[TopicPartition] = set()

    def stale(self, key: str) -> bool:
        """Whether a partition that may hold records of this key has not been heard from in time."""
        if not self.any_stale():
            return False
        hashed = key_hash(key)
        oldest = time.monotonic() - self.stale_after_s
        for topic, counts in self._counts.items():
            if not counts:
                return True
            for count in counts:
                heard = self._heard.get(TopicPartition(topic, hashed % count))
                if heard is None or heard.at < oldest:
                    return True
        return False

    def any_stale(self) -> bool:
        """Whether any partition at all has not been heard from in time."""
        return self._oldest < time.monotonic() - self.stale_after_s

    def lag(self) -> dict[TopicPartition, int]:
        """Records between our position and the end of each partition, as far as known."""
        return {partition: max(0, end - self.positions.get(partition, 0)) for partition, end in self.ends.items()}

    async def run(self) -> None:
        """Read for ever. Called again after an error, it goes on where it was."""
        began = time.monotonic()
        if not self._loaded:
            offsets = await self.start() if self.start else {}
            self.positions.update(
                {TopicPartition(self.kafka.topic(topic), p): at for (topic, p), at in offsets.items()}
            )
            self._loaded = True
        for heard in self._heard.values():
            heard.doubt()
        consumer = self.kafka.reader(
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            metadata_max_age_ms=int(NEW_PARTITIONS_EVERY_S * 1000),
        )
        try:
            await consumer.start()
            await self._learn_partitions(consumer)
            await self._assign(consumer)
            if self._goal is None:
                self._goal = await consumer.end_offsets(list(consumer.assignment()))
            await self._read(consumer, began)
        finally:
            with contextlib.suppress(KafkaError):
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer, began: float) -> None:
        last_turn = last_look = time.monotonic()
        while True:
            batches = await consumer.getmany(timeout_ms=FETCH_WAIT_MS)
            now = time.monotonic()
            if now - last_turn > GAP_S + FETCH_WAIT_MS / 1000:
                for heard in self._heard.values():
                    heard.doubt()
            for partition, records in batches.items():
                for record in records:
                    self._apply(record)
                self.positions[partition] = records[-1].offset + 1
                await asyncio.sleep(0)
            self._note(consumer, time.monotonic())
            if not self.ready and self._reached_goal(consumer):
                self.ready, self.load_seconds = True, time.monotonic() - began
                log.info("tail_ready", tail=self.name, seconds=round(self.load_seconds, 3))
            self.turns += 1
            last_turn = time.monotonic()
            if now - last_look > NEW_PARTITIONS_EVERY_S:
                last_look = now
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
            return  # the group that also reads this topic dead-letters it

    def _note(self, consumer: AIOKafkaConsumer, now: float) -> None:
        for partition in consumer.assignment():
            end = consumer.highwater(partition)
            if end is not None:
                self.ends[partition] = end
            caught_up = end is not None and self.positions.get(partition, 0) >= end
            self._heard[partition].note(consumer.last_poll_timestamp(partition), caught_up, now)
        self._oldest = min((heard.at for heard in self._heard.values()), default=float("-inf"))

    def _reached_goal(self, consumer: AIOKafkaConsumer) -> bool:
        goal = self._goal or {}
        return (
            all(
                self.positions.get(partition, 0) >= end
                or (consumer.highwater(partition) or -1) <= self.positions.get(partition, 0)
                for partition, end in goal.items()
                if end > 0
            )
            and not self.any_stale()
        )

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Take up every partition there is; those not seen before are read from their beginning."""
        wanted: set[TopicPartition] = set()
        for topic in self.topics:
            found = consumer.partitions_for_topic(topic)
            if not found:
                raise LookupError(f"the topic {topic} is missing")
            self._counts[topic].add(len(found))
            wanted |= {TopicPartition(topic, number) for number in found}
        if wanted == self._assigned:
            return
        for partition in wanted - set(self._heard):
            self._heard[partition], self._oldest = PartitionFreshness(), float("-inf")
        consumer.assign(list(wanted))
        first = await consumer.beginning_offsets(list(wanted))
        for partition in wanted:
            at = max(self.positions.get(partition, 0), first.get(partition, 0))
            self.positions[partition] = at
            consumer.seek(partition, at)
        self._assigned = wanted

    async def _learn_partitions(self, consumer: AIOKafkaConsumer) -> None:
        """Wait until the client knows the topics; it only asks about those that it has something of assigned."""
        self._assigned = set()
        consumer.assign([TopicPartition(topic, 0) for topic in self.topics])
        deadline = time.monotonic() + TOPICS_WITHIN_S
        while not all(consumer.partitions_for_topic(topic) for topic in self.topics):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.02)


async def committed_offsets(kafka: Kafka, groups: Mapping[str, str]) -> dict[tuple[str, int], int]:
    """What groups have committed, by topic and partition, for ``LogTail``'s start.

    Args:
        kafka: where.
        groups: topic by group, both without prefix.
    """
    admin = kafka.admin()
    offsets: dict[tuple[str, int], int] = {}
    try:
        await admin.start()
        for group, topic in groups.items():
            found = await retry_until_coordinator(partial(admin.list_consumer_group_offsets, kafka.topic(group)))
            for partition, stored in found.items():
                if kafka.plain(partition.topic) == topic and stored.offset >= 0:
                    offsets[topic, partition.partition] = stored.offset
    finally:
        with contextlib.suppress(KafkaError):
            await admin.close()
    return offsets


async def retry_until_coordinator(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the cluster has a coordinator for the group: a young one makes its offsets topic at the first question.

    Raises:
        KafkaError: it has none in ten seconds, or the question is refused.
    """
    deadline = time.monotonic() + TOPICS_WITHIN_S
    while True:
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)
