"""Background tasks: the consumer that maintains the live index, and the sweep of expired stories."""

import gc
from datetime import timedelta
from functools import partial

from stories_shared.clock import Clock, epoch_ms
from stories_shared.events import StoryDeleted, StoryEngaged, StoryPosted
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.log_tail import LogTail, committed_offsets
from stories_shared.runtime.wakeup import Wakeup

from stories_feed.domain.live import LiveIndex, LiveStory
from stories_feed.domain.ranking import RankedStories
from stories_feed.metrics import FeedMetrics
from stories_feed.usecases.live_updates import LiveUpdates
from stories_feed.usecases.ports import StoryRepository
from stories_feed.usecases.stories import ApplyToIndex, LoadIndex

INDEX = "feed-index"
GROUPS = {f"feed.{event.topic}": event.topic for event in (StoryPosted, StoryDeleted, StoryEngaged)}
EXPIRE_EVERY = timedelta(seconds=1)
MAX_EXPIRED_PER_RUN = 10_000
ANNOUNCE_EVERY = timedelta(seconds=1)
ROLLOUT_EVERY = timedelta(seconds=2)  # contract: reloaded within 5 s
POLL_EVERY = timedelta(seconds=1)
HEARTBEAT_EVERY = timedelta(seconds=10)  # contract: at most 15
# How soon a story is announced whose document another replica is about to store.
ANNOUNCE_AGAIN_S, IDLE_S = 0.05, 5.0


class LiveIndexConsumer:
    """Maintains this replica's live index from the topics."""

    def __init__(
        self,
        kafka: Kafka,
        stories: StoryRepository,
        metrics: FeedMetrics,
        stale_after_s: float,
        max_lifetime: timedelta,
        now: Clock,
        ranked: RankedStories,
    ) -> None:
        self.ranked = ranked
        self.index = LiveIndex(stories.evict)
        self.metrics = metrics
        self.now = now
        self._frozen = False
        self.index.subscribe(ranked.on_change)
        apply = ApplyToIndex(self.index, max_lifetime, now, self._on_new_story, ranked.engage)
        load = LoadIndex(partial(committed_offsets, kafka, GROUPS), stories, apply)
        self.tail = LogTail(
            kafka,
            [StoryPosted, StoryDeleted, StoryEngaged],
            apply,
            INDEX,
            stale_after_s,
            load,
            may_be_stale=[StoryEngaged],
        )

    async def expire(self) -> bool:
        """Remove a bounded number of expired stories and update the gauges; True while there are more."""
        if self.tail.ready and not self._frozen:
            self._frozen = True
            gc.freeze()  # otherwise every collection traverses all live stories
        self.ranked.tick(epoch_ms(self.now()))
        swept = self.index.sweep(self.now(), MAX_EXPIRED_PER_RUN)
        self.metrics.live_authors.set(self.index.live_authors)
        self.metrics.live_stories.set(self.index.live_stories)
        self.metrics.index_load.set(self.tail.load_seconds)
        return swept >= MAX_EXPIRED_PER_RUN

    def _on_new_story(self, story: LiveStory) -> None:
        if self.tail.ready:
            self.metrics.visible.observe(max(0.0, (self.now() - story.posted_at).total_seconds()))


class LiveUpdatesJob:
    """Sends live updates: changes of the index at once, everything else once a second."""

    def __init__(self, updates: LiveUpdates, wakeup: Wakeup, metrics: FeedMetrics) -> None:
        self.updates = updates
        self.wakeup = wakeup
        self.metrics = metrics
        self.iterations = 0

    async def announce(self) -> None:
        """Announce changes of the index for ever."""
        while True:
            await self.wakeup.wait(ANNOUNCE_AGAIN_S if self.updates.waiting else IDLE_S)
            await self.updates.announce()
            self.iterations += 1

    async def poll(self) -> None:
        """Poll for changes that the index does not tell."""
        self.metrics.live_connections.set(self.updates.connections)
        await self.updates.poll()

    async def heartbeat(self) -> None:
        """Send a comment to every client."""
        self.updates.heartbeat()
