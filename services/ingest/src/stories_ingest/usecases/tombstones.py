"""What is said without a mark, and what the log is to forget, in every partition that may hold it.

A key moves when its topic gets partitions. Its tombstone would then lie beside what it is to take away: compaction
finds nothing to take, and since it also joins old segments to young ones, retention drops nothing either for as long
as the topic is written to. So tombstones go wherever the key lay within a story's life.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import Event


class Publisher(Protocol):
    """Speaks to Kafka."""

    async def publish(self, event: Event) -> None:
        """Return when Kafka has acknowledged it. Raises Unavailable("kafka")."""

    async def publish_tombstone(self, event: type[Event], key: str, partition_counts: Collection[int] = ()) -> None:
        """Publish tombstones. Raises Unavailable("kafka")."""

    async def partition_count(self, event: type[Event]) -> int:
        """How many partitions the event's topic has. Raises Unavailable("kafka")."""


class PartitionCounts(Protocol):
    """How many partitions topics have had."""

    async def note(self, topic: str, width: int, at: datetime) -> None:
        """The topic has so many now."""

    async def since(self, topic: str, at: datetime) -> Collection[int]:
        """All numbers that it has had since then."""


@dataclass(frozen=True, slots=True)
class TombstonePublisher:
    """Says and forgets. `kept`: how long ago what is forgotten now may have been said."""

    speaker: Publisher
    widths: PartitionCounts
    kept: timedelta
    now: Clock

    async def publish(self, event: Event) -> None:
        """Return when Kafka has acknowledged it. Raises Unavailable."""
        await self.speaker.publish(event)

    async def forget(self, event: type[Event], key: str) -> None:
        """Say a tombstone wherever the key may lie. Raises Unavailable."""
        await self.speaker.publish_tombstone(event, key, await self.widths.since(event.topic, self.now() - self.kept))

    async def look(self, event: type[Event]) -> None:
        """Note how many partitions the event's topic has. Raises Unavailable."""
        await self.widths.note(event.topic, await self.speaker.partition_count(event), truncate_to_ms(self.now()))
