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
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Annotated, Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream import AckPolicy, Context
from faststream.kafka import KafkaRouter
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.message import KafkaAckableMessage

from stories_shared.clock import Clock
from stories_shared.errors import Unacceptable, dependency_of
from stories_shared.events import Event
from stories_shared.events.cloudevents import Fact, Unreadable, read
from stories_shared.kafka.publisher import Message, Publisher, parking_headers
from stories_shared.kafka.rebalance import Membership
from stories_shared.runtime.log_throttle import Bursts
from stories_shared.runtime.logging import logger
from stories_shared.runtime.metrics import CommonMetrics

log = logger(__name__)
bursts = Bursts()
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
    """Counts the records of one partition that were dead-lettered in a row: so many mean that it is us, not them."""

    streak: int = 0

    @property
    def open(self) -> bool:
        """Whether the partition may try only one record at a time."""
        return self.streak >= BREAKER_AFTER

    def count(self, *, dead: bool) -> None:
        """Take note of the next record: the first good one closes the breaker."""
        self.streak = self.streak + 1 if dead else 0


@dataclass
class Fates:
    """What the consumers of one process share: where parked records go, what is counted, whether we are stopping.

    ``breakers`` are by group and partition, and only of topics that no outsider writes.
    """

    publisher: Publisher
    metrics: CommonMetrics
    now: Clock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    breakers: dict[str, dict[TopicPartition, Breaker]] = field(default_factory=dict)
    handled: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    in_hand_since: dict[str, float] = field(default_factory=dict)
    breaker_wait_s: float = BREAKER_WAIT_S
    batch_for_s: float = BATCH_FOR_S
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
class Parked:
    """A record that is to be parked, and why; ``bug`` is the error that no rule foresaw."""

    record: Record
    reason: str
    error: str
    bug: BaseException | None = None


@dataclass
class Records:
    """One batch as a handler gets it, read once: a fact, nothing (a tombstone) or why it is unreadable.

    ``settled`` holds what became of each record that was handled: None, or why it is to be parked. ``given_back`` is
    by partition the offset from which on records are read again; nothing ever goes past it.
    """

    batch: Sequence[tuple[Record, Fact[Any] | Unreadable | None]]
    group: str
    fates: Fates
    membership: Membership
    guarded: bool = True
    given_back: dict[TopicPartition, int] = field(default_factory=dict)
    settled: dict[tuple[TopicPartition, int], Parked | None] = field(default_factory=dict)
    taken_at: float = field(default_factory=time.monotonic)
    _first: dict[TopicPartition, int] = field(default_factory=dict)
    _streaks: dict[TopicPartition, Breaker] = field(default_factory=dict)

    @property
    def recalled(self) -> bool:
        """Whether the batch should end where it is: the process stops, or the group changes."""
        return self.fates.stopping.is_set() or self.membership.changing.is_set()

    def admits(self, record: Record) -> bool:
        """Whether to handle it. A partition whose breaker is open, or opens in this batch, gives back what follows."""
        place = place_of(record)
        first = self._first.setdefault(place, record.offset)
        if self.guarded and record.offset != first and self._streak(place).open:
            self.give_back(record)
        return place not in self.given_back or record.offset < self.given_back[place]

    def settle(self, record: Record, dead: Parked | None) -> None:
        """Keep what became of a record."""
        place = place_of(record)
        self.settled[place, record.offset] = dead
        if self.guarded:
            self._streak(place).count(dead=dead is not None)

    def give_back(self, record: Record) -> None:
        """This record and what follows it in its partition is read again, by whoever reads next."""
        place = place_of(record)
        self.given_back[place] = min(record.offset, self.given_back.get(place, record.offset))

    def give_back_the_rest(self, reason: HandedBack) -> None:
        """Keep what is settled and give back what is not.

        Raises:
            HandedBack: nothing is settled.
        """
        if not self.settled:
            raise reason
        for record, _ in self.batch:
            if (place_of(record), record.offset) not in self.settled:
                self.give_back(record)

    def kept(self) -> list[tuple[Record, Fact[Any] | Unreadable | None, Parked | None]]:
        """What is settled and not given back, in order, with what became of it."""
        return [
            (record, told, self.settled[place, record.offset])
            for place, (record, told) in ((place_of(each[0]), each) for each in self.batch)
            if (place, record.offset) in self.settled
            and (place not in self.given_back or record.offset < self.given_back[place])
        ]

    def _streak(self, place: TopicPartition) -> Breaker:
        """The breaker as it will be when this batch ends here."""
        found = self._streaks.get(place)
        if found is None:
            found = self._streaks[place] = replace(self.fates.breaker(self.group, place))
        return found


def place_of(record: Record) -> TopicPartition:
    """The partition that a record is of."""
    return TopicPartition(record.topic, record.partition)


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
            group, consumer = subscriber.group_id, subscriber.consumer
            membership.breakers = fates.breakers.setdefault(group, membership.breakers)
            records = Records(told, group, fates, membership, guarded=not event.outsiders)
            fates.in_hand_since[group] = time.monotonic()
            try:
                await handler(records)
            finally:
                fates.in_hand_since.pop(group, None)
            for partition, offset in records.given_back.items():
                if partition in consumer.assignment():
                    consumer.seek(partition, offset)
            for partition in {place_of(record) for record in raw} & membership.breakers.keys():
                if partition not in consumer.assignment():
                    del membership.breakers[partition]
                elif membership.breakers[partition].open:
                    hold(consumer, partition, fates.breaker_wait_s)

        consume.__name__ = getattr(handler, "__name__", "consume")
        consume.__doc__ = handler.__doc__
        subscriber(consume)
        return handler

    return decorate


async def each(records: Records, event: type[E], verb: Callable[[E], Awaitable[object]]) -> None:
    """Apply a verb to the event of each good record, in order, and park the others."""
    await each_fact(records, event, lambda fact: verb(fact.event))


async def each_fact(
    records: Records, _event: type[E], verb: Callable[[Fact[E]], Awaitable[object]], *, lanes: int = 1
) -> None:
    """Like ``each``, for verbs that also want to know where the event came from.

    Args:
        records: the batch.
        _event: what it tells; for the type of the verb alone.
        verb: applied to each fact.
        lanes: how many facts are handled at a time. They are begun in order, so what is finished when a batch is given
            back is its beginning, but for what the other lanes were at.
    """
    todo = iter(records.batch)
    stopped: list[HandedBack] = []

    async def lane() -> None:
        for record, told in todo:
            if not records.admits(record):
                continue
            try:
                if isinstance(told, Fact):
                    go_on(records)
                    dead = await with_fate(records, record, lambda fact=told: verb(fact))  # type: ignore[misc]
                else:
                    dead = unreadable(record, told)
                records.settle(record, dead)
            except HandedBack as reason:
                stopped.append(reason)
            if stopped:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(min(lanes, len(records.batch))):
            group.create_task(lane())
    if stopped:
        # What is finished is acknowledged; nothing of it is done again by whoever reads on.
        records.give_back_the_rest(stopped[0])
    await finish(records)


def go_on(records: Records) -> None:
    """Begin nothing new in a process that stops, in a group that changes, nor in a batch that is long in hand.

    Raises:
        HandedBack: one of them is so.
    """
    if records.recalled:
        raise HandedBack("recalled")
    if time.monotonic() - records.taken_at > records.fates.batch_for_s:
        raise HandedBack("a batch takes long")


async def together(records: Records, _event: type[E], verb: Callable[[Sequence[Fact[E]]], Awaitable[object]]) -> None:
    """Hand all good records to one verb, and park the others.

    Where the verb fails and it is not the world, each half of the facts is tried once, and of what fails each half
    again, so that only the guilty ones are parked: some 2·log2(n) tries for one of n. Between two tries the batch may
    end; what is settled by then is kept.
    """

    async def settle(batch: Sequence[tuple[Record, Fact[E] | Unreadable | None]], tries: int) -> None:
        batch = [each for each in batch if records.admits(each[0])]
        facts = [(place, told) for place, (_, told) in enumerate(batch) if isinstance(told, Fact)]
        failed = None
        if facts:
            if tries < TRIES:
                go_on(records)
            record = batch[facts[0][0]][0]
            failed = await with_fate(records, record, lambda: verb([fact for _, fact in facts]), tries)
        if failed and len(facts) > 1:
            middle = facts[len(facts) // 2][0]
            await settle(batch[:middle], 1)
            await settle(batch[middle:], 1)
            return
        for record, told in batch:
            if records.admits(record):
                records.settle(record, failed if isinstance(told, Fact) else unreadable(record, told))

    try:
        await settle(records.batch, TRIES)
    except HandedBack as reason:
        records.give_back_the_rest(reason)
    await finish(records)


def unreadable(record: Record, told: Unreadable | None) -> Parked | None:
    """What becomes of a record that is no fact: tombstones are passed over."""
    return None if told is None else Parked(record, "unreadable", str(told))


async def with_fate(
    records: Records, record: Record, act: Callable[[], Awaitable[object]], tries: int = TRIES
) -> Parked | None:
    """Do it; wait for the world in place; say why the record is to be parked where it is the message or us.

    Args:
        records: the batch.
        record: what it is about.
        act: what is done.
        tries: how often a bug is tried.

    Raises:
        HandedBack: the world stays down, or the batch is recalled.
    """
    fates, waited, failed = records.fates, 0.0, 0
    backoff, longest = fates.backoff_s
    waiting_for: str | None = None
    try:
        while True:
            try:
                await act()
                return None
            except Unacceptable as error:
                return Parked(record, "unacceptable", str(error))
            except Exception as error:
                dependency = dependency_of(error)
                if dependency is None:
                    failed += 1
                    if failed >= tries:
                        return Parked(record, "bug", f"{type(error).__name__}: {error}", error)
                else:
                    waiting_for = dependency
                    fates.metrics.consumer_waiting.labels(records.group, dependency).set(1)
                    if waited >= WAIT_IN_PLACE_S or records.recalled:
                        raise HandedBack(f"{dependency} is down: {type(error).__name__}") from error
                pause = backoff * random.uniform(0.5, 1.0)  # noqa: S311
                await pause_unless_recalled(records, pause)
                waited += pause
                backoff = min(backoff * 2, longest)
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


async def finish(records: Records) -> None:
    """Park what is to be parked and count everything, after which the batch may be acknowledged."""
    fates, now, plain = records.fates, records.fates.now(), records.fates.publisher.kafka.plain
    kept = records.kept()
    bad = [dead for _, _, dead in kept if dead]
    if bad:
        messages = [parked_message(records, parked) for parked in bad]
        if await with_fate(records, bad[0].record, lambda: fates.publisher.send(messages)):
            raise HandedBack("parking failed")
    for parked in bad:
        topic, reason = parked.record.topic, parked.reason
        times = bursts.due((records.group, type(parked.bug).__name__)) if parked.bug else None
        if times is not None:
            offset = parked.record.offset
            log.error("handler_bug", group=records.group, topic=topic, offset=offset, times=times, exc_info=parked.bug)
        log.warning("parked", group=records.group, topic=topic, reason=reason, error=parked.error)
        fates.metrics.parked.labels(records.group, plain(topic), reason).inc()
    for record, told, dead in kept:
        place = place_of(record)
        fates.handled[records.group, place] = record.offset + 1
        if records.guarded:
            fates.breaker(records.group, place).count(dead=dead is not None)
        if isinstance(told, Fact):
            age = (now - (told.said_at or told.appended_at)).total_seconds()
            fates.metrics.event_age.labels(records.group, plain(record.topic)).observe(max(0.0, age))


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


def hold(consumer: AIOKafkaConsumer, partition: TopicPartition, seconds: float) -> None:
    """Let a partition wait where it stands. Others are not disturbed."""

    def resume() -> None:
        if partition in consumer.assignment():
            consumer.resume(partition)

    consumer.pause(partition)
    asyncio.get_running_loop().call_later(seconds, resume)
    log.error("breaker_open", topic=partition.topic, partition=partition.partition)
