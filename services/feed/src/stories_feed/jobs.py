"""Loops: what reads the log into the live index, and what tidies up behind it."""

import gc
from datetime import timedelta

from stories_shared.clock import Clock
from stories_shared.events import StoryDeleted, StoryPosted
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.log_tail import LogTail, committed_offsets

from stories_feed.domain.live import LiveIndex, LiveStory
from stories_feed.metrics import FeedMetrics
from stories_feed.usecases.stories import ApplyToIndex, Committed, LoadIndex, Offsets, Snapshot

INDEX = "feed-index"
GROUPS = {f"feed.{event.topic}": event.topic for event in (StoryPosted, StoryDeleted)}
EXPIRE_EVERY = timedelta(seconds=1)
RECHECK_EVERY = timedelta(seconds=30)
MAX_EXPIRED_PER_RUN = 10_000


class LiveIndexConsumer:
    """The log's reader of this replica, and the index that it keeps."""

    def __init__(
        self,
        kafka: Kafka,
        snapshot: Snapshot,
        metrics: FeedMetrics,
        stale_after_s: float,
        longest: timedelta,
        now: Clock,
    ) -> None:
        self.index = LiveIndex(snapshot.forget)
        self.metrics = metrics
        self.now = now
        self._frozen = False
        log = ApplyToIndex(self.index, longest, now, self._appeared)
        load = LoadIndex(self._committed(kafka), snapshot, log)
        self.tail = LogTail(kafka, [StoryPosted, StoryDeleted], log, INDEX, stale_after_s, load)

    @property
    def loaded(self) -> bool:
        """Whether the index has been filled and has caught up with the log once."""
        return self.tail.ready

    def stale(self, key: str) -> bool:
        """Whether the log's partitions of this story have not been heard from in time."""
        return self.tail.stale(key)

    async def tidy(self) -> bool:
        """Let go of what is over and measure what is there; True while there is more to let go."""
        if self.loaded and not self._frozen:
            self._frozen = True
            gc.freeze()  # the collector would go through every live story again and again
        swept = self.index.sweep(self.now(), MAX_EXPIRED_PER_RUN)
        self.metrics.live_authors.set(self.index.live_authors)
        self.metrics.live_stories.set(self.index.live_stories)
        self.metrics.index_load.set(self.tail.load_seconds)
        return swept >= MAX_EXPIRED_PER_RUN

    def _appeared(self, story: LiveStory) -> None:
        if self.tail.ready:
            self.metrics.visible.observe(max(0.0, (self.now() - story.posted_at).total_seconds()))

    @staticmethod
    def _committed(kafka: Kafka) -> Committed:
        async def committed() -> Offsets:
            return await committed_offsets(kafka, GROUPS)

        return committed
