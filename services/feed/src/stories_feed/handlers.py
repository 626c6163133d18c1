"""Kafka in: facts from other services and from outsiders become calls of one verb each."""

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

from stories_feed.usecases.edges import EDGE_EVENTS, ApplyEdgeEvents
from stories_feed.usecases.endings import EndStories
from stories_feed.usecases.erasure import EraseUser
from stories_feed.usecases.seen import MarkSeen, StoreEngagement
from stories_feed.usecases.stories import StoreStories

SERVICE = "feed"


def story_handlers(
    post: StoreStories, end: EndStories, mark_seen: MarkSeen, keep_engagement: StoreEngagement
) -> KafkaRouter:
    """What happens to stories."""
    router = KafkaRouter()

    @subscribe(router, StoryPosted, SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Keep what stories show. Replays are harmless: a story is keyed by id and revision, and stays ended."""
        await for_batch(batch, StoryPosted, post)

    @subscribe(router, StoryExpired, SERVICE)
    async def on_story_expired(batch: Batch) -> None:
        """Erase expired stories. Replays are harmless: what is erased stays so, and is only said again."""
        await for_batch(batch, StoryExpired, end.expired)

    @subscribe(router, StoryDeleted, SERVICE)
    async def on_story_deleted(batch: Batch) -> None:
        """Erase deleted stories. Replays are harmless: what is erased stays so, and is only said again."""
        await for_batch(batch, StoryDeleted, end.deleted)

    @subscribe(router, StoryViewed, SERVICE)
    async def on_story_viewed(batch: Batch) -> None:
        """Mark stories seen. Replays are harmless: a mark is set once, and none for a story that has ended."""
        await for_batch(batch, StoryViewed, mark_seen)

    @subscribe(router, StoryEngaged, SERVICE)
    async def on_story_engaged(batch: Batch) -> None:
        """Keep how much stories engage. Replays are harmless: the newest number of each kind stays."""
        await for_batch(batch, StoryEngaged, keep_engagement)

    return router


def user_handlers(hear: ApplyEdgeEvents, forget: EraseUser) -> KafkaRouter:
    """What users decide about each other, and that they are to be forgotten."""
    router = KafkaRouter()

    for event in EDGE_EVENTS.values():
        subscribe_edge_event(router, event, hear)

    @subscribe(router, UserErased, SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Forget users. Replays are harmless: an erasure is done once for its time, and only said again."""
        await for_each_record(batch, UserErased, forget)

    return router


def subscribe_edge_event(router: KafkaRouter, event: type[UserEdge], hear: ApplyEdgeEvents) -> None:
    """Subscribe to one kind of decision."""

    @subscribe(router, event, SERVICE)
    async def on_edge_event(batch: Batch) -> None:
        """Keep decisions, a batch at once. Replays are harmless: of each edge only a later word changes anything."""
        await for_batch(batch, event, hear)
