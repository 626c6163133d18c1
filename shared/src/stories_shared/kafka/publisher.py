"""The publisher of a process. It owns an idempotent producer and replaces it after a rejected record.

A record that the broker rejects leaves an idempotent producer's sequence numbers out of order on that partition for
good; a new producer works. So any error that is not transient leads to a new producer and a retry.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from stories_shared.clock import Clock, system_now
from stories_shared.errors import KAFKA, Unavailable, failed_dependency
from stories_shared.events import Event, encode
from stories_shared.events.cloudevents import headers_of
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.partitioner import choose_partition, key_hash
from stories_shared.runtime.logging import logger
from stories_shared.tracing import current_traceparent, trace_id_of
from stories_shared.tracing.tracer import Tracer

log = logger(__name__)

# A record of a topic is at most 1 MiB (the broker's default); a dead-lettered one carries headers besides.
MAX_RECORD_BYTES = 2 * 1024 * 1024
ATTEMPTS = 3
# All records that wait for a partition go into one request. With the client's default of 16 KiB, about thirty records
# fill a batch, and all waiting senders wake up each time one of them is sent.
MAX_BATCH_BYTES = 512 * 1024
BATCHED_FROM = 32
"""Records of one call from which they are handed over in batches: a future for each takes longer than all the rest."""
MAX_BATCHED_BYTES = 16 * 1024
"""A larger record goes alone, where the client compares its size with what the broker takes."""
SEND_ERRORS = (KafkaError, OSError, ValueError, AssertionError)
STATES = {"story-posted": "live", "story-expired": "ended", "story-deleted": "ended", "story-erased": "erased"}
"""The state of a story that an event of a topic announces; each is a line in the log."""
STATE_FIELDS = ("revision", "store", "by")


@dataclass(frozen=True, slots=True)
class ProducerRecord:
    """A record to send: full topic name, key, value (None: a tombstone) and headers."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None
    """None: the partition of its key."""
    logged: Mapping[str, Any] | None = field(default=None, compare=False)
    """The fields of a log line once it is acknowledged."""


Buffering: TypeAlias = tuple[Sequence[ProducerRecord], Callable[[], Awaitable[Any]]]
"""Records, and what buffers them and returns the future of their acknowledgement."""


class RecordsRefused(KafkaError):  # type: ignore[misc]
    """Kafka rejects these records permanently; the others of the same call are acknowledged."""

    def __init__(self, messages: list[ProducerRecord], error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.messages = messages


class Publisher:
    """Publishes events as one service, or as an outside producer.

    Args:
        kafka: the cluster.
        service: becomes the source ``/stories/<service>``. One that begins with a slash is the source itself.
        now: the clock for ``ce_time``.
        timeout_s: how long one send may take before it raises ``Unavailable``. The record may still arrive later, so a
            retry keeps the event's id.
        observe: called after every send: operation, seconds, outcome.
        tracer: continues traces in the events' headers.
    """

    def __init__(
        self,
        kafka: Kafka,
        service: str,
        now: Clock = system_now,
        timeout_s: float = 30.0,
        observe: Callable[[str, float, str], None] | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.kafka = kafka
        self.tracer = tracer or Tracer()
        self.source = service if service.startswith("/") else f"/stories/{service}"
        self.now = now
        self.timeout_s = timeout_s
        self.observe = observe or (lambda _operation, _seconds, _outcome: None)
        self._producer: AIOKafkaProducer | None = None
        self._replacing = asyncio.Lock()

    async def start(self) -> None:
        """Connect.

        Raises:
            Unavailable: no broker answers.
        """
        await self.producer()

    async def stop(self) -> None:
        """Send what is buffered and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def publish(self, event: Event, *, event_id: str | None = None) -> None:
        """Publish one event and return when Kafka has acknowledged it.

        Raises:
            Unavailable: it was not acknowledged in time.
        """
        await self.publish_all([OutgoingEvent(event, event_id)])

    async def publish_all(self, events: Iterable[OutgoingEvent]) -> None:
        """Publish several events, pipelined, and return when Kafka has acknowledged all of them.

        Raises:
            Unavailable: one or more were not acknowledged in time; any of them may have been.
        """
        at = self.now()
        await self.send([self.record_of(outgoing, at) for outgoing in events])

    async def publish_tombstones(
        self, event: type[Event], keys: Iterable[str], partition_counts: Collection[int] = ()
    ) -> None:
        """Publish tombstones, so that compaction removes the records of these keys.

        Args:
            event: the event type of the topic.
            keys: of the records to remove.
            partition_counts: earlier partition counts of the topic. A tombstone goes to every partition that its key
                belonged to.

        Raises:
            Unavailable: they were not acknowledged in time.
        """
        topic, counts = self.kafka.topic(event.topic), {*partition_counts, await self.partition_count(event)}
        headers = (("ce_source", self.source.encode()),)
        await self.send(
            [
                ProducerRecord(topic, key.encode(), None, headers, partition)
                for key in keys
                for partition in sorted({key_hash(key) % count for count in counts})
            ]
        )

    async def partition_count(self, event: type[Event]) -> int:
        """The number of partitions of the event's topic, from this producer's metadata.

        Raises:
            Unavailable: no broker answers.
        """
        producer = await self.producer()
        try:
            async with asyncio.timeout(self.timeout_s):
                return len(await producer.partitions_for(self.kafka.topic(event.topic)))
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(KAFKA, str(error)) from error

    def record_of(self, outgoing: OutgoingEvent, at: datetime | None = None) -> ProducerRecord:
        """The Kafka record of an event that has no time of its own and is published at this time, by default now."""
        event = outgoing.event
        event_id = outgoing.event_id or new_id()
        headers = headers_of(event, self.source, event_id, outgoing.at or at or self.now())
        parent = outgoing.traceparent or current_traceparent()
        if traceparent := self.tracer.traceparent_for_event(event.topic, event_id, parent):
            headers.append(("traceparent", traceparent.encode()))
        logged = state_change(event, event_id, traceparent) if event.topic in STATES else None
        return ProducerRecord(
            self.kafka.topic(event.topic), event.key.encode(), encode(event), tuple(headers), logged=logged
        )

    def with_own_producer(self) -> "Publisher":
        """A second publisher of the same source with its own producer, for records that may be rejected."""
        return Publisher(self.kafka, self.source, self.now, self.timeout_s, self.observe, self.tracer)

    async def send(self, messages: list[ProducerRecord], attempts: int = ATTEMPTS) -> None:
        """Send records; replace the producer and retry after a rejected record.

        Args:
            messages: the records.
            attempts: the number of producers to try with.

        Raises:
            Unavailable: Kafka did not acknowledge all of them.
            RecordsRefused: the broker rejects some of them permanently.
        """
        began, outcome = time.perf_counter(), "error"
        try:
            await self._send_and_replace(messages, attempts)
            outcome = "ok"
            for message in messages:
                if message.logged:
                    log.info("story_state", **message.logged)
        finally:
            self.observe("send", time.perf_counter() - began, outcome)

    async def _send_and_replace(self, waiting: list[ProducerRecord], attempts: int) -> None:
        for attempt in range(1, attempts + 1):
            producer = await self.producer()
            failures = await self._send_with(producer, waiting)
            if not failures:
                return
            error = failures[0][1]
            if failed_dependency(error) == KAFKA or isinstance(error, TimeoutError):
                raise Unavailable(KAFKA, type(error).__name__) from error
            await self._replace(producer)
            waiting = [message for message, _ in failures]
            if attempt == attempts:
                raise RecordsRefused(waiting, error) from error

    async def _send_with(
        self, producer: AIOKafkaProducer, messages: list[ProducerRecord]
    ) -> list[tuple[ProducerRecord, Exception]]:
        failures: list[tuple[ProducerRecord, Exception]] = []
        sent: list[Sequence[ProducerRecord]] = []
        acknowledged: list[Any] = []
        small = all(len(message.value or b"") <= MAX_BATCHED_BYTES for message in messages)
        batched = small and len(messages) >= BATCHED_FROM
        # Buffering in turn keeps the order of records with the same key; acknowledgements are awaited together.
        try:
            async with asyncio.timeout(self.timeout_s):
                for records, buffer in await in_batches(producer, messages) if batched else singly(producer, messages):
                    try:
                        future = await buffer()
                    except SEND_ERRORS as error:
                        failures += ((message, error) for message in records)
                        continue
                    sent.append(records)
                    acknowledged.append(future)
                outcomes = await asyncio.gather(*acknowledged, return_exceptions=True)
        except SEND_ERRORS as error:  # also a timeout, which is an OSError
            return [(message, error) for message in messages]
        for records, outcome in zip(sent, outcomes, strict=True):
            if isinstance(outcome, SEND_ERRORS):
                failures += ((message, outcome) for message in records)
            elif isinstance(outcome, BaseException):
                raise outcome
        return failures

    async def producer(self) -> AIOKafkaProducer:
        """The connected producer. Raises Unavailable: no broker answers."""
        async with self._replacing:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self.kafka.arguments,
                    acks="all",
                    enable_idempotence=self.kafka.idempotent,
                    max_request_size=MAX_RECORD_BYTES,
                    max_batch_size=MAX_BATCH_BYTES,
                    partitioner=choose_partition,
                    linger_ms=0,
                    retry_backoff_ms=100,
                )
                try:
                    async with asyncio.timeout(self.timeout_s):
                        await producer.start()
                except (KafkaError, OSError, TimeoutError) as error:
                    with contextlib.suppress(KafkaError, OSError):
                        await producer.stop()
                    raise Unavailable(KAFKA, str(error)) from error
                self._producer = producer
            return self._producer

    async def _replace(self, failed: Any) -> None:
        """Replace a producer whose sequence numbers a rejected record has put out of order."""
        replaced_already = self._producer is not failed
        if replaced_already:
            return
        self._producer = None
        log.warning("producer_replaced")
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(2):
                await failed.stop()


def singly(producer: AIOKafkaProducer, messages: Iterable[ProducerRecord]) -> list[Buffering]:
    """Each record by itself; the client collects them."""
    return [
        (
            [message],
            partial(
                producer.send,
                message.topic,
                message.value,
                message.key,
                message.partition,
                headers=list(message.headers),
            ),
        )
        for message in messages
    ]


async def in_batches(producer: AIOKafkaProducer, messages: Iterable[ProducerRecord]) -> list[Buffering]:
    """The records of each partition in batches, in their order."""
    partitions: dict[str, list[int]] = {}
    latest: dict[tuple[str, int], tuple[list[ProducerRecord], Any]] = {}
    made: list[Buffering] = []
    for message in messages:
        topic, partition = message.topic, message.partition
        if topic not in partitions:
            partitions[topic] = sorted(await producer.partitions_for(topic))
        if partition is None:
            partition = choose_partition(message.key, partitions[topic], partitions[topic])
        fields = {"timestamp": None, "key": message.key, "value": message.value, "headers": list(message.headers)}
        found = latest.get((topic, partition))
        if found is None or found[1].append(**fields) is None:
            found = latest[topic, partition] = [], producer.create_batch()
            found[1].append(**fields)
            made.append((found[0], partial(producer.send_batch, found[1], topic, partition=partition)))
        found[0].append(message)
    return made


def state_change(event: Event, event_id: str, traceparent: str | None) -> dict[str, Any]:
    """The fields of the log line about a story's new state."""
    fields = {name: value for name in STATE_FIELDS if (value := getattr(event, name, None)) is not None}
    traced = {"trace_id": trace_id_of(traceparent)} if traceparent else {}
    return {"state": STATES[event.topic], "story_id": event.key, "event_id": event_id, **fields, **traced}
