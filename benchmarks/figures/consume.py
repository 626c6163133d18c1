"""Records of a topic to a handler that does nothing, beside a bare consumer."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from aiokafka import AIOKafkaConsumer
from faststream.kafka import KafkaRouter
from stories_embedded.testing import IsolatedNamespace
from stories_engagement.handlers import VIEWS_BATCH
from stories_engagement.testing.builders import a_story
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import Event, StoryPosted, StoryViewed, UserFollowed
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.kafka.subscriber import Batch, for_batch, subscribe
from stories_shared.testing import consuming

from ..bench import Bench
from ..registry import figure
from ..results import Cost, Result, Sample, compare
from ..services import kafka_of, ready_to_send

RECORDS = 40_000
SERVICE = "feed"


def viewed(number: int) -> StoryViewed:
    """A view by a new viewer."""
    at = truncate_to_ms(system_now())
    return StoryViewed(
        story_id=new_id(),
        author_id=f"author{number}",
        viewer_id=new_id(),
        play_id=new_id(),
        viewed_at=at,
        watched_ms=900,
    )


def followed(number: int) -> UserFollowed:
    """A follow by a new follower."""
    return UserFollowed(user_id=new_id(), target_id=f"author{number}", at=truncate_to_ms(system_now()))


def posted(number: int) -> StoryPosted:
    """A story of a new author."""
    return a_story(f"author{number}")


KINDS: Sequence[tuple[type[Event], Callable[[int], Event], int, float | None]] = (
    (StoryViewed, viewed, VIEWS_BATCH, 0.6),
    (UserFollowed, followed, 500, None),
    (StoryPosted, posted, 500, None),
)
"""The topics, their records, the largest batch of a service, and the ratio that is good enough for hot topics."""


@figure("consume")
async def consume(bench: Bench) -> Sequence[Result]:
    """Records decoded and handled by a handler that does nothing, beside a bare `getmany` of the same records."""
    number, namespace, results = bench.plan.scaled(RECORDS, 20_000), IsolatedNamespace(bench.servers), list[Result]()
    kafka = kafka_of(namespace)
    publisher = Publisher(kafka, "ingest")
    try:
        for event, make, size, at_least in KINDS:
            await namespace.topic(event.topic)
            records = [publisher.record_of(OutgoingEvent(make(n))) for n in range(number)]
            async with ready_to_send(kafka, records) as send:
                await send()
            note = f"{number:,} records in batches of at most {size:,}, from the first batch to the last"
            results.append(
                await compare(
                    f"consume-{event.topic}", "records/s", partial(through_subscriber, kafka, event, size, number),
                    bench.plan, peer="a bare getmany", limit=partial(through_getmany, kafka, event, size, number),
                    at_least=at_least, note=note,
                )
            )  # fmt: skip
    finally:
        await namespace.remove()
    return results


class Meter:
    """Counts records from the end of the first batch, so that joining the group is not measured."""

    def __init__(self, number: int) -> None:
        self.number, self.seen, self.first, self.done = number, 0, 0, asyncio.Event()

    def count(self, records: int) -> None:
        """A batch was handled."""
        if not self.seen:
            self.cost, self.first = Cost(time.process_time), records
        self.seen += records
        if self.seen >= self.number and not self.done.is_set():
            self.sample = self.cost.sample(self.seen - self.first)
            self.done.set()


async def through_subscriber(kafka: Kafka, event: type[Event], size: int, number: int) -> Sample:
    """As a service consumes them, in a group of its own."""
    router, meter = KafkaRouter(), Meter(number)

    async def nothing(records: Sequence[ReceivedEvent[Event]]) -> None:
        meter.count(len(records))

    @subscribe(router, event, f"{SERVICE}-{new_id()}", max_records=size)
    async def on_records(batch: Batch) -> None:
        await for_batch(batch, event, nothing)

    async with consuming(kafka, router, SERVICE), asyncio.timeout(120):
        await meter.done.wait()
    return meter.sample


async def through_getmany(kafka: Kafka, event: type[Event], size: int, number: int) -> Sample:
    """As nothing but aiokafka reads them, neither decoded nor committed."""
    meter = Meter(number)
    consumer = AIOKafkaConsumer(kafka.topic(event.topic), **kafka.arguments, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(120):
            while not meter.done.is_set():
                found = await consumer.getmany(timeout_ms=1_000, max_records=size)
                if records := sum(map(len, found.values())):
                    meter.count(records)
    finally:
        await consumer.stop()
    return meter.sample
