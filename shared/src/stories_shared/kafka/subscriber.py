"""Kafka subscribers and their error handling.

``subscribe`` configures every subscriber in the same way. In a handler, ``for_each_event`` applies a use case to each
event, and ``for_batch`` passes all valid events to a use case that takes many. Errors are handled by their cause:

* the record (undecodable, or a use case raises ``InvalidMessage``): dead-lettered with its origin, the batch continues;
* a dependency (MongoDB, S3, Kafka down): retried in place with backoff, then the batch is returned and read again;
* a bug (any other error): three attempts, then dead-lettered as ``error-type: bug`` with an alert.

FastStream's decoding is not used: one header that is not UTF-8 would fail a whole batch. So the parser reads no header
and the decoder returns the records as they are.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaRouter
from faststream.kafka.message import KafkaAckableMessage

from stories_shared.concurrency import map_in_slices
from stories_shared.errors import InvalidMessage, failed_dependency
from stories_shared.events import Event
from stories_shared.events.cloudevents import DecodeError, ReceivedEvent, decode_record
from stories_shared.kafka.consumer_context import Breaker, ConsumerContext
from stories_shared.kafka.dead_letters import DeadLetter, Record, dead_letter_record
from stories_shared.kafka.rebalance import RebalanceListener
from stories_shared.runtime.log_throttle import LogThrottle
from stories_shared.runtime.logging import logger
from stories_shared.runtime.metrics import observe_often

log = logger(__name__)
throttle = LogThrottle()
E = TypeVar("E", bound=Event)
Item: TypeAlias = tuple[Record, ReceivedEvent[Any] | DecodeError | None]
"""A record and what it is decoded to."""

# Members learn of a rebalance by a heartbeat: a group waits so long for them. With a group for each topic,
# heartbeats are what an idle service does most.
HEARTBEAT_MS = 1_000
SESSION_MS = 6_000
# A fetch and a poll return with the first record; these bound those without records. After a seek the next fetch waits
# for the one in flight.
FETCH_WAIT_MS = 1_000
IDLE_WAIT_MS = 1_000
MAX_POLL_INTERVAL_MS = 300_000
# Far below MAX_POLL_INTERVAL_MS, so that retries never remove this member from its group.
MAX_RETRY_S = 60.0
MAX_ATTEMPTS = 3


class BatchReturned(Exception):
    """The batch cannot be finished now: what is not handled is read again."""


@dataclass
class Batch:
    """One batch of a handler. Each record is decoded once: to an event, None (a tombstone) or a decode error.

    ``handled`` has a mark for each handled item, ``dead`` the dead letters by the item's index. ``rewind_to`` holds the
    offset by partition from which records are read again; no offset is committed beyond it.

    Nearly every batch has only valid records and no open breaker. What is done for each record then is done for all at
    once: a few comparisons a record cost as much as decoding it.
    """

    items: Sequence[Item]
    group: str
    consumer_context: ConsumerContext
    rebalance: RebalanceListener
    breaker_enabled: bool = True
    rewind_to: dict[TopicPartition, int] = field(default_factory=dict)
    dead: dict[int, DeadLetter] = field(default_factory=dict)
    started_at: float = field(default_factory=time.monotonic)
    _breakers: dict[TopicPartition, Breaker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.handled = bytearray(len(self.items))

    @property
    def must_stop(self) -> bool:
        """Whether the batch should end early: shutdown or rebalance."""
        return self.consumer_context.stopping.is_set() or self.rebalance.rebalancing.is_set()

    @cached_property
    def _first(self) -> dict[TopicPartition, int]:
        """The first offset of each partition."""
        return first_offsets(record for record, _ in self.items)

    def accepted(self, indexes: Sequence[int]) -> Sequence[int]:
        """Those of the items to handle now; see ``accepts``."""
        if not self.rewind_to and not self._any_open:
            return indexes
        return [index for index in indexes if self.accepts(self.items[index][0])]

    def accepts(self, record: Record) -> bool:
        """Whether to handle it. With an open breaker, all but the first record of the partition are read again."""
        partition = partition_of(record)
        if self.breaker_enabled and record.offset != self._first[partition] and self._breaker_of(partition).open:
            self.rewind_from(record)
        return partition not in self.rewind_to or record.offset < self.rewind_to[partition]

    def record_outcome(self, index: int, dead: DeadLetter | None) -> None:
        """Record the outcome of an item."""
        self.handled[index] = True
        if dead is not None:
            self.dead[index] = dead
        if self.breaker_enabled:
            self._breaker_of(partition_of(self.items[index][0])).count(dead=dead is not None)

    def record_all_valid(self) -> None:
        """Record that every item is handled and valid."""
        self.handled = bytearray(b"\1" * len(self.items))
        if self.breaker_enabled:
            for partition in self._first:
                self._breaker_of(partition).count(dead=False)

    def rewind_from(self, record: Record) -> None:
        """Read this record and the following ones of its partition again."""
        partition = partition_of(record)
        self.rewind_to[partition] = min(record.offset, self.rewind_to.get(partition, record.offset))

    def rewind_unfinished(self, reason: BatchReturned) -> None:
        """Keep what is handled and rewind the rest.

        Raises:
            BatchReturned: nothing is handled.
        """
        if not any(self.handled):
            raise reason
        for (record, _), handled in zip(self.items, self.handled, strict=True):
            if not handled:
                self.rewind_from(record)

    def finished(self) -> Sequence[int]:
        """The indexes of the items that are handled and not rewound, in order."""
        if not self.rewind_to and all(self.handled):
            return range(len(self.items))
        return [
            index
            for index, (record, _) in enumerate(self.items)
            if self.handled[index] and record.offset < self.rewind_to.get(partition_of(record), record.offset + 1)
        ]

    @property
    def _any_open(self) -> bool:
        return self.breaker_enabled and any(self._breaker_of(partition).open for partition in self._first)

    def _breaker_of(self, partition: TopicPartition) -> Breaker:
        """The breaker's state if the batch ended here."""
        found = self._breakers.get(partition)
        if found is None:
            found = self._breakers[partition] = replace(self.consumer_context.breaker(self.group, partition))
        return found


topic_partition = lru_cache(maxsize=1_000)(TopicPartition)


def partition_of(record: Record) -> TopicPartition:
    """The partition of a record."""
    return topic_partition(record.topic, record.partition)


def first_offsets(records: Iterable[Record]) -> dict[TopicPartition, int]:
    """The offset of the first of these records in each partition. All are of one topic."""
    first: dict[int, Record] = {}
    for record in records:
        if record.partition not in first:
            first[record.partition] = record
    return {partition_of(record): record.offset for record in first.values()}


Handler = Callable[[Batch], Awaitable[None]]


def subscribe(
    router: KafkaRouter, event: type[Event], service: str, *, max_records: int = 500, min_interval_s: float = 0.0
) -> Callable[[Handler], Handler]:
    """Subscribe a handler to an event's topic, with the settings that all subscribers share.

    Args:
        router: the service's.
        event: the event type of the topic; the group is ``<service>.<topic>``.
        service: the service's name.
        max_records: the largest batch.
        min_interval_s: batches begin at least so far apart unless one is full. A batch that costs much beside its
            records then has more of them. The first one after a pause does not wait.
    """
    group = f"{service}.{event.topic}"
    rebalance = RebalanceListener()

    async def parse(batch: tuple[Record, ...]) -> KafkaAckableMessage:
        consumer: Any = subscriber.consumer
        return KafkaAckableMessage(
            body=[],
            headers={},
            batch_headers=[],
            raw_message=batch,
            message_id=f"{batch[0].topic}-{batch[0].partition}-{batch[0].offset}",
            consumer=consumer,
        )

    async def decode(message: Any) -> Any:
        return message.raw_message

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
        fetch_max_wait_ms=FETCH_WAIT_MS,
        session_timeout_ms=SESSION_MS,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        listener=rebalance,
        title=group,
    )

    next_at = 0.0

    async def wait_for_batch(consumer: AIOKafkaConsumer) -> tuple[Record, ...]:
        nonlocal next_at
        if (wait_s := next_at - time.monotonic()) > 0:  # with no record in hand
            await asyncio.sleep(wait_s)
        found = await consumer.getmany(timeout_ms=IDLE_WAIT_MS, max_records=max_records)
        records = tuple(chain.from_iterable(found.values()))
        if min_interval_s and records:
            next_at = time.monotonic() + (min_interval_s if len(records) < max_records else 0.0)
        return records

    # FastStream's own sleeps after an empty poll: a long sleep adds latency, a short one wastes CPU.
    subscriber.get_msg = wait_for_batch
    consume_and_acknowledge = subscriber.consume_one

    async def consume_whole(batch: tuple[Record, ...]) -> None:
        with rebalance.batch_in_progress():
            await consume_and_acknowledge(batch)

    subscriber.consume_one = consume_whole

    def decorate(handler: Handler) -> Handler:
        async def consume(raw: Any) -> None:
            # FastStream passes each ``Context`` argument through a thread, which costs more than a hundred records.
            consumer_context: ConsumerContext = subscriber._outer_config.context.get("consumer_context")  # noqa: SLF001
            decoded = await map_in_slices(lambda record: (record, decode_or_error(record, event)), raw)
            group, consumer = subscriber.group_id, subscriber.consumer
            rebalance.breakers = consumer_context.breakers.setdefault(group, rebalance.breakers)
            records = Batch(decoded, group, consumer_context, rebalance, breaker_enabled=not event.external_writers)
            consumer_context.batch_started_at[group] = time.monotonic()
            try:
                await handler(records)
            finally:
                consumer_context.batch_started_at.pop(group, None)
            for partition, offset in records.rewind_to.items():
                if partition in consumer.assignment():
                    consumer.seek(partition, offset)
            for partition in first_offsets(raw).keys() & rebalance.breakers.keys():
                if partition not in consumer.assignment():
                    del rebalance.breakers[partition]
                elif rebalance.breakers[partition].open:
                    pause_partition(consumer, partition, consumer_context.breaker_pause_s)

        consume.__name__ = getattr(handler, "__name__", "consume")
        consume.__doc__ = handler.__doc__
        subscriber(consume)
        return handler

    return decorate


async def for_each_event(
    records: Batch, event: type[E], use_case: Callable[[E], Awaitable[object]], *, concurrency: int = 1
) -> None:
    """Apply a use case to the event of each valid record, in order, and dead-letter the others."""
    await for_each_record(records, event, lambda received: use_case(received.event), concurrency=concurrency)


async def for_each_record(
    records: Batch, _event: type[E], use_case: Callable[[ReceivedEvent[E]], Awaitable[object]], *, concurrency: int = 1
) -> None:
    """Like ``for_each_event``, for use cases that also need the event's origin.

    Args:
        records: the batch.
        _event: the event type; only for the type of the use case.
        use_case: applied to each received event.
        concurrency: how many events are handled concurrently. They start in order, so the finished records of a
            returned batch are its first ones, except for what was still in progress.
    """
    todo = enumerate(records.items)
    stopped: list[BatchReturned] = []

    async def worker() -> None:
        for index, (record, decoded) in todo:
            if not records.accepts(record):
                continue
            try:
                if isinstance(decoded, ReceivedEvent):
                    raise_if_batch_must_end(records)
                    with process_span(records, [decoded]):
                        dead = await run_with_retries(records, record, lambda event=decoded: use_case(event))  # type: ignore[misc]
                else:
                    dead = decode_failure(record, decoded)
                records.record_outcome(index, dead)
            except BatchReturned as reason:
                stopped.append(reason)
            if stopped:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(records.items))):
            group.create_task(worker())
    if stopped:
        # Finished records are committed, so the next reader does not repeat them.
        records.rewind_unfinished(stopped[0])
    await dead_letter_and_record(records)


def process_span(records: Batch, events: Sequence[ReceivedEvent[Any]]) -> AbstractContextManager[Any]:
    """The span of handling these events: it continues the trace of one, and is linked with those of several."""
    tracer = records.consumer_context.publisher.tracer
    parents = [event.traceparent for event in events]
    if not tracer.makes_spans and not any(parents):
        return nullcontext()
    attributes = {
        "messaging.system": "kafka",
        "messaging.destination.name": events[0].topic,
        "messaging.consumer.group.name": records.group,
        "messaging.operation.type": "process",
        "messaging.batch.message_count": len(events),
    }
    return tracer.span(f"process {events[0].topic}", "consumer", parents, attributes)


def raise_if_batch_must_end(records: Batch) -> None:
    """Check before the next record whether the batch must end.

    Raises:
        BatchReturned: shutdown, rebalance, or the batch has taken too long.
    """
    if records.must_stop:
        raise BatchReturned("shutdown or rebalance")
    if time.monotonic() - records.started_at > records.consumer_context.max_batch_s:
        raise BatchReturned("the batch takes too long")


async def for_batch(
    records: Batch, _event: type[E], use_case: Callable[[Sequence[ReceivedEvent[E]]], Awaitable[object]]
) -> None:
    """Pass all valid events to one use case, and dead-letter the other records.

    If it fails and no dependency is down, each half of the events is tried once, and a failing half is split again, so
    that only the failing records are dead-lettered: about 2·log2(n) attempts for one of n. The batch may end between
    two attempts; what is handled by then is committed.
    """

    items = records.items

    async def handle(indexes: Sequence[int], tries: int) -> None:
        indexes = records.accepted(indexes)
        valid = [index for index in indexes if isinstance(items[index][1], ReceivedEvent)]
        failed = None
        if valid:
            if tries < MAX_ATTEMPTS:
                raise_if_batch_must_end(records)
            events: list[Any] = [items[index][1] for index in valid]
            with process_span(records, events):
                failed = await run_with_retries(records, items[valid[0]][0], lambda: use_case(events), tries)
        if failed and len(valid) > 1:
            middle = indexes.index(valid[len(valid) // 2])
            await handle(indexes[:middle], 1)
            await handle(indexes[middle:], 1)
            return
        if failed is None and len(valid) == len(items):
            records.record_all_valid()
            return
        for index in indexes:
            record, decoded = items[index]
            if records.accepts(record):
                dead = failed if isinstance(decoded, ReceivedEvent) else decode_failure(record, decoded)
                records.record_outcome(index, dead)

    try:
        await handle(range(len(items)), MAX_ATTEMPTS)
    except BatchReturned as reason:
        records.rewind_unfinished(reason)
    await dead_letter_and_record(records)


def decode_failure(record: Record, decoded: DecodeError | None) -> DeadLetter | None:
    """The dead letter of a record that is no event; None for a tombstone, which is skipped."""
    return None if decoded is None else DeadLetter(record, "unreadable", str(decoded))


async def run_with_retries(
    records: Batch, record: Record, action: Callable[[], Awaitable[object]], tries: int = MAX_ATTEMPTS
) -> DeadLetter | None:
    """Run an action and retry while a dependency is down.

    Args:
        records: the batch.
        record: the record that would be dead-lettered.
        action: the work.
        tries: attempts after an unexpected error.

    Returns:
        None, or the dead letter after ``InvalidMessage`` or the last attempt.

    Raises:
        BatchReturned: the dependency stays down, or the batch must end.
    """
    consumer_context, waited, failed = records.consumer_context, 0.0, 0
    backoff, longest = consumer_context.backoff_s
    waiting_for: str | None = None
    try:
        while True:
            try:
                await action()
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
                    if waited >= MAX_RETRY_S or records.must_stop:
                        raise BatchReturned(f"{dependency} is down: {type(error).__name__}") from error
                pause = backoff * random.uniform(0.5, 1.0)  # noqa: S311
                await pause_unless_must_stop(records, pause)
                waited += pause
                backoff = min(backoff * 2, longest)
    finally:
        if waiting_for:
            consumer_context.metrics.consumer_waiting.labels(records.group, waiting_for).set(0)


async def pause_unless_must_stop(records: Batch, seconds: float) -> None:
    """Sleep until the time is over, a shutdown or a rebalance begins."""
    signals = [
        asyncio.create_task(signal.wait())
        for signal in (records.consumer_context.stopping, records.rebalance.rebalancing)
    ]
    try:
        await asyncio.wait(signals, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for signal in signals:
            signal.cancel()


async def dead_letter_and_record(records: Batch) -> None:
    """Publish the dead letters and record the metrics of all finished records; then the batch may be committed."""
    consumer_context, publisher = records.consumer_context, records.consumer_context.publisher
    now, plain = consumer_context.now(), publisher.kafka.plain
    finished = records.finished()
    bad = [records.dead[index] for index in finished if index in records.dead] if records.dead else []
    if bad:
        messages = [dead_letter_record(dead_letter, records.group, publisher.kafka, now) for dead_letter in bad]
        if await run_with_retries(records, bad[0].record, lambda: publisher.send(messages)):
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
    if not finished:
        return
    group, done = records.group, [records.items[index] for index in finished]
    events = [decoded for _, decoded in done if isinstance(decoded, ReceivedEvent)]
    produced = Counter([event.produced_at or event.appended_at for event in events])
    ages = [(max(0.0, (now - at).total_seconds()), number) for at, number in produced.items()]
    observe_often(consumer_context.metrics.event_age.labels(group, plain(done[0][0].topic)), ages)
    last = {record.partition: record for record, _ in done}.values()
    if records.breaker_enabled:
        valid = [(record, False) for record in last]
        counted = [(records.items[index][0], index in records.dead) for index in finished] if records.dead else valid
        for record, dead in counted:
            consumer_context.breaker(group, partition_of(record)).count(dead=dead)
    consumer_context.handled |= {(group, partition_of(record)): record.offset + 1 for record in last}


def decode_or_error(record: Record, event: type[E]) -> ReceivedEvent[E] | DecodeError | None:
    """The event of a record, None for a tombstone, or the decode error."""
    if record.value is None:
        return None
    try:
        return decode_record(record, event)
    except DecodeError as reason:
        return reason


def pause_partition(consumer: AIOKafkaConsumer, partition: TopicPartition, seconds: float) -> None:
    """Pause one partition at its position; the others continue."""

    def resume() -> None:
        if partition in consumer.assignment():
            consumer.resume(partition)

    consumer.pause(partition)
    asyncio.get_running_loop().call_later(seconds, resume)
    log.error("breaker_open", topic=partition.topic, partition=partition.partition)
