"""The one kind of Kafka consumer, and what it does with records that fail.

``subscribe`` makes every subscriber alike. Inside a handler ``for_each_event`` applies a use case to each record and
``for_batch`` hands all good records to a use case that takes many. What fails is

* the record (undecodable, or a use case raises ``InvalidMessage``): dead-lettered with its origin, the batch goes on;
* a dependency (MongoDB, S3, Kafka down): retried in place with backoff, then the batch is handed back;
* our own code (any other error): three attempts, then dead-lettered as ``error-type: bug`` with an alert.

The framework's own decoding is kept out: it would lose a whole batch for one header that is not UTF-8, so the parser
touches no header and the decoder returns nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Annotated, Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream import AckPolicy, Context
from faststream.kafka import KafkaRouter
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.message import KafkaAckableMessage

from stories_shared.clock import Clock
from stories_shared.errors import InvalidMessage, failed_dependency
from stories_shared.events import Event
from stories_shared.events.cloudevents import DecodeError, ReceivedEvent, decode_record
from stories_shared.kafka.publisher import ProducerRecord, Publisher, dead_letter_headers
from stories_shared.kafka.rebalance import RebalanceListener
from stories_shared.runtime.log_throttle import LogThrottle
from stories_shared.runtime.logging import logger
from stories_shared.runtime.metrics import CommonMetrics

log = logger(__name__)
throttle = LogThrottle()
E = TypeVar("E", bound=Event)
Record: TypeAlias = Any
"""An aiokafka ``ConsumerRecord`` with raw key, value and headers."""

HEARTBEAT_MS = 300
SESSION_MS = 6_000
# A poll returns with the first record; this is only how long one may take while there is none.
IDLE_WAIT_MS = 500
MAX_POLL_INTERVAL_MS = 300_000
# Far below the poll interval, so that waiting never costs the group its member.
MAX_WAIT_S = 60.0
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.1, 5.0
# A batch of slow records is acknowledged in parts, or the group would lose its member and read all of it again.
MAX_BATCH_S = 120.0
MAX_ATTEMPTS = 3
BREAKER_THRESHOLD = 100
BREAKER_PAUSE_S = 30.0


class BatchReturned(Exception):
    """The world is still down: the batch goes back to the log and is read again."""


@dataclass
class Breaker:
    """Counts the records of one partition that were dead-lettered in a row: so many mean that it is us, not them."""

    streak: int = 0

    @property
    def open(self) -> bool:
        """Whether the partition may try only one record at a time."""
        return self.streak >= BREAKER_THRESHOLD

    def count(self, *, dead: bool) -> None:
        """Take note of the next record: the first good one closes the breaker."""
        self.streak = self.streak + 1 if dead else 0


@dataclass
class ConsumerContext:
    """What the consumers of one process share: the publisher of dead letters, the metrics, whether it is stopping.

    ``breakers`` are by group and partition, and only of topics that no outsider writes.
    """

    publisher: Publisher
    metrics: CommonMetrics
    now: Clock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    breakers: dict[str, dict[TopicPartition, Breaker]] = field(default_factory=dict)
    handled: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    batch_started_at: dict[str, float] = field(default_factory=dict)
    breaker_wait_s: float = BREAKER_PAUSE_S
    batch_for_s: float = MAX_BATCH_S
    backoff_s: tuple[float, float] = (FIRST_BACKOFF_S, LAST_BACKOFF_S)

    def breaker(self, group: str, partition: TopicPartition) -> Breaker:
        """The breaker of one partition in one group."""
        return self.breakers.setdefault(group, {}).setdefault(partition, Breaker())

    @property
    def broken(self) -> list[str]:
        """The groups with an open breaker, for readiness."""
        return sorted(
            group for group, breakers in self.breakers.items() if any(breaker.open for breaker in breakers.values())
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that is to be dead-lettered, and why; ``bug`` is the error that no rule foresaw."""

    record: Record
    reason: str
    error: str
    bug: BaseException | None = None


@dataclass
class Batch:
    """One batch as a handler gets it, read once: a fact, nothing (a tombstone) or why it is unreadable.

    ``settled`` holds the outcome of each record that was handled: None, or its dead letter. ``rewind_to`` is by
    partition the offset from which on records are read again; nothing ever goes past it.
    """

    batch: Sequence[tuple[Record, ReceivedEvent[Any] | DecodeError | None]]
    group: str
    consumer_context: ConsumerContext
    membership: RebalanceListener
    guarded: bool = True
    rewind_to: dict[TopicPartition, int] = field(default_factory=dict)
    settled: dict[tuple[TopicPartition, int], DeadLetter | None] = field(default_factory=dict)
    taken_at: float = field(default_factory=time.monotonic)
    _first: dict[TopicPartition, int] = field(default_factory=dict)
    _streaks: dict[TopicPartition, Breaker] = field(default_factory=dict)

    @property
    def must_stop(self) -> bool:
        """Whether the batch should end where it is: the process stops, or the group changes."""
        return self.consumer_context.stopping.is_set() or self.membership.changing.is_set()

    def admits(self, record: Record) -> bool:
        """Whether to handle it. A partition whose breaker is open, or opens in this batch, gives back what follows."""
        place = partition_of(record)
        first = self._first.setdefault(place, record.offset)
        if self.guarded and record.offset != first and self._streak(place).open:
            self.give_back(record)
        return place not in self.rewind_to or record.offset < self.rewind_to[place]

    def settle(self, record: Record, dead: DeadLetter | None) -> None:
        """Keep what became of a record."""
        place = partition_of(record)
        self.settled[place, record.offset] = dead
        if self.guarded:
            self._streak(place).count(dead=dead is not None)

    def give_back(self, record: Record) -> None:
        """This record and what follows it in its partition is read again, by whoever reads next."""
        place = partition_of(record)
        self.rewind_to[place] = min(record.offset, self.rewind_to.get(place, record.offset))

    def give_back_the_rest(self, reason: BatchReturned) -> None:
        """Keep what is settled and give back what is not.

        Raises:
            HandedBack: nothing is settled.
        """
        if not self.settled:
            raise reason
        for record, _ in self.batch:
            if (partition_of(record), record.offset) not in self.settled:
                self.give_back(record)

    def kept(self) -> list[tuple[Record, ReceivedEvent[Any] | DecodeError | None, DeadLetter | None]]:
        """What is settled and not given back, in order, with what became of it."""
        return [
            (record, told, self.settled[place, record.offset])
            for place, (record, told) in ((partition_of(each[0]), each) for each in self.batch)
            if (place, record.offset) in self.settled
            and (place not in self.rewind_to or record.offset < self.rewind_to[place])
        ]

    def _streak(self, place: TopicPartition) -> Breaker:
        """The breaker as it will be when this batch ends here."""
        found = self._streaks.get(place)
        if found is None:
            found = self._streaks[place] = replace(self.consumer_context.breaker(self.group, place))
        return found


def partition_of(record: Record) -> TopicPartition:
    """The partition that a record is of."""
    return TopicPartition(record.topic, record.partition)


Handler = Callable[[Batch], Awaitable[None]]


def subscribe(
    router: KafkaRouter, event: type[Event], service: str, *, max_records: int = 500
) -> Callable[[Handler], Handler]:
    """Subscribe a handler to an event's topic, as every subscriber here is.

    Args:
        router: the service's.
        event: whose topic is read, by the group ``<service>.<topic>``.
        service: who reads.
        max_records: the largest batch.
    """
    group = f"{service}.{event.topic}"
    membership = RebalanceListener()

    async def parse(batch: tuple[Record, ...]) -> KafkaAckableMessage:
        consumer: Any = subscriber.consumer
        return KafkaAckableMessage(
            body=[record.value or b"" for record in batch],
            headers={},
            batch_headers=[],
            raw_message=batch,
            message_id=f"{batch[0].topic}-{batch[0].partition}-{batch[0].offset}",
            consumer=consumer,
        )

    async def decode(_message: Any) -> None:
        return None

    subscriber: Any = router.subscriber(
        event.topic,
        batch=True,
        group_id=group,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        no_reply=True,
        auto_offset_reset="earliest",
        parser=parse,
        decoder=decode,
        max_records=max_records,
        heartbeat_interval_ms=HEARTBEAT_MS,
        session_timeout_ms=SESSION_MS,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        listener=membership,
        title=group,
    )

    async def wait_for_batch(consumer: AIOKafkaConsumer) -> tuple[Record, ...]:
        found = await consumer.getmany(timeout_ms=IDLE_WAIT_MS, max_records=max_records)
        return tuple(chain.from_iterable(found.values()))

    # The framework's own sleeps again after an empty poll: late by that much, or busy for nothing with a short one.
    subscriber.get_msg = wait_for_batch
    consume_and_acknowledge = subscriber.consume_one

    async def consume_whole(batch: tuple[Record, ...]) -> None:
        with membership.batch_in_progress():
            await consume_and_acknowledge(batch)

    subscriber.consume_one = consume_whole

    def decorate(handler: Handler) -> Handler:
        async def consume(
            message: KafkaMessage,
            consumer_context: Annotated[ConsumerContext, Context("consumer_context", cast=False)],
        ) -> None:
            raw: Any = message.raw_message
            told = [(record, decode_or_error(record, event)) for record in raw]
            group, consumer = subscriber.group_id, subscriber.consumer
            membership.breakers = consumer_context.breakers.setdefault(group, membership.breakers)
            records = Batch(told, group, consumer_context, membership, guarded=not event.external_writers)
            consumer_context.batch_started_at[group] = time.monotonic()
            try:
                await handler(records)
            finally:
                consumer_context.batch_started_at.pop(group, None)
            for partition, offset in records.rewind_to.items():
                if partition in consumer.assignment():
                    consumer.seek(partition, offset)
            for partition in {partition_of(record) for record in raw} & membership.breakers.keys():
                if partition not in consumer.assignment():
                    del membership.breakers[partition]
                elif membership.breakers[partition].open:
                    pause_partition(consumer, partition, consumer_context.breaker_wait_s)

        consume.__name__ = getattr(handler, "__name__", "consume")
        consume.__doc__ = handler.__doc__
        subscriber(consume)
        return handler

    return decorate


async def for_each_event(records: Batch, event: type[E], verb: Callable[[E], Awaitable[object]]) -> None:
    """Apply a verb to the event of each good record, in order, and dead-letter the others."""
    await for_each_record(records, event, lambda fact: verb(fact.event))


async def for_each_record(
    records: Batch, _event: type[E], verb: Callable[[ReceivedEvent[E]], Awaitable[object]], *, concurrency: int = 1
) -> None:
    """Like ``for_each_event``, for verbs that also want to know where the event came from.

    Args:
        records: the batch.
        _event: what it tells; for the type of the verb alone.
        verb: applied to each fact.
        lanes: how many facts are handled at a time. They are begun in order, so what is finished when a batch is given
            back is its beginning, but for what the other lanes were at.
    """
    todo = iter(records.batch)
    stopped: list[BatchReturned] = []

    async def lane() -> None:
        for record, told in todo:
            if not records.admits(record):
                continue
            try:
                if isinstance(told, ReceivedEvent):
                    raise_if_batch_must_end(records)
                    dead = await run_with_retries(records, record, lambda fact=told: verb(fact))  # type: ignore[misc]
                else:
                    dead = undecodable(record, told)
                records.settle(record, dead)
            except BatchReturned as reason:
                stopped.append(reason)
            if stopped:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(records.batch))):
            group.create_task(lane())
    if stopped:
        # What is finished is acknowledged; nothing of it is done again by whoever reads on.
        records.give_back_the_rest(stopped[0])
    await dead_letter_and_record(records)


def raise_if_batch_must_end(records: Batch) -> None:
    """Begin nothing new in a process that stops, in a group that changes, nor in a batch that is long in hand.

    Raises:
        HandedBack: one of them is so.
    """
    if records.must_stop:
        raise BatchReturned("recalled")
    if time.monotonic() - records.taken_at > records.consumer_context.batch_for_s:
        raise BatchReturned("a batch takes long")


async def for_batch(
    records: Batch, _event: type[E], verb: Callable[[Sequence[ReceivedEvent[E]]], Awaitable[object]]
) -> None:
    """Hand all good records to one verb, and dead-letter the others.

    Where it fails and no dependency is down, each half of the events is tried once, and of what fails each half again,
    so that only the failing ones are dead-lettered: about 2·log2(n) attempts for one of n. Between two attempts the
    batch may end; what is settled by then is kept.
    """

    async def settle(batch: Sequence[tuple[Record, ReceivedEvent[E] | DecodeError | None]], tries: int) -> None:
        batch = [each for each in batch if records.admits(each[0])]
        facts = [(place, told) for place, (_, told) in enumerate(batch) if isinstance(told, ReceivedEvent)]
        failed = None
        if facts:
            if tries < MAX_ATTEMPTS:
                raise_if_batch_must_end(records)
            record = batch[facts[0][0]][0]
            failed = await run_with_retries(records, record, lambda: verb([fact for _, fact in facts]), tries)
        if failed and len(facts) > 1:
            middle = facts[len(facts) // 2][0]
            await settle(batch[:middle], 1)
            await settle(batch[middle:], 1)
            return
        for record, told in batch:
            if records.admits(record):
                records.settle(record, failed if isinstance(told, ReceivedEvent) else undecodable(record, told))

    try:
        await settle(records.batch, MAX_ATTEMPTS)
    except BatchReturned as reason:
        records.give_back_the_rest(reason)
    await dead_letter_and_record(records)


def undecodable(record: Record, told: DecodeError | None) -> DeadLetter | None:
    """What becomes of a record that is no fact: tombstones are passed over."""
    return None if told is None else DeadLetter(record, "unreadable", str(told))


async def run_with_retries(
    records: Batch, record: Record, act: Callable[[], Awaitable[object]], tries: int = MAX_ATTEMPTS
) -> DeadLetter | None:
    """Do it; wait for the world in place; say why the record is to be dead-lettered where it is the message or us.

    Args:
        records: the batch.
        record: what it is about.
        act: what is done.
        tries: how often a bug is tried.

    Raises:
        HandedBack: the world stays down, or the batch is recalled.
    """
    consumer_context, waited, failed = records.consumer_context, 0.0, 0
    backoff, longest = consumer_context.backoff_s
    waiting_for: str | None = None
    try:
        while True:
            try:
                await act()
                return None
            except InvalidMessage as error:
                return DeadLetter(record, "invalid", str(error))
            except Exception as error:
                dependency = failed_dependency(error)
                if dependency is None:
                    failed += 1
                    if failed >= tries:
                        return DeadLetter(record, "bug", f"{type(error).__name__}: {error}", error)
                else:
                    waiting_for = dependency
                    consumer_context.metrics.consumer_waiting.labels(records.group, dependency).set(1)
                    if waited >= MAX_WAIT_S or records.must_stop:
                        raise BatchReturned(f"{dependency} is down: {type(error).__name__}") from error
                pause = backoff * random.uniform(0.5, 1.0)  # noqa: S311
                await pause_unless_must_stop(records, pause)
                waited += pause
                backoff = min(backoff * 2, longest)
    finally:
        if waiting_for:
            consumer_context.metrics.consumer_waiting.labels(records.group, waiting_for).set(0)


async def pause_unless_must_stop(records: Batch, seconds: float) -> None:
    """Sleep, but not through a shutdown or a change of the group."""
    signs = [
        asyncio.create_task(sign.wait()) for sign in (records.consumer_context.stopping, records.membership.changing)
    ]
    try:
        await asyncio.wait(signs, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for sign in signs:
            sign.cancel()


async def dead_letter_and_record(records: Batch) -> None:
    """Dead-letter what is to be dead-lettered and count everything, after which the batch may be acknowledged."""
    consumer_context, now, plain = (
        records.consumer_context,
        records.consumer_context.now(),
        records.consumer_context.publisher.kafka.plain,
    )
    kept = records.kept()
    bad = [dead for _, _, dead in kept if dead]
    if bad:
        messages = [dead_letter_record(records, dead_letter) for dead_letter in bad]
        if await run_with_retries(records, bad[0].record, lambda: consumer_context.publisher.send(messages)):
            raise BatchReturned("dead-lettering failed")
    for dead_letter in bad:
        topic, reason = dead_letter.record.topic, dead_letter.reason
        times = throttle.should_log((records.group, type(dead_letter.bug).__name__)) if dead_letter.bug else None
        if times is not None:
            offset = dead_letter.record.offset
            log.error(
                "handler_bug", group=records.group, topic=topic, offset=offset, times=times, exc_info=dead_letter.bug
            )
        log.warning("dead_lettered", group=records.group, topic=topic, reason=reason, error=dead_letter.error)
        consumer_context.metrics.dead_lettered.labels(records.group, plain(topic), reason).inc()
    for record, told, dead in kept:
        place = partition_of(record)
        consumer_context.handled[records.group, place] = record.offset + 1
        if records.guarded:
            consumer_context.breaker(records.group, place).count(dead=dead is not None)
        if isinstance(told, ReceivedEvent):
            age = (now - (told.produced_at or told.appended_at)).total_seconds()
            consumer_context.metrics.event_age.labels(records.group, plain(record.topic)).observe(max(0.0, age))


def dead_letter_record(records: Batch, dead_letter: DeadLetter) -> ProducerRecord:
    """The record on its way to ``<topic>.<service>.dlq``: raw bytes, key and readable headers, with its origin."""
    record, consumer_context = dead_letter.record, records.consumer_context
    topic = record.topic
    service = records.group[len(consumer_context.publisher.kafka.prefix) :].split(".", 1)[0]
    headers = dead_letter_headers(record, records.group, dead_letter.reason, dead_letter.error, consumer_context.now())
    return ProducerRecord(f"{topic}.{service}.dlq", record.key, record.value, headers)


def decode_or_error(record: Record, event: type[E]) -> ReceivedEvent[E] | DecodeError | None:
    """The fact that a record tells, None for a tombstone, or why it tells none."""
    if record.value is None:
        return None
    try:
        return decode_record(record, event)
    except DecodeError as reason:
        return reason


def pause_partition(consumer: AIOKafkaConsumer, partition: TopicPartition, seconds: float) -> None:
    """Let a partition wait where it stands. Others are not disturbed."""

    def resume() -> None:
        if partition in consumer.assignment():
            consumer.resume(partition)

    consumer.pause(partition)
    asyncio.get_running_loop().call_later(seconds, resume)
    log.error("breaker_open", topic=partition.topic, partition=partition.partition)
