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
from stories_shared.events.cloudevents import Fact
from stories_shared.kafka.subscriber import Records, each_fact, listen, together

from stories_engagement.metrics import EngagementMetrics
from stories_engagement.usecases.stories import EndStories, KeepStories
from stories_engagement.usecases.users import EraseUser, KeepBlock
from stories_engagement.usecases.views import CountViews

SERVICE = "engagement"
VIEWS_AT_ONCE = 4_000
"""Views in one transaction: the more there are, the fewer round trips and writes of counters a view costs. A row takes
300 bytes, so a transaction stays at a tenth of MongoDB's bound of 16 MB."""
ENDINGS_AT_ONCE = 100
"""Stories ended and erased in one batch, milliseconds each: a group that changes waits four seconds for them."""


def story_handlers(keep: KeepStories, end: EndStories) -> KafkaRouter:
    """What happens to stories."""
    router = KafkaRouter()

    @listen(router, StoryPosted, SERVICE)
    async def on_story_posted(batch: Records) -> None:
        """Keep each story's switches. Replays are harmless: only a higher revision of a living story is kept."""
        await together(batch, StoryPosted, keep)

    @listen(router, StoryExpired, SERVICE, max_records=ENDINGS_AT_ONCE)
    async def on_story_expired(batch: Records) -> None:
        """End and erase each story. Replays are harmless: an ended story stays so and has no rows to erase."""
        await together(batch, StoryExpired, end.expired)

    @listen(router, StoryDeleted, SERVICE, max_records=ENDINGS_AT_ONCE)
    async def on_story_deleted(batch: Records) -> None:
        """End and erase each story. Replays are harmless: an ended story stays so and has no rows to erase."""
        await together(batch, StoryDeleted, end.deleted)

    return router


def view_handlers(count: CountViews, metrics: EngagementMetrics) -> KafkaRouter:
    """Views, from our own clients and from players' telemetry."""
    router = KafkaRouter()

    async def counted(facts: Sequence[Fact[StoryViewed]]) -> None:
        for outcome, number in (await count(facts)).items():
            metrics.views.labels(outcome).inc(number)

    @listen(router, StoryViewed, SERVICE, max_records=VIEWS_AT_ONCE)
    async def on_story_viewed(batch: Records) -> None:
        """Count views, a batch at a time. Replays are harmless: a row keeps each play and counts it once."""
        await together(batch, StoryViewed, counted)

    return router


def people_handlers(keep_block: KeepBlock, erase: EraseUser) -> KafkaRouter:
    """What people decide about each other, and their leaving."""
    router = KafkaRouter()

    @listen(router, UserBlocked, SERVICE)
    async def on_user_blocked(batch: Records) -> None:
        """Keep each block. Replays are harmless: only a newer word about two people is kept."""
        await each_fact(batch, UserBlocked, keep_block)

    @listen(router, UserUnblocked, SERVICE)
    async def on_user_unblocked(batch: Records) -> None:
        """Keep that a block is lifted. Replays are harmless: only a newer word about two people is kept."""
        await each_fact(batch, UserUnblocked, keep_block)

    @listen(router, UserErased, SERVICE)
    async def on_user_erased(batch: Records) -> None:
        """Forget each user. Replays are harmless: what is later than the fact's time stays."""
        await each_fact(batch, UserErased, erase)

    return router
