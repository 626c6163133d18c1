"""What becomes of records, good and bad, on a real broker."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition, partitioner
from aiokafka.protocol.group import LeaveGroupRequest
from faststream import AckPolicy
from faststream.kafka import KafkaRouter
from stories_shared.errors import MONGODB, InvalidMessage, Unavailable
from stories_shared.events import StoryErased, UserFollowed, encode
from stories_shared.events.cloudevents import ReceivedEvent, decode_record
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.batch_publisher import BatchPublisher
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.consumer_context import BREAKER_THRESHOLD, ConsumerContext
from stories_shared.kafka.log_tail import committed_offsets
from stories_shared.kafka.partitioner import murmur2
from stories_shared.kafka.publisher import BATCHED_FROM, ProducerRecord, Publisher, RecordsRefused
from stories_shared.kafka.rebalance import RebalanceListener
from stories_shared.kafka.subscriber import (
    Batch,
    for_batch,
    for_each_event,
    for_each_record,
    subscribe,
)
from stories_shared.testing import consuming, eventually, records_of

pytestmark = pytest.mark.servers
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def follow(user: str = "ann", target: str = "bob") -> UserFollowed:
    return UserFollowed(user_id=user, target_id=target, at=NOW)


@pytest_asyncio.fixture
async def kafka(namespace) -> Kafka:
    await namespace.topic("user-followed", "user-followed.feed.dlq", "story-erased", "story-erased.expiry.dlq")
    return Kafka(namespace["KAFKA_BOOTSTRAP_SERVERS"], namespace.prefix)


@pytest_asyncio.fixture
async def producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await made.start()
    yield made
    await made.stop()


async def committed(kafka: Kafka, group: str, topic: str) -> int:
    return sum((await committed_offsets(kafka, {group: topic})).values())


def follow_of(record: ConsumerRecord) -> UserFollowed:
    return decode_record(record, UserFollowed).event


async def read_all(kafka: Kafka, topic: str, count: int) -> list[ConsumerRecord]:
    """The records of a topic, once there are so many."""
    return await eventually(lambda: records_of(kafka, topic), accept=lambda found: len(found) >= count)


async def dead_letter(kafka: Kafka, topic: str, count: int) -> list[dict[str, bytes]]:
    return [{**dict(record.headers), "value": record.value} for record in await read_all(kafka, topic, count)]


class Warned:
    """A log that keeps what it was warned of."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def warning(self, event: str, **_fields: object) -> None:
        self.events.append(event)


def followed_by(apply, *, whole: bool = False, max_records: int = 500) -> KafkaRouter:
    """A router of a topic that others write too. ``whole``: batches are applied, not events."""
    router = KafkaRouter()

    @subscribe(router, UserFollowed, service="feed", max_records=max_records)
    async def on_user_followed(batch: Batch) -> None:
        await (for_batch if whole else for_each_event)(batch, UserFollowed, apply)

    return router


def erased(apply, *, whole: bool = False) -> KafkaRouter:
    """A router of a topic that only we write."""
    router = KafkaRouter()

    async def all_of(events: Sequence[ReceivedEvent[StoryErased]]) -> None:
        for received in events:
            await apply(received.event)

    @subscribe(router, StoryErased, service="expiry")
    async def on_story_erased(batch: Batch) -> None:
        await (for_batch(batch, StoryErased, all_of) if whole else for_each_event(batch, StoryErased, apply))

    return router


def erasure(story_id: str = "") -> bytes:
    return encode(StoryErased(story_id=story_id or new_id(), store="feed", erased_at=NOW))


async def test_valid_record_between_invalid_ones_is_applied(kafka, producer):
    seen = []

    async def apply(event: UserFollowed) -> None:
        seen.append(event.target_id)

    topic = kafka.topic("user-followed")
    await producer.send(topic, b"{", b"ann", partition=0)
    await producer.send(topic, encode(follow(target="bob")), b"ann", partition=0)
    await producer.send(topic, b'{"user_id":"ann","target_id":"x","at":"2026-01-01T00:00:00Z"}', None, partition=0)
    await producer.send(topic, None, b"ann", partition=0)
    await producer.send(topic, b"[" * 100_000, b"ann", partition=0)
    await producer.send_and_wait(topic, encode(follow(target="eve")), b"ann", partition=0)
    async with consuming(kafka, followed_by(apply)):
        await eventually(lambda: seen == ["bob", "x", "eve"])
        found = await dead_letter(kafka, "user-followed.feed.dlq", 2)
    assert {row["value"][:1] for row in found} == {b"{", b"["}
    assert {row["origin-offset"] for row in found} == {b"0", b"4"}
    assert all(
        row["error-type"] == b"unreadable" and row["origin-group"].endswith(b"feed.user-followed") for row in found
    )


async def test_invalid_null_and_reply_headers_are_ignored(kafka, producer):
    seen = []

    async def apply(event: UserFollowed) -> None:
        seen.append(event.target_id)

    headers = [("ce_id", b"\xff\xfe"), ("reply_to", b"elsewhere"), ("ce_source", b""), ("nothing", None)]
    await producer.send_and_wait(kafka.topic("user-followed"), encode(follow()), b"ann", headers=headers)
    async with consuming(kafka, followed_by(apply)):
        await eventually(lambda: seen == ["bob"], within_s=8)
        await eventually(lambda: committed_is(kafka, 1))


async def committed_is(kafka: Kafka, offset: int) -> bool:
    return await committed(kafka, "feed.user-followed", "user-followed") == offset


async def test_record_is_retried_in_place_while_a_dependency_is_down(kafka, producer):
    tries = []

    async def apply(event: UserFollowed) -> None:
        tries.append(event.target_id)
        if len(tries) < 4:
            raise Unavailable(MONGODB)

    await producer.send_and_wait(kafka.topic("user-followed"), encode(follow()), b"ann")
    async with consuming(kafka, followed_by(apply)):
        await eventually(lambda: len(tries) == 4)
        await eventually(lambda: committed_is(kafka, 1))
    assert tries == ["bob"] * 4


async def test_unfinished_records_are_redelivered_to_the_next_member(kafka, producer):
    tries, seen = [], []

    async def not_now(event: UserFollowed) -> None:
        tries.append(event.target_id)
        raise Unavailable(MONGODB)

    async def apply(event: UserFollowed) -> None:
        seen.append(event.target_id)

    await producer.send_and_wait(kafka.topic("user-followed"), encode(follow()), b"ann")
    async with consuming(kafka, followed_by(not_now)):
        await eventually(lambda: tries)
    async with consuming(kafka, followed_by(apply)):
        await eventually(lambda: seen == ["bob"], within_s=8)


async def test_records_finished_before_a_shutdown_are_not_redelivered(kafka, producer):
    first: list[str] = []
    second: list[str] = []

    async def slow(event: UserFollowed) -> None:
        first.append(event.target_id)
        await asyncio.sleep(0.05)

    async def apply(event: UserFollowed) -> None:
        second.append(event.target_id)

    targets = [f"n{number}" for number in range(300)]
    for target in targets:
        await producer.send(kafka.topic("user-followed"), encode(follow(target=target)), b"ann")
    await producer.flush()
    async with consuming(kafka, followed_by(slow)):
        await eventually(lambda: len(first) >= 20)
    assert len(first) < len(targets)
    async with consuming(kafka, followed_by(apply)):
        await eventually(lambda: len(first) + len(second) >= len(targets))
    assert first + second == targets


async def test_records_finished_before_a_rebalance_are_not_redelivered(kafka, producer):
    done: list[str] = []

    async def slow(event: UserFollowed) -> None:
        done.append(event.target_id)
        await asyncio.sleep(0.02)

    targets = [f"n{number}" for number in range(900)]
    for number, target in enumerate(targets):
        await producer.send(kafka.topic("user-followed"), encode(follow(target=target)), b"k", partition=number % 3)
    await producer.flush()
    async with consuming(kafka, followed_by(slow)):
        await eventually(lambda: len(done) >= 20)
        async with consuming(kafka, followed_by(slow)):
            joined = len(done)
            await eventually(lambda: len(done) >= joined + 100)
        await eventually(lambda: len(done) >= len(targets), within_s=30)
        await eventually(lambda: committed_is(kafka, len(targets)))
    assert sorted(done) == sorted(targets)


async def test_batch_write_finishes_before_its_partitions_are_revoked(kafka, producer):
    begun: list[str] = []
    done: list[str] = []

    async def write(events) -> None:
        begun.extend(received.event.target_id for received in events)
        await asyncio.sleep(0.5)
        done.extend(received.event.target_id for received in events)

    for number in range(30):
        target = encode(follow(target=f"n{number}"))
        await producer.send(kafka.topic("user-followed"), target, b"k", partition=number % 3)
    await producer.flush()
    async with consuming(kafka, followed_by(write, whole=True)):
        await eventually(lambda: begun)
        async with consuming(kafka, followed_by(write, whole=True)):
            await eventually(lambda: committed_is(kafka, 30))
    assert sorted(done) == sorted(f"n{number}" for number in range(30))


async def test_expelled_member_repeats_at_most_one_batch(kafka, producer):
    done: list[str] = []

    async def write(events) -> None:
        done.extend(received.event.target_id for received in events)
        if len(done) == 20:
            await leave_behind_its_back()

    async def leave_behind_its_back() -> None:
        (subscriber,) = router.subscribers
        coordinator = subscriber.consumer._coordinator
        await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))

    router = followed_by(write, whole=True, max_records=10)
    targets = [f"n{number}" for number in range(60)]
    for target in targets:
        await producer.send(kafka.topic("user-followed"), encode(follow(target=target)), b"k", partition=0)
    await producer.flush()
    async with consuming(kafka, router):
        await eventually(lambda: committed_is(kafka, len(targets)))
    assert done == targets[:20] + targets[10:]


async def test_member_in_retry_does_not_delay_a_rebalance(kafka, producer, monkeypatch):
    monkeypatch.setattr("stories_shared.kafka.rebalance.log", warned := Warned())
    tries: list[str] = []

    async def not_now(event: UserFollowed) -> None:
        tries.append(event.target_id)
        raise Unavailable(MONGODB)

    async def apply(_event: UserFollowed) -> None:
        return None

    for number in range(3):
        await producer.send_and_wait(kafka.topic("user-followed"), encode(follow()), b"ann", partition=number)
    async with consuming(kafka, followed_by(not_now), backoff_s=(60.0, 60.0)):
        await eventually(lambda: tries)
        async with consuming(kafka, followed_by(apply)) as other:
            await eventually(lambda: other.handled)
    assert warned.events == []


async def test_concurrent_records_start_in_order_and_are_not_repeated(kafka, producer):
    begun, finished, again = [], [], []
    router, reading_on = KafkaRouter(), KafkaRouter()

    async def slow(received: ReceivedEvent[UserFollowed]) -> None:
        begun.append(received.offset)
        await asyncio.sleep(random.uniform(0.01, 0.1))
        finished.append(received.offset)

    @subscribe(router, UserFollowed, service="feed")
    async def on_user_followed(batch: Batch) -> None:
        """Collect them, four at a time."""
        await for_each_record(batch, UserFollowed, slow, concurrency=4)

    @subscribe(reading_on, UserFollowed, service="feed")
    async def on_what_is_left(batch: Batch) -> None:
        """Collect the rest."""
        again.extend(record.offset for record, _ in batch.items)

    for number in range(300):
        await producer.send(kafka.topic("user-followed"), encode(follow(target=f"n{number}")), b"ann")
    await producer.flush()
    async with consuming(kafka, router):
        await eventually(lambda: len(finished) >= 40)
    assert begun == list(range(len(begun)))
    assert sorted(finished) == begun != finished
    assert len(begun) < 300
    async with consuming(kafka, reading_on):
        await eventually(lambda: len(begun) + len(again) >= 300)
    assert begun + again == list(range(300))


async def test_batch_of_slow_records_is_committed_in_parts(kafka, producer):
    seen, acknowledged = [], []

    async def slow(event: UserFollowed) -> None:
        seen.append(event.target_id)
        await asyncio.sleep(0.05)

    targets = [f"n{number}" for number in range(40)]
    for target in targets:
        await producer.send(kafka.topic("user-followed"), encode(follow(target=target)), b"ann")
    await producer.flush()
    async with consuming(kafka, followed_by(slow), max_batch_s=0.3) as consumer_context:
        while len(seen) < len(targets):
            acknowledged.append(sum(consumer_context.handled.values()))
            await asyncio.sleep(0.02)
        await eventually(lambda: sum(consumer_context.handled.values()) == len(targets))
    assert seen == targets
    assert len(set(acknowledged)) > 2


async def test_bug_is_tried_three_times_then_dead_lettered(kafka, producer):
    tries = []

    async def apply(event: UserFollowed) -> None:
        tries.append(event.target_id)
        if event.target_id == "bob":
            raise KeyError("unexpected")

    for target in ("bob", "eve"):
        await producer.send_and_wait(kafka.topic("user-followed"), encode(follow(target=target)), b"ann")
    async with consuming(kafka, followed_by(apply)):
        await eventually(lambda: tries == ["bob", "bob", "bob", "eve"])
        (found,) = await dead_letter(kafka, "user-followed.feed.dlq", 1)
    assert found["error-type"] == b"bug"


async def test_only_the_failing_record_of_a_batch_is_dead_lettered(kafka, producer):
    applied: set[str] = set()

    async def apply(events) -> None:
        if any(received.event.target_id == "evil" for received in events):
            raise InvalidMessage("evil")
        applied.update(received.event.target_id for received in events)

    for target in ("bob", "evil", "eve"):
        await producer.send_and_wait(kafka.topic("user-followed"), encode(follow(target=target)), b"ann", partition=0)
    async with consuming(kafka, followed_by(apply, whole=True)):
        await eventually(lambda: applied == {"bob", "eve"})
        (found,) = await dead_letter(kafka, "user-followed.feed.dlq", 1)
    assert found["error-type"] == b"invalid"


async def test_consecutive_failures_open_the_breaker_of_an_internal_topic(kafka, producer):
    seen = []

    async def apply(event: StoryErased) -> None:
        seen.append(event.store)

    good = erasure()
    for _ in range(BREAKER_THRESHOLD + 50):
        await producer.send(kafka.topic("story-erased"), b"nonsense", b"k", partition=0)
    await producer.send(kafka.topic("story-erased"), good, b"k", partition=0)
    await producer.send_and_wait(kafka.topic("story-erased"), good, b"k", partition=1)
    async with consuming(kafka, erased(apply), "expiry") as consumer_context:
        await eventually(lambda: consumer_context.broken == [kafka.topic("expiry.story-erased")])
        await eventually(lambda: seen == ["feed"])  # another partition is not disturbed
        found = await dead_letter(kafka, "story-erased.expiry.dlq", BREAKER_THRESHOLD)
    assert len(found) == BREAKER_THRESHOLD


async def test_open_breaker_tries_single_records_until_one_succeeds(kafka, producer):
    seen = []

    async def apply(event: StoryErased) -> None:
        seen.append(event.store)

    for _ in range(BREAKER_THRESHOLD + 3):
        await producer.send(kafka.topic("story-erased"), b"nonsense", b"k", partition=0)
    await producer.flush()
    async with consuming(kafka, erased(apply), "expiry", breaker_pause_s=0.2) as consumer_context:
        await eventually(lambda: consumer_context.broken)
        began = asyncio.get_running_loop().time()
        await dead_letter(kafka, "story-erased.expiry.dlq", BREAKER_THRESHOLD + 3)
        assert asyncio.get_running_loop().time() - began > 0.4
        assert consumer_context.broken == [kafka.topic("expiry.story-erased")]
        for _ in range(5):
            await producer.send_and_wait(kafka.topic("story-erased"), erasure(), b"k", partition=0)
        await eventually(lambda: len(seen) == 5)
        await eventually(lambda: not consumer_context.broken)


async def test_breaker_opening_in_a_returned_batch_skips_no_record(kafka, producer):
    seen = []

    async def slow(event: StoryErased) -> None:
        seen.append(event.story_id)
        await asyncio.sleep(0.3)

    topic, stories = kafka.topic("story-erased"), [new_id() for _ in range(4)]
    for story in stories:
        await producer.send(topic, erasure(story), b"k", partition=0)
    for _ in range(BREAKER_THRESHOLD):
        await producer.send(topic, b"nonsense", b"k", partition=0)
    await producer.flush()
    async with consuming(kafka, erased(slow), "expiry", max_batch_s=0.1) as consumer_context:
        await eventually(lambda: consumer_context.broken)
        found = await dead_letter(kafka, "story-erased.expiry.dlq", BREAKER_THRESHOLD)
    assert seen == stories
    assert len(found) == BREAKER_THRESHOLD


@pytest.mark.parametrize("whole", [False, True], ids=["one-by-one", "together"])
async def test_a_bug_that_fails_every_record_opens_the_breaker(kafka, producer, whole):
    seen, broken = [], True

    async def apply(event: StoryErased) -> None:
        if broken and event.story_id != good:
            raise KeyError("unexpected")
        seen.append(event.story_id)

    topic, good, stories = kafka.topic("story-erased"), new_id(), [new_id() for _ in range(BREAKER_THRESHOLD + 50)]
    for story in stories:
        await producer.send(topic, erasure(story), b"k", partition=0)
    await producer.send(topic, erasure(good), b"k", partition=1)
    await producer.flush()
    async with consuming(kafka, erased(apply, whole=whole), "expiry", backoff_s=(0.001, 0.001)) as consumer_context:
        await eventually(lambda: consumer_context.broken == [kafka.topic("expiry.story-erased")])
        found = await dead_letter(kafka, "story-erased.expiry.dlq", BREAKER_THRESHOLD)
        await eventually(lambda: good in seen)
        assert len(found) == BREAKER_THRESHOLD
        assert {row["error-type"] for row in found} == {b"bug"}
    broken = False
    seen.clear()
    async with consuming(kafka, erased(apply, whole=whole), "expiry") as consumer_context:
        await eventually(lambda: seen == stories[BREAKER_THRESHOLD:])
        await eventually(lambda: not consumer_context.broken)


async def test_invalid_external_records_never_make_a_service_unready(kafka, producer):
    for _ in range(BREAKER_THRESHOLD + 20):
        await producer.send(kafka.topic("user-followed"), b"nonsense", b"k", partition=0)
    await producer.flush()
    async with consuming(kafka, followed_by(lambda _event: asyncio.sleep(0))) as consumer_context:
        await eventually(lambda: sum(consumer_context.handled.values()) == BREAKER_THRESHOLD + 20)
        assert consumer_context.broken == []


async def test_breaker_is_removed_with_its_partition(kafka, producer):
    async def apply(_event: StoryErased) -> None:
        return None

    for partition in range(3):
        for _ in range(BREAKER_THRESHOLD):
            await producer.send(kafka.topic("story-erased"), b"nonsense", b"k", partition=partition)
    await producer.flush()
    group = kafka.topic("expiry.story-erased")
    async with consuming(kafka, erased(apply), "expiry") as consumer_context:
        await eventually(lambda: len(open_in(consumer_context, group)) == 3)
        async with consuming(kafka, erased(apply), "expiry"):
            await eventually(lambda: 0 < len(open_in(consumer_context, group)) < 3)


def open_in(consumer_context: ConsumerContext, group: str) -> list[TopicPartition]:
    return [place for place, breaker in consumer_context.breakers.get(group, {}).items() if breaker.open]


async def test_failing_record_of_a_batch_is_found_by_halving(kafka, producer):
    calls: list[int] = []
    applied: list[str] = []

    async def apply(events: Sequence[ReceivedEvent[UserFollowed]]) -> None:
        calls.append(len(events))
        if any(received.event.target_id == "n41" for received in events):
            raise KeyError("unexpected")
        applied.extend(received.event.target_id for received in events)

    targets = [f"n{number}" for number in range(64)]
    async with consuming(kafka, followed_by(apply, whole=True)):
        await producer.send_and_wait(kafka.topic("user-followed"), encode(follow(target="first")), b"k", partition=0)
        await eventually(lambda: applied == ["first"])
        batch = producer.create_batch()
        for target in targets:
            batch.append(key=b"k", value=encode(follow(target=target)), timestamp=None)
        await producer.send_batch(batch, kafka.topic("user-followed"), partition=0)
        await eventually(lambda: len(applied) == len(targets))
        (found,) = await dead_letter(kafka, "user-followed.feed.dlq", 1)
    assert found["error-type"] == b"bug"
    assert applied[1:] == [target for target in targets if target != "n41"]
    assert len(calls) <= 1 + 3 + 2 * 6


async def test_slow_failing_batch_is_committed_in_parts(kafka, producer):
    acknowledged = set()

    async def apply(_events: Sequence[ReceivedEvent[UserFollowed]]) -> None:
        await asyncio.sleep(0.02)
        raise KeyError("unexpected")

    for number in range(40):
        await producer.send(kafka.topic("user-followed"), encode(follow(target=f"n{number}")), b"k", partition=0)
    await producer.flush()
    async with consuming(
        kafka, followed_by(apply, whole=True), max_batch_s=0.4, backoff_s=(0.001, 0.001)
    ) as consumer_context:

        def finished() -> bool:
            acknowledged.add(sum(consumer_context.handled.values()))
            return sum(consumer_context.handled.values()) == 40

        await eventually(finished)
        found = await dead_letter(kafka, "user-followed.feed.dlq", 40)
    assert len(acknowledged) > 2
    assert sorted(int(row["origin-offset"]) for row in found) == list(range(40))


async def test_publisher_recovers_from_a_rejected_record(kafka):
    publisher = Publisher(kafka, "feed")
    await publisher.start()
    try:
        topic = kafka.topic("user-followed")
        with pytest.raises(Exception, match=r"(?i)large|size"):
            await publisher.send([ProducerRecord(topic, b"ann", b"x" * 1_900_000)])
        for _ in range(5):
            await publisher.publish(follow())
    finally:
        await publisher.stop()


async def test_a_busy_partition_does_not_wait_for_the_idle_ones(kafka):
    topic, publisher = kafka.topic("user-followed"), Publisher(kafka, "feed")
    consumer = kafka.reader(auto_offset_reset="earliest", fetch_max_wait_ms=9_000)
    records = [ProducerRecord(topic, b"ann", encode(follow()), partition=0) for _ in range(20)]
    try:
        await publisher.send(records)
        await consumer.start()
        consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
        assert await consumer.getmany(timeout_ms=7_500, max_records=1)
        await asyncio.sleep(0.3)  # a slow handler
        assert await consumer.getmany(timeout_ms=7_500)
        await publisher.send(records[:1])
        assert await consumer.getmany(timeout_ms=7_500)
    finally:
        await consumer.stop()
        await publisher.stop()


async def test_batched_records_go_where_single_ones_go(kafka):
    publisher = Publisher(kafka, "feed")
    events = [follow(f"u{n}", "ann") for n in range(BATCHED_FROM)]
    try:
        await publisher.publish_all(OutgoingEvent(event) for event in events)
        for event in events:
            await publisher.publish(event)
    finally:
        await publisher.stop()
    found = await read_all(kafka, "user-followed", 2 * len(events))
    assert len(found) == 2 * len({(record.key, record.partition) for record in found})
    assert len({tuple(name for name, _ in record.headers) for record in found}) == 1


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 7, 36, 250])
def test_partition_of_a_key_is_that_of_other_clients(length):
    key = bytes(255 - n for n in range(length))
    assert murmur2(key) == partitioner.murmur2(key)


async def test_batches_of_concurrent_requests_keep_the_order_of_a_key(kafka):
    publisher = Publisher(kafka, "feed")
    batches = BatchPublisher(publisher)
    requests = [[follow(f"u{n % 7}", f"{number}-{n}") for n in range(50)] for number in range(20)]
    try:
        await asyncio.gather(*(batches.publish_all(UserFollowed, some) for some in requests))
    finally:
        await publisher.stop()
    found = [follow_of(record) for record in await read_all(kafka, "user-followed", 1_000)]
    for some in requests:
        sent = {event.target_id for event in some}
        for user in {event.user_id for event in some}:
            arrived = [event for event in found if event.user_id == user and event.target_id in sent]
            assert arrived == [event for event in some if event.user_id == user]


async def test_batches_recover_from_a_rejected_record(kafka):
    publisher = Publisher(kafka, "feed")
    batches = BatchPublisher(publisher)
    with pytest.raises(RecordsRefused):
        await publisher.send([ProducerRecord(kafka.topic("user-followed"), b"x", b"x" * 1_100_000)], attempts=1)
    try:
        await batches.publish_all(UserFollowed, [follow("ann", f"u{n}") for n in range(30)])
    finally:
        await publisher.stop()
    found = {follow_of(record).target_id for record in await read_all(kafka, "user-followed", 30)}
    assert found == {f"u{n}" for n in range(30)}


async def test_batches_end_with_unavailable_without_a_broker():
    publisher = Publisher(Kafka("127.0.0.1:1"), "feed", timeout_s=0.2)
    with pytest.raises(Unavailable):
        await BatchPublisher(publisher).publish_all(UserFollowed, [follow()])


async def test_every_subscriber_uses_subscribe():
    router = followed_by(lambda _event: asyncio.sleep(0))
    (subscriber,) = router.subscribers
    assert subscriber.group_id == "feed.user-followed"
    assert subscriber.ack_policy is AckPolicy.NACK_ON_ERROR


async def test_idle_subscriber_polls_once_and_receives_a_record_at_once(kafka, producer):
    seen = []

    async def apply(event: UserFollowed) -> None:
        seen.append(event.target_id)

    async with consuming(kafka, followed_by(apply)):
        await producer.send_and_wait(kafka.topic("user-followed"), encode(follow(target="first")), b"ann")
        await eventually(lambda: seen == ["first"])
        delays = []
        for number in range(5):
            began = asyncio.get_running_loop().time()
            await producer.send_and_wait(kafka.topic("user-followed"), encode(follow(target=f"n{number}")), b"ann")
            await eventually(lambda number=number: seen[-1] == f"n{number}", every_s=0.002)
            delays.append(asyncio.get_running_loop().time() - began)
    assert sorted(delays)[2] < 0.4  # the framework's own loop would sleep for its whole poll time after an empty one


async def test_revocation_times_out_with_a_batch_in_progress(monkeypatch):
    monkeypatch.setattr("stories_shared.kafka.rebalance.REVOKE_TIMEOUT_S", 0.05)
    monkeypatch.setattr("stories_shared.kafka.rebalance.log", warned := Warned())
    member = RebalanceListener()
    with member.batch_in_progress():
        async with asyncio.timeout(2):
            await member.on_partitions_revoked([])
        assert member.rebalancing.is_set()
        assert warned.events == ["rebalance_timeout"]
    await member.on_partitions_assigned([])
    assert not member.rebalancing.is_set()
