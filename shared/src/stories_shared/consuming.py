"""One kind of consumer, and three fates for what fails in it.

``listen`` makes every subscriber alike. Inside a handler ``each`` gives every record its own fate and ``together``
hands the good ones to a verb that takes many. What fails is

* the message (unreadable, or a verb says ``Unacceptable``): parked with its origin, and the batch goes on;
* the world (MongoDB, S3, Kafka down): waited for in place with backoff, then the batch is handed back;
* us (anything else): three tries, then parked as ``error-type: bug`` with an alarm.

The framework's own reading of records is kept out: it would lose a whole batch for one header that is no UTF-8, so
the parser touches no header and the decoder returns nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Annotated, Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream import AckPolicy, Context
from faststream.kafka import KafkaRouter
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.message import KafkaAckableMessage

from stories_shared.clock import Clock
from stories_shared.cloudevents import Fact, Unreadable, read
from stories_shared.events import Event
from stories_shared.failures import Unacceptable, dependency_of
from stories_shared.logging import logger
from stories_shared.membership import Membership
from stories_shared.metrics import CommonMetrics
from stories_shared.publishing import Message, Publisher, parking_headers

log = logger(__name__)
E = TypeVar("E", bound=Event)
Record: TypeAlias = Any
"""An aiokafka ``ConsumerRecord`` with raw key, value and headers."""

HEARTBEAT_MS = 300
SESSION_MS = 6_000
# A poll returns with the first record; this is only how long one may take while there is none.
IDLE_WAIT_MS = 500
MAX_POLL_INTERVAL_MS = 300_000
# Far below the poll interval, so that waiting never costs the group its member.
WAIT_IN_PLACE_S = 60.0
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.1, 5.0
# A batch of slow records is acknowledged in parts, or the group would lose its member and read all of it again.
BATCH_FOR_S = 120.0
TRIES = 3
BREAKER_AFTER = 100
BREAKER_WAIT_S = 30.0


class HandedBack(Exception):
    """The world is still down: the batch goes back to the log and is read again."""


@dataclass
class Breaker:
    """Bounds the rate of parking of one partition: so many in a row mean that it is us, not them."""

    streak: int = 0

    @property
    def open(self) -> bool:
        """Whether the partition may try only one more record at a time."""
        return self.streak >= BREAKER_AFTER


@dataclass
class Fates:
    """What the consumers of one process share: where parked records go, what is counted, whether we are stopping."""

    publisher: Publisher
    metrics: CommonMetrics
    now: Clock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    breakers: dict[tuple[str, TopicPartition], Breaker] = field(default_factory=dict)
    handled: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    in_hand_since: dict[str, float] = field(default_factory=dict)

    def breaker(self, group: str, partition: TopicPartition) -> Breaker:
        """The breaker of one partition in one group."""
        return self.breakers.setdefault((group, partition), Breaker())

    @property
    def broken(self) -> list[str]:
        """The groups whose breaker is open, for readiness."""
        return sorted({group for (group, _), breaker in self.breakers.items() if breaker.open})


@dataclass
class Records:
    """One batch as a handler gets it, read once: a fact, nothing (a tombstone) or why it is unreadable."""

    batch: Sequence[tuple[Record, Fact[Any] | Unreadable | None]]
    group: str
    fates: Fates
    membership: Membership
    given_back: dict[TopicPartition, int] = field(default_factory=dict)
    taken_at: float = field(default_factory=time.monotonic)

    @property
    def recalled(self) -> bool:
        """Whether the batch should end where it is: the process stops, or the group changes."""
        return self.fates.stopping.is_set() or self.membership.changing.is_set()

    def give_back_from(self, record: Record) -> None:
        """Keep what came before this record; it and what follows will be read again, by whoever reads next."""
        place = next(n for n, (found, _) in enumerate(self.batch) if found is record)
        for left, _ in self.batch[place:]:
            self.given_back.setdefault(TopicPartition(left.topic, left.partition), left.offset)
        self.batch = self.batch[:place]


Handler = Callable[[Records], Awaitable[None]]


def listen(
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
    membership = Membership()

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
        with membership.in_hand():
            await consume_and_acknowledge(batch)

    subscriber.consume_one = consume_whole

    def decorate(handler: Handler) -> Handler:
        async def consume(
            message: KafkaMessage,
            fates: Annotated[Fates, Context("fates", cast=False)],
        ) -> None:
            raw: Any = message.raw_message
            told = [(record, read_or_reason(record, event)) for record in raw]
            records = Records(told, subscriber.group_id, fates, membership)
            held = {} if event.outsiders else hold_back(records)
            fates.in_hand_since[records.group] = time.monotonic()
            try:
                await handler(records)
            finally:
                fates.in_hand_since.pop(records.group, None)
            for partition, offset in records.given_back.items():
                if partition in subscriber.consumer.assignment():
                    subscriber.consumer.seek(partition, offset)
            for partition, offset in held.items():
                hold(subscriber.consumer, partition, offset)

        consume.__name__ = getattr(handler, "__name__", "consume")
        consume.__doc__ = handler.__doc__
        subscriber(consume)
        return handler

    return decorate


async def each(records: Records, event: type[E], verb: Callable[[E], Awaitable[object]]) -> None:
    """Apply a verb to the event of each good record, in order, and park the others."""
    await each_fact(records, event, lambda fact: verb(fact.event))


async def each_fact(
    records: Records, event: type[E], verb: Callable[[Fact[E]], Awaitable[object]], *, lanes: int = 1
) -> None:
    """Like ``each``, for verbs that also want to know where the event came from.

    Args:
        records: the batch.
        event: what it tells.
        verb: applied to each fact.
        lanes: how many facts are handled at a time. They are begun in order, so what is finished when a batch is given
            back is its beginning, but for what the other lanes were at.
    """
    facts, bad = sorted_out(records, event)
    todo = iter(enumerate(facts))
    handed_back: dict[int, HandedBack] = {}

    async def lane() -> None:
        for place, (record, fact) in todo:
            try:
                go_on(records)
                await with_fate(records, record, lambda fact=fact: verb(fact), bad)  # type: ignore[misc]
            except HandedBack as reason:
                handed_back[place] = reason
            if handed_back:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(min(lanes, len(facts))):
            group.create_task(lane())
    if handed_back:
        first = min(handed_back)
        if not first:
            raise handed_back[first]
        # What is finished is acknowledged; nothing of it is done again by whoever reads on.
        records.give_back_from(facts[first][0])
        facts, bad = facts[:first], [parked for parked in bad if kept(records, parked.record)]
    await finish(records, facts, bad)


def go_on(records: Records) -> None:
    """Begin nothing new in a process that stops, in a group that changes, nor in a batch that is long in hand.

    Raises:
        HandedBack: one of them is so.
    """
    if records.recalled:
        raise HandedBack("recalled")
    if time.monotonic() - records.taken_at > BATCH_FOR_S:
        raise HandedBack("a batch takes long")


def kept(records: Records, record: Record) -> bool:
    """Whether a record is still of the batch."""
    return any(found is record for found, _ in records.batch)


async def together(records: Records, event: type[E], verb: Callable[[Sequence[Fact[E]]], Awaitable[object]]) -> None:
    """Hand all good records to one verb, and park the others.

    Where the verb fails and it is not the world, the facts are handed to it one by one, so that only the guilty ones
    are parked.
    """
    facts, bad = sorted_out(records, event)
    if facts:
        whole: list[Parked] = []
        await with_fate(records, facts[0][0], lambda: verb([fact for _, fact in facts]), whole)
        if whole:
            for record, fact in facts:
                await with_fate(records, record, lambda fact=fact: verb([fact]), bad)  # type: ignore[misc]
    await finish(records, facts, bad)


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that is to be parked, and why."""

    record: Record
    reason: str
    error: str


def sorted_out(records: Records, _event: type[E]) -> tuple[list[tuple[Record, Fact[E]]], list[Parked]]:
    """The readable facts and the records to be parked; tombstones are neither."""
    facts: list[tuple[Record, Fact[E]]] = []
    bad: list[Parked] = []
    for record, told in records.batch:
        if isinstance(told, Unreadable):
            bad.append(Parked(record, "unreadable", str(told)))
        elif told is not None:
            facts.append((record, told))
    return facts, bad


async def with_fate(records: Records, record: Record, act: Callable[[], Awaitable[object]], bad: list[Parked]) -> None:
    """Do it; wait for the world in place; collect the record for parking where it is the message or us.

    Raises:
        HandedBack: the world stays down, or the batch is recalled.
    """
    fates, waited, tries, backoff = records.fates, 0.0, 0, FIRST_BACKOFF_S
    waiting_for: str | None = None
    try:
        while True:
            try:
                await act()
                return
            except Unacceptable as error:
                bad.append(Parked(record, "unacceptable", str(error)))
                return
            except Exception as error:
                dependency = dependency_of(error)
                if dependency is None:
                    tries += 1
                    if tries == TRIES:
                        log.exception("handler_bug", group=records.group, offset=record.offset, topic=record.topic)
                        bad.append(Parked(record, "bug", f"{type(error).__name__}: {error}"))
                        return
                else:
                    waiting_for = dependency
                    fates.metrics.consumer_waiting.labels(records.group, dependency).set(1)
                    if waited >= WAIT_IN_PLACE_S or records.recalled:
                        raise HandedBack(f"{dependency} is down: {type(error).__name__}") from error
                pause = backoff * random.uniform(0.5, 1.0)  # noqa: S311
                await pause_unless_recalled(records, pause)
                waited += pause
                backoff = min(backoff * 2, LAST_BACKOFF_S)
    finally:
        if waiting_for:
            fates.metrics.consumer_waiting.labels(records.group, waiting_for).set(0)


async def pause_unless_recalled(records: Records, seconds: float) -> None:
    """Sleep, but not through a shutdown or a change of the group."""
    signs = [asyncio.create_task(sign.wait()) for sign in (records.fates.stopping, records.membership.changing)]
    try:
        await asyncio.wait(signs, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for sign in signs:
            sign.cancel()


async def finish(records: Records, facts: Sequence[tuple[Record, Fact[Any]]], bad: Sequence[Parked]) -> None:
    """Park what is to be parked and count everything, after which the batch may be acknowledged."""
    fates, now, plain = records.fates, records.fates.now(), records.fates.publisher.kafka.plain
    if bad:
        messages = [parked_message(records, parked) for parked in bad]
        unparkable: list[Parked] = []
        await with_fate(records, bad[0].record, lambda: fates.publisher.send(messages), unparkable)
        if unparkable:
            raise HandedBack("parking failed")
    for parked in bad:
        log.warning("parked", group=records.group, topic=parked.record.topic, reason=parked.reason, error=parked.error)
        fates.metrics.parked.labels(records.group, plain(parked.record.topic), parked.reason).inc()
    for record, fact in facts:
        age = (now - (fact.said_at or fact.appended_at)).total_seconds()
        fates.metrics.event_age.labels(records.group, plain(record.topic)).observe(max(0.0, age))
    guilty = {(parked.record.partition, parked.record.offset) for parked in bad}
    for record, _ in records.batch:
        partition = TopicPartition(record.topic, record.partition)
        fates.handled[records.group, partition] = record.offset + 1
        breaker = fates.breaker(records.group, partition)
        breaker.streak = breaker.streak + 1 if (record.partition, record.offset) in guilty else 0


def parked_message(records: Records, parked: Parked) -> Message:
    """The record on its way to ``<topic>.<service>.parked``: raw bytes, key and readable headers, with its origin."""
    record, fates = parked.record, records.fates
    topic = record.topic
    service = records.group[len(fates.publisher.kafka.prefix) :].split(".", 1)[0]
    headers = parking_headers(record, records.group, parked.reason, parked.error, fates.now())
    return Message(f"{topic}.{service}.parked", record.key, record.value, headers)


def read_or_reason(record: Record, event: type[E]) -> Fact[E] | Unreadable | None:
    """The fact that a record tells, None for a tombstone, or why it tells none."""
    if record.value is None:
        return None
    try:
        return read(record, event)
    except Unreadable as reason:
        return reason


def hold_back(records: Records) -> dict[TopicPartition, int]:
    """Cut a batch where a breaker opens in it, and to one record a partition whose breaker is open already.

    Returns:
        The partitions that now wait, each with the offset at which it goes on.
    """
    streaks: dict[TopicPartition, int] = {}
    held: dict[TopicPartition, int] = {}
    kept = []
    for record, told in records.batch:
        partition = TopicPartition(record.topic, record.partition)
        if partition in held:
            continue
        streak = streaks.get(partition, records.fates.breaker(records.group, partition).streak)
        streaks[partition] = streak + 1 if isinstance(told, Unreadable) else 0
        if streaks[partition] >= BREAKER_AFTER:
            held[partition] = record.offset + 1
        kept.append((record, told))
    records.batch = kept
    return held


def hold(consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> None:
    """Let a partition wait: it goes on at the offset after half a minute. Others are not disturbed."""
    if partition not in consumer.assignment():
        return

    def go_on() -> None:
        if partition in consumer.assignment():
            consumer.resume(partition)

    consumer.seek(partition, offset)
    consumer.pause(partition)
    asyncio.get_running_loop().call_later(BREAKER_WAIT_S, go_on)
    log.error("breaker_open", topic=partition.topic, partition=partition.partition, offset=offset)
