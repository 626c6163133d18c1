"""The feed's use cases, wired for tests."""

from collections.abc import Callable
from datetime import timedelta

from stories_feed.domain.live import LiveIndex
from stories_feed.domain.ranking import FreshnessAndEngagement, RankedStories
from stories_feed.domain.ttl import TtlPolicy
from stories_feed.testing.builders import DAY, NOON, received
from stories_feed.testing.in_memory import FakeLogStatus, FakeSigner, MemoryRelay, RecordingPublisher
from stories_feed.usecases.build_items import BuildItems
from stories_feed.usecases.edges import ApplyEdgeEvents, ChangeEdge
from stories_feed.usecases.endings import EndStories
from stories_feed.usecases.for_you import ReadForYou
from stories_feed.usecases.reels import ReadReel, ReadReels, ReadStory
from stories_feed.usecases.seen import MarkSeen, MarkSeenUpTo
from stories_feed.usecases.stories import ApplyToIndex, StoreStories
from stories_feed.usecases.trays import ReadRings, ReadTray
from stories_feed.usecases.visible_stories import VisibleStories
from stories_shared.auth.tickets import Tickets
from stories_shared.clock import Clock
from stories_shared.events import StoryPosted
from stories_shared.runtime.user_erasure import EraseUser
from stories_shared.testing import FakeClock

from .stores import Stores, memory_stores


class UseCases:
    """The feed's use cases, over stores in memory unless others are given."""

    def __init__(self, make_stores: Callable[[Clock], Stores] = memory_stores) -> None:
        self.now = FakeClock(NOON)
        stores = make_stores(self.now)
        self.stories, self.edges, self.seen = stores.stories, stores.edges, stores.seen
        self.index, self.log_status = LiveIndex(self.stories.evict), FakeLogStatus()
        self.ranked = RankedStories(FreshnessAndEngagement(4 * 3600, {"reaction": 1.0}))
        self.index.subscribe(self.ranked.on_change)
        self.publisher, self.relay = RecordingPublisher(), MemoryRelay()
        ttl_policy = TtlPolicy(ticket=timedelta(hours=1), restricted=timedelta(minutes=5))
        media, tickets = FakeSigner(), Tickets([("k1", b"0123456789abcdef")])
        visible_stories = VisibleStories(self.index, self.edges, self.stories, self.log_status, self.now)
        build_items = BuildItems(visible_stories, self.stories, media, tickets, ttl_policy)
        self.new_stories: list[str] = []
        self.apply_to_index = ApplyToIndex(
            self.index, DAY, self.now, lambda story: self.new_stories.append(story.story_id), self.ranked.engage
        )
        self.store_stories = StoreStories(self.stories, stores.user_data.erased, self.now)
        self.end = EndStories(self.stories.end, self.publisher.publish_all, self.now)
        self.mark_seen = MarkSeen(self.seen, self.stories.seen_keys, stores.user_data.erased, DAY, self.now)
        self.mark_seen_up_to = MarkSeenUpTo(visible_stories, self.stories.seen_keys, self.seen)
        self.tray = ReadTray(visible_stories, self.edges, self.seen, self.stories, media, ttl_policy)
        self.rings = ReadRings(visible_stories, self.seen, self.stories)
        self.reel = ReadReel(visible_stories, build_items, self.seen)
        self.story = ReadStory(visible_stories, build_items, self.seen)
        self.reels = ReadReels(visible_stories, build_items, self.seen)
        self.for_you = ReadForYou(self.ranked, visible_stories, build_items, self.seen, self.edges)
        self.change_edge = ChangeEdge(self.edges, self.relay, self.now)
        self.apply_edge_events = ApplyEdgeEvents(self.edges)
        self.erase_user = EraseUser(
            "feed", stores.erased_users, stores.user_data.erase, self.publisher.publish, self.now
        )

    async def live(self, *stories: StoryPosted) -> None:
        """Put stories into index and store."""
        for story in stories:
            self.apply_to_index(received(story))
        await self.store_stories([received(story) for story in stories])

    async def reel_ids(self, viewer: str = "bob", author: str = "ann") -> list[str]:
        """The ids of the stories in a reel."""
        return [entry.story.story_id for entry in (await self.reel(viewer, author, None, 20))[0]]
