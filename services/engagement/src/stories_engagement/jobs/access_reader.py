"""Background tasks: the reader of access events, and the pruning of the access state."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from stories_shared.clock import Clock
from stories_shared.events import StoryDeleted, StoryExpired, StoryPosted, UserBlocked, UserErased, UserUnblocked
from stories_shared.events.cloudevents import ReceivedEvent, Tombstone
from stories_shared.events.external_producers import clamp_to_append_time, is_authorized_deletion
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.log_tail import LogTail, committed_offsets

from stories_engagement.domain.access_state import ENDED_RETENTION, AccessState
from stories_engagement.metrics import EngagementMetrics
from stories_engagement.usecases.blocks import DropStoredBlocks, block_state_of
from stories_engagement.usecases.stories import StoryRepository, live_story_of

ACCESS_EVENTS = (StoryPosted, StoryDeleted, StoryExpired, UserBlocked, UserUnblocked, UserErased)
"""The events that decide whether a ticket is valid."""


class AccessReader:
    """Reads endings, blocks and access revisions into the access state, on every replica."""

    def __init__(
        self,
        kafka: Kafka,
        access_state: AccessState,
        stories: StoryRepository,
        stale_after: timedelta,
        now: Clock,
    ) -> None:
        self._kafka = kafka
        self._access_state = access_state
        self._stories = stories
        self._now = now
        self.tail = LogTail(
            kafka, ACCESS_EVENTS, self.apply, "engagement-access", stale_after.total_seconds(), self.start
        )

    def is_stale(self, story_id: str, *user_ids: str) -> bool:
        """Whether the partitions of this story or these users may have unread records."""
        return self.tail.any_stale() and any(self.tail.stale(key) for key in (story_id, *user_ids))

    def apply(self, record: ReceivedEvent[Any] | Tombstone) -> None:
        """Apply one record. The order of topics does not matter: endings are final, the rest has revisions or times."""
        if isinstance(record, Tombstone):
            return
        event = record.event
        if isinstance(event, StoryPosted):
            self._access_state.post(event.story_id, live_story_of(event))
        elif isinstance(event, StoryDeleted):
            if is_authorized_deletion(record):
                self._access_state.end(event.story_id, self._now())
        elif isinstance(event, StoryExpired):
            if event.expires_at <= self._now():
                self._access_state.end(event.story_id, self._now())
        elif isinstance(event, UserErased):
            self._access_state.erase(event.user_id, clamp_to_append_time(record, event.at), self._now())
        else:
            self._access_state.block(event.user_id, event.target_id, block_state_of(record), self._now())

    async def start(self) -> Mapping[tuple[str, int], int]:
        """Load the snapshot; return the offsets committed before it, from which to read the log.

        Blocks are not in the snapshot: stored ones are read from MongoDB.
        """
        offsets = await committed_offsets(
            self._kafka, {f"engagement.{event.topic}": event.topic for event in ACCESS_EVENTS}
        )
        async for story_id, received_at in self._stories.ended_since(self._now() - ENDED_RETENTION):
            self._access_state.end(story_id, received_at)
        async for story_id, story in self._stories.live():
            self._access_state.post(story_id, story)
        return offsets


@dataclass(frozen=True, slots=True)
class PruneAccessState:
    """Prunes the access state, in steps that yield to the event loop."""

    access_state: AccessState
    drop_blocks: DropStoredBlocks
    metrics: EngagementMetrics
    now: Clock

    async def __call__(self) -> bool:
        """One step; true while there may be more."""
        more = await self.drop_blocks()
        more = self.access_state.prune(self.now()) or more
        for kind, size in self.access_state.sizes().items():
            self.metrics.access_state.labels(kind).set(size)
        await asyncio.sleep(0)
        return more
