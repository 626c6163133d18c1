"""Kafka in: facts about stories, views and people become calls of one verb each."""

from collections.abc import Sequence

from faststream.kafka import KafkaRouter
from stories_shared.events import (
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

from stories_engagement.metrics import EngagementMetrics
from stories_engagement.usecases.blocks import StoreBlock
from stories_engagement.usecases.erasure import EraseUser
from stories_engagement.usecases.stories import EndStories, StoreStories
from stories_engagement.usecases.views import CountViews

SERVICE = "engagement"
VIEWS_AT_ONCE = 4_000
"""Views in one transaction: the more there are, the fewer round trips and writes of counters a view costs. A row takes
300 bytes, so a transaction stays at a tenth of MongoDB's bound of 16 MB."""
ENDINGS_AT_ONCE = 100
"""Stories ended and erased in one batch, milliseconds each: a group that changes waits four seconds for them."""


def story_handlers(keep: StoreStories, end: EndStories) -> KafkaRouter:
    """What happens to stories."""
    router = KafkaRouter()

    @subscribe(router, StoryPosted, SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Keep each story's switches. Replays are harmless: only a higher revision of a living story is kept."""
        await for_batch(batch, StoryPosted, keep)

    @subscribe(router, StoryExpired, SERVICE, max_records=ENDINGS_AT_ONCE)
    async def on_story_expired(batch: Batch) -> None:
        """End and erase each story. Replays are harmless: an ended story stays so and has no rows to erase."""
        await for_batch(batch, StoryExpired, end.expired)

    @subscribe(router, StoryDeleted, SERVICE, max_records=ENDINGS_AT_ONCE)
    async def on_story_deleted(batch: Batch) -> None:
        """End and erase each story. Replays are harmless: an ended story stays so and has no rows to erase."""
        await for_batch(batch, StoryDeleted, end.deleted)

    return router


def view_handlers(count: CountViews, metrics: EngagementMetrics) -> KafkaRouter:
    """Views, from our own clients and from players' telemetry."""
    router = KafkaRouter()

    async def count_and_record(records: Sequence[ReceivedEvent[StoryViewed]]) -> None:
        for outcome, number in (await count(records)).items():
            metrics.views.labels(outcome).inc(number)

    @subscribe(router, StoryViewed, SERVICE, max_records=VIEWS_AT_ONCE)
    async def on_story_viewed(batch: Batch) -> None:
        """Count views, a batch at a time. Replays are harmless: a row keeps each play and counts it once."""
        await for_batch(batch, StoryViewed, count_and_record)

    return router


def user_handlers(keep_block: StoreBlock, erase: EraseUser) -> KafkaRouter:
    """What people decide about each other, and their leaving."""
    router = KafkaRouter()

    @subscribe(router, UserBlocked, SERVICE)
    async def on_user_blocked(batch: Batch) -> None:
        """Keep each block. Replays are harmless: only a newer word about two people is kept."""
        await for_each_record(batch, UserBlocked, keep_block)

    @subscribe(router, UserUnblocked, SERVICE)
    async def on_user_unblocked(batch: Batch) -> None:
        """Keep that a block is lifted. Replays are harmless: only a newer word about two people is kept."""
        await for_each_record(batch, UserUnblocked, keep_block)

    @subscribe(router, UserErased, SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Forget each user. Replays are harmless: what is later than the fact's time stays."""
        await for_each_record(batch, UserErased, erase)

    return router
