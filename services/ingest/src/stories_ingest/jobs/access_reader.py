"""The reader of blocks and hiding, on every replica that answers requests."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from stories_shared.clock import Clock
from stories_shared.events.cloudevents import ReceivedEvent, Tombstone
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.log_tail import LogTail, committed_offsets

from stories_ingest.domain.access_edges import RecentEdges
from stories_ingest.usecases.access_edges import EDGE_EVENTS, edge_of


class AccessReader:
    """Reads edges into memory, from where MongoDB has them, and knows whether it has read all."""

    def __init__(self, kafka: Kafka, recent: RecentEdges, stale_after: timedelta, now: Clock) -> None:
        self._kafka = kafka
        self._recent = recent
        self._now = now
        self.tail = LogTail(kafka, EDGE_EVENTS, self.apply, "ingest-edges", stale_after.total_seconds(), self.start)

    def is_stale(self, *user_ids: str) -> bool:
        """Whether the partitions of these users may have unread records."""
        return self.tail.any_stale() and any(self.tail.stale(user_id) for user_id in user_ids)

    def apply(self, record: ReceivedEvent[Any] | Tombstone) -> None:
        """Keep the state of an edge."""
        if not isinstance(record, Tombstone):
            self._recent.put(*edge_of(record), self._now())

    async def start(self) -> Mapping[tuple[str, int], int]:
        """The offsets from which to read: what the consumers have committed is in MongoDB."""
        return await committed_offsets(self._kafka, {f"ingest.{event.topic}": event.topic for event in EDGE_EVENTS})
