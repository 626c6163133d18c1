"""Kafka consumers of the feed: each calls one use case."""

from typing import Final

from faststream.kafka import KafkaRouter
from stories_shared.events import (
    StoryDeleted,
    StoryEngaged,
    StoryExpired,
    StoryPosted,
    StoryViewed,
    UserEdge,
    UserErased,
)
from stories_shared.kafka.subscriber import Batch, for_batch, for_each_record, subscribe
from stories_shared.runtime.user_erasure import EraseUser

from stories_feed.usecases.edges import EDGE_EVENTS, ApplyEdgeEvents
from stories_feed.usecases.endings import EndStories
from stories_feed.usecases.seen import MarkSeen, StoreEngagement
from stories_feed.usecases.stories import StoreStories

SERVICE: Final = "feed"
EDGE_BATCH = 2_000
"""Edges in one batch: two transactions, of which each takes some ten milliseconds beside its rows."""


def story_handlers(
    store_stories: StoreStories, end: EndStories, mark_seen: MarkSeen, store_engagement: StoreEngagement
) -> KafkaRouter:
    """Consumers of story events."""
    router = KafkaRouter()

    @subscribe(router, StoryPosted, SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Store each story. Redelivery is harmless: a story is keyed by id and revision, and stays ended."""
        await for_batch(batch, StoryPosted, store_stories)

    @subscribe(router, StoryExpired, SERVICE)
    async def on_story_expired(batch: Batch) -> None:
        """Erase expired stories. Redelivery is harmless: an erasure is idempotent and is published again."""
        await for_batch(batch, StoryExpired, end.expired)

    @subscribe(router, StoryDeleted, SERVICE)
    async def on_story_deleted(batch: Batch) -> None:
        """Erase deleted stories. Redelivery is harmless: an erasure is idempotent and is published again."""
        await for_batch(batch, StoryDeleted, end.deleted)

    @subscribe(router, StoryViewed, SERVICE)
    async def on_story_viewed(batch: Batch) -> None:
        """Mark stories as seen. Redelivery is harmless: a mark is set once, and never for an ended story."""
        await for_batch(batch, StoryViewed, mark_seen)

    @subscribe(router, StoryEngaged, SERVICE)
    async def on_story_engaged(batch: Batch) -> None:
        """Store engagement totals. Redelivery is harmless: the newest total of each kind stays."""
        await for_batch(batch, StoryEngaged, store_engagement)

    return router


def user_handlers(apply_edge_events: ApplyEdgeEvents, erase_user: EraseUser) -> KafkaRouter:
    """Consumers of edge events and of erasures of users."""
    router = KafkaRouter()

    for event in EDGE_EVENTS.values():
        subscribe_edge_event(router, event, apply_edge_events)

    @subscribe(router, UserErased, SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Erase users. Redelivery is harmless: what is later stays, and the erasure is published again."""
        await for_each_record(batch, UserErased, erase_user)

    return router


def subscribe_edge_event(router: KafkaRouter, event: type[UserEdge], apply_edge_events: ApplyEdgeEvents) -> None:
    """Subscribe to one type of edge event."""

    @subscribe(router, event, SERVICE, max_records=EDGE_BATCH)
    async def on_edge_event(batch: Batch) -> None:
        """Apply edge events, a batch at a time. Redelivery is harmless: only a later change has an effect."""
        await for_batch(batch, event, apply_edge_events)
