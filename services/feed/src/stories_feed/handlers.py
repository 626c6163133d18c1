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
from stories_shared.kafka.subscriber import Records, each_fact, listen, together

from stories_feed.usecases.edges import EDGE_EVENTS, HearEdges
from stories_feed.usecases.endings import EndStories
from stories_feed.usecases.erasure import ForgetUser
from stories_feed.usecases.seen import KeepEngagement, MarkSeen
from stories_feed.usecases.stories import PostStories

SERVICE = "feed"


def story_handlers(
    post: PostStories, end: EndStories, mark_seen: MarkSeen, keep_engagement: KeepEngagement
) -> KafkaRouter:
    """What happens to stories."""
    router = KafkaRouter()

    @listen(router, StoryPosted, SERVICE)
    async def on_story_posted(batch: Records) -> None:
        """Keep what stories show. Replays are harmless: a story is keyed by id and revision, and stays ended."""
        await together(batch, StoryPosted, post)

    @listen(router, StoryExpired, SERVICE)
    async def on_story_expired(batch: Records) -> None:
        """Erase expired stories. Replays are harmless: what is erased stays so, and is only said again."""
        await together(batch, StoryExpired, end.expired)

    @listen(router, StoryDeleted, SERVICE)
    async def on_story_deleted(batch: Records) -> None:
        """Erase deleted stories. Replays are harmless: what is erased stays so, and is only said again."""
        await together(batch, StoryDeleted, end.deleted)

    @listen(router, StoryViewed, SERVICE)
    async def on_story_viewed(batch: Records) -> None:
        """Mark stories seen. Replays are harmless: a mark is set once, and none for a story that has ended."""
        await together(batch, StoryViewed, mark_seen)

    @listen(router, StoryEngaged, SERVICE)
    async def on_story_engaged(batch: Records) -> None:
        """Keep how much stories engage. Replays are harmless: the newest number of each kind stays."""
        await together(batch, StoryEngaged, keep_engagement)

    return router


def user_handlers(hear: HearEdges, forget: ForgetUser) -> KafkaRouter:
    """What users decide about each other, and that they are to be forgotten."""
    router = KafkaRouter()

    for event in EDGE_EVENTS.values():
        hear_one_kind(router, event, hear)

    @listen(router, UserErased, SERVICE)
    async def on_user_erased(batch: Records) -> None:
        """Forget users. Replays are harmless: an erasure is done once for its time, and only said again."""
        await each_fact(batch, UserErased, forget)

    return router


def hear_one_kind(router: KafkaRouter, event: type[UserEdge], hear: HearEdges) -> None:
    """Subscribe to one kind of decision."""

    @listen(router, event, SERVICE)
    async def on_decision(batch: Records) -> None:
        """Keep decisions, a batch at once. Replays are harmless: of each edge only a later word changes anything."""
        await together(batch, event, hear)
