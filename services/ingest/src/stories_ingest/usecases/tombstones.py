"""Publish tombstones, to every partition that may hold the key.

A key maps to another partition after its topic gets more. A tombstone in the new partition would not compact the old
records, and since compaction merges old segments into young ones, retention would not delete them either while the
topic is written to. So a tombstone is sent to each partition that the key mapped to within a story's lifetime.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import Event

from stories_ingest.usecases.ports import EventPublisher


class PartitionCounts(Protocol):
    """History of topics' partition counts."""

    async def record(self, topic: str, count: int, at: datetime) -> None:
        """Record the current partition count."""

    async def since(self, topic: str, at: datetime) -> Collection[int]:
        """All partition counts since `at`."""


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Publishes tombstones. `retention`: the maximum age of a record that a tombstone must remove."""

    publisher: EventPublisher
    partition_counts: PartitionCounts
    retention: timedelta
    now: Clock

    async def publish_tombstones(self, event: type[Event], keys: Collection[str]) -> None:
        """Publish tombstones in each partition that may hold one of the keys. Raises Unavailable."""
        await self.publisher.publish_tombstones(
            event, keys, await self.partition_counts.since(event.topic, self.now() - self.retention)
        )

    async def record_partition_count(self, event: type[Event]) -> None:
        """Record how many partitions the event's topic has. Raises Unavailable."""
        await self.partition_counts.record(
            event.topic, await self.publisher.partition_count(event), truncate_to_ms(self.now())
        )
