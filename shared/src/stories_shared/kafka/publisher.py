"""One publisher a process. It owns its idempotent producer and replaces it when a record has wedged it.

A record that the broker refuses leaves an idempotent producer's sequence numbers out of order on that partition for
good; a new producer works. So any error that is not about waiting leads to a new producer and one more try.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from stories_shared.clock import Clock, rfc3339, system_now
from stories_shared.errors import KAFKA, Unavailable, failed_dependency
from stories_shared.events import Event, encode
from stories_shared.events.cloudevents import headers_of
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka, key_hash, partition_of
from stories_shared.runtime.logging import logger

log = logger(__name__)

# A record of a topic is at most 1 MiB (the broker's default); a dead-lettered one carries headers besides.
MAX_RECORD_BYTES = 2 * 1024 * 1024
ATTEMPTS = 3
# What waits for a partition goes there in one request. With the client's default of 16 KiB, some thirty records
# fill a batch, and every further sender is woken in vain each time that one of them leaves.
MAX_BATCH_BYTES = 512 * 1024
SEND_ERRORS = (KafkaError, OSError, ValueError, AssertionError)


@dataclass(frozen=True, slots=True)
class ProducerRecord:
    """A record on its way: full topic name, key, value (None: a tombstone) and headers."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None
    """None: where its key belongs."""


class RecordsRefused(KafkaError):  # type: ignore[misc]
    """Kafka refuses these records for good; the others of the same call are acknowledged."""

    def __init__(self, messages: list[ProducerRecord], error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.messages = messages


class Publisher:
    """Says events as one service, or as an outside producer.

    Args:
        kafka: where to.
        service: who says it; becomes the source ``/stories/<service>``. One that begins with a slash is the source.
        now: the clock for ``ce_time``.
        timeout_s: how long one send may take before it is given up as ``Unavailable``. The record may still arrive
            later, so whoever retries keeps the fact's id.
        observe: hears of every send: operation, seconds, outcome.
    """

    def __init__(
        self,
        kafka: Kafka,
        service: str,
        now: Clock = system_now,
        timeout_s: float = 30.0,
        observe: Callable[[str, float, str], None] | None = None,
    ) -> None:
        self.kafka = kafka
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
        await self._current()

    async def stop(self) -> None:
        """Send what is buffered and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def publish(self, event: Event, *, event_id: str | None = None, at: datetime | None = None) -> None:
        """Say one event and return when Kafka has acknowledged it.

        Raises:
            Unavailable: it was not acknowledged in time.
        """
        await self.publish_all([OutgoingEvent(event, event_id, at)])

    async def publish_all(self, sayings: Iterable[OutgoingEvent]) -> None:
        """Say several events, pipelined, and return when Kafka has acknowledged all of them.

        Raises:
            Unavailable: one or more were not acknowledged in time; any of them may have been.
        """
        await self.send([self.message(saying) for saying in sayings])

    async def publish_tombstone(self, event: type[Event], key: str, partition_counts: Iterable[int] = ()) -> None:
        """Publish a tombstone, so that compaction removes the records of this key.

        Args:
            event: whose topic.
            key: of what is forgotten.
            partition_counts: other partition counts that the topic has had; each may have put the key in another
                partition, which gets a tombstone too.

        Raises:
            Unavailable: it was not acknowledged in time.
        """
        hashed, topic = key_hash(key), self.kafka.topic(event.topic)
        places = {hashed % count for count in (*partition_counts, await self.partition_count(event))}
        headers = (("ce_source", self.source.encode()),)
        await self.send([ProducerRecord(topic, key.encode(), None, headers, place) for place in sorted(places)])

    async def partition_count(self, event: type[Event]) -> int:
        """How many partitions the event's topic has, as far as this publisher knows.

        Raises:
            Unavailable: no broker answers.
        """
        producer = await self._current()
        try:
            async with asyncio.timeout(self.timeout_s):
                return len(await producer.partitions_for(self.kafka.topic(event.topic)))
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(KAFKA, str(error)) from error

    def message(self, saying: OutgoingEvent) -> ProducerRecord:
        """The record that says it."""
        event = saying.event
        headers = headers_of(event, self.source, saying.event_id or new_id(), saying.at or self.now())
        return ProducerRecord(self.kafka.topic(event.topic), event.key.encode(), encode(event), tuple(headers))

    def apart(self) -> "Publisher":
        """A second publisher of the same source, with a producer of its own, for records that may wedge it."""
        return Publisher(self.kafka, self.source, self.now, self.timeout_s, self.observe)

    async def send(self, messages: list[ProducerRecord], attempts: int = ATTEMPTS) -> None:
        """Send records, replacing the producer where one of them, or an earlier one, has wedged it.

        Args:
            messages: what is sent.
            attempts: with how many producers it is tried.

        Raises:
            Unavailable: Kafka did not acknowledge all of them.
            RecordsRefused: the broker refuses some of them for good.
        """
        began, outcome = time.perf_counter(), "error"
        try:
            await self._send_and_replace(messages, attempts)
            outcome = "ok"
        finally:
            self.observe("send", time.perf_counter() - began, outcome)

    async def _send_and_replace(self, waiting: list[ProducerRecord], attempts: int) -> None:
        for attempt in range(1, attempts + 1):
            producer = await self._current()
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
        sent: list[ProducerRecord] = []
        acknowledged: list[Any] = []
        # One by one into the buffer keeps the order of what has the same key; acknowledgements are awaited together.
        try:
            async with asyncio.timeout(self.timeout_s):
                for message in messages:
                    try:
                        future = await producer.send(
                            message.topic, message.value, message.key, message.partition, headers=list(message.headers)
                        )
                    except SEND_ERRORS as error:
                        failures.append((message, error))
                        continue
                    sent.append(message)
                    acknowledged.append(future)
                outcomes = await asyncio.gather(*acknowledged, return_exceptions=True)
        except TimeoutError as error:
            return [(messages[0], error)]
        for message, outcome in zip(sent, outcomes, strict=True):
            if isinstance(outcome, SEND_ERRORS):
                failures.append((message, outcome))
            elif isinstance(outcome, BaseException):
                raise outcome
        return failures

    async def _current(self) -> AIOKafkaProducer:
        async with self._replacing:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self.kafka.arguments,
                    acks="all",
                    enable_idempotence=self.kafka.idempotent,
                    max_request_size=MAX_RECORD_BYTES,
                    max_batch_size=MAX_BATCH_BYTES,
                    partitioner=partition_of,
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

    async def _replace(self, wedged: Any) -> None:
        """Put a fresh producer in the place of one that a refused record has wedged."""
        replaced_already = self._producer is not wedged
        if replaced_already:
            return
        self._producer = None
        log.warning("producer_replaced")
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(2):
                await wedged.stop()


def dead_letter_headers(
    record: Any, group: str, error_type: str, error: str, now: datetime
) -> tuple[tuple[str, bytes], ...]:
    """The headers that tell where a dead-lettered record came from and why, before its readable own ones."""
    own = [(name, value) for name, value in record.headers or () if isinstance(name, str) and isinstance(value, bytes)]
    return (
        ("origin-topic", record.topic.encode()),
        ("origin-partition", str(record.partition).encode()),
        ("origin-offset", str(record.offset).encode()),
        ("origin-group", group.encode()),
        ("dead-lettered-at", rfc3339(now).encode()),
        ("error-type", error_type.encode()),
        ("error", error.encode()[:1024].decode(errors="ignore").encode()),
        *own,
    )
