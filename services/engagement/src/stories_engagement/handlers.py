"""Kafka consumers of engagement. Each calls one use case."""

from collections.abc import Sequence

from faststream.kafka import KafkaRouter
from stories_shared.events import (
    EVENTS,
    Event,
    StoryDeleted,
    StoryExpired,
    StoryPosted,
    StoryViewed,
    UserBlocked,
    UserErased,
    UserUnblocked,
)
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.kafka.subscriber import Batch, for_batch, for_each_record, subscribe
from stories_shared.runtime.user_erasure import EraseUser

from stories_engagement.domain.webhooks import WEBHOOK_EVENTS
from stories_engagement.metrics import EngagementMetrics
from stories_engagement.usecases.blocks import BlockRepository, block_state_of
from stories_engagement.usecases.stories import EndStories, StoreStories
from stories_engagement.usecases.views import CountViews
from stories_engagement.usecases.webhooks import QueueDeliveries

SERVICE = "engagement"
WEBHOOKS = "engagement-webhooks"
"""The second reader of topics, with groups of its own: webhooks neither wait for the counting nor hold it up."""
VIEWS_BATCH = 4_000
"""Views counted at once, in transactions of `TRANSACTION_VIEWS`: the more, the fewer round trips and counter updates
each costs."""
VIEWS_INTERVAL_S = 0.1
"""Between batches of views that are not full: a batch costs a dozen round trips, however few views it has."""
ENDINGS_BATCH = 100
"""Stories ended and erased in one batch, milliseconds each: a rebalance waits four seconds for the batch."""


def story_handlers(store: StoreStories, end: EndStories) -> KafkaRouter:
    """Consumers of stories' events."""
    router = KafkaRouter()

    @subscribe(router, StoryPosted, SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Store each story. Redelivery is harmless: only a higher revision of a live story is stored."""
        await for_batch(batch, StoryPosted, store)

    @subscribe(router, StoryExpired, SERVICE, max_records=ENDINGS_BATCH)
    async def on_story_expired(batch: Batch) -> None:
        """End and erase each story. Redelivery is harmless: an ended story stays ended and has no rows."""
        await for_batch(batch, StoryExpired, end.expired)

    @subscribe(router, StoryDeleted, SERVICE, max_records=ENDINGS_BATCH)
    async def on_story_deleted(batch: Batch) -> None:
        """End and erase each story. Redelivery is harmless: an ended story stays ended and has no rows."""
        await for_batch(batch, StoryDeleted, end.deleted)

    return router


def view_handlers(count: CountViews, metrics: EngagementMetrics) -> KafkaRouter:
    """Consumers of views, from our own clients and from players' telemetry."""
    router = KafkaRouter()

    async def count_and_record(records: Sequence[ReceivedEvent[StoryViewed]]) -> None:
        for outcome, number in (await count(records)).items():
            metrics.views.labels(outcome).inc(number)

    @subscribe(router, StoryViewed, SERVICE, max_records=VIEWS_BATCH, min_interval_s=VIEWS_INTERVAL_S)
    async def on_story_viewed(batch: Batch) -> None:
        """Count views, a batch at a time. Redelivery is harmless: a row keeps each play and counts it once."""
        await for_batch(batch, StoryViewed, count_and_record)

    return router


def webhook_handlers(queue: QueueDeliveries) -> KafkaRouter:
    """Consumers that queue deliveries of webhooks."""
    router = KafkaRouter()

    def queue_events(event: type[Event]) -> None:
        @subscribe(router, event, WEBHOOKS)
        async def on_event(batch: Batch) -> None:
            """Queue a delivery for each endpoint. Redelivery is harmless: its id comes from the event."""
            await for_batch(batch, event, queue)

    for name in WEBHOOK_EVENTS:
        queue_events(EVENTS[name])
    return router


def user_handlers(blocks: BlockRepository, erase: EraseUser) -> KafkaRouter:
    """Consumers of blocks and of user erasures."""
    router = KafkaRouter()

    async def store_block(record: ReceivedEvent[UserBlocked] | ReceivedEvent[UserUnblocked]) -> None:
        await blocks.put(record.event.user_id, record.event.target_id, block_state_of(record))

    @subscribe(router, UserBlocked, SERVICE)
    async def on_user_blocked(batch: Batch) -> None:
        """Store each block. Redelivery is harmless: only a newer state is stored."""
        await for_each_record(batch, UserBlocked, store_block)

    @subscribe(router, UserUnblocked, SERVICE)
    async def on_user_unblocked(batch: Batch) -> None:
        """Lift each block. Redelivery is harmless: only a newer state is stored."""
        await for_each_record(batch, UserUnblocked, store_block)

    @subscribe(router, UserErased, SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Erase each user. Redelivery is harmless: data after the erasure's time stays."""
        await for_each_record(batch, UserErased, erase)

    return router
