"""What the consumers of one process share, with their circuit breakers."""

import asyncio
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from stories_shared.clock import Clock
from stories_shared.kafka.publisher import Publisher
from stories_shared.runtime.metrics import CommonMetrics

# A batch of slow records is committed in parts. Otherwise the group would expel the member and read all of it again.
MAX_BATCH_S = 120.0
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.1, 5.0
BREAKER_THRESHOLD = 100
BREAKER_PAUSE_S = 30.0


@dataclass
class Breaker:
    """A circuit breaker: counts consecutive dead-lettered records of a partition. Too many suggest a bug of ours."""

    streak: int = 0

    @property
    def open(self) -> bool:
        """Whether the partition is limited to one record at a time."""
        return self.streak >= BREAKER_THRESHOLD

    def count(self, *, dead: bool) -> None:
        """Count the next record; the first valid one closes the breaker."""
        self.streak = self.streak + 1 if dead else 0


@dataclass
class ConsumerContext:
    """Shared by the consumers of one process: the publisher of dead letters, the metrics, the shutdown event.

    ``breakers`` are by group and partition, and exist only for topics without external writers.
    """

    publisher: Publisher
    metrics: CommonMetrics
    now: Clock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    breakers: dict[str, dict[TopicPartition, Breaker]] = field(default_factory=dict)
    handled: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    batch_started_at: dict[str, float] = field(default_factory=dict)
    breaker_pause_s: float = BREAKER_PAUSE_S
    max_batch_s: float = MAX_BATCH_S
    backoff_s: tuple[float, float] = (FIRST_BACKOFF_S, LAST_BACKOFF_S)

    def breaker(self, group: str, partition: TopicPartition) -> Breaker:
        """The breaker of one partition in one group."""
        return self.breakers.setdefault(group, {}).setdefault(partition, Breaker())

    @property
    def broken(self) -> list[str]:
        """The groups with an open breaker, for readiness."""
        return sorted(
            group for group, breakers in self.breakers.items() if any(breaker.open for breaker in breakers.values())
        )
