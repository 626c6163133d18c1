"""Monitors the consumers: their lag, the age of their oldest record, and whether they make progress."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from stories_shared.kafka.client import Kafka
from stories_shared.kafka.consumer_context import ConsumerContext
from stories_shared.kafka.log_tail import LogTail
from stories_shared.runtime.log_throttle import LogThrottle
from stories_shared.runtime.logging import logger
from stories_shared.runtime.metrics import CommonMetrics
from stories_shared.timeouts import wait_at_most

log = logger(__name__)

CHECK_INTERVAL = timedelta(seconds=2)
REQUEST_TIMEOUT_S = 5.0
# A consumer with unread records, no batch in progress and no progress for so long is stalled.
STALLED_AFTER_S = 90.0
# A batch may retry for a minute, and may never take longer than MAX_POLL_INTERVAL_MS. One that takes this long is
# stalled.
MAX_BATCH_AGE_S = 240.0


@dataclass
class PartitionProgress:
    """One partition of one group: its end offsets that are not handled yet, and when each was first seen."""

    ends: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=1_000))
    handled: int = -1
    moved_at: float = field(default_factory=time.monotonic)

    def update(self, end: int, handled: int, now: float) -> tuple[int, float]:
        """Record the offsets; return the lag in records and for how many seconds the oldest record has waited."""
        if handled != self.handled:
            self.handled, self.moved_at = handled, now
        if not self.ends or self.ends[-1][0] < end:
            self.ends.append((end, now))
        while self.ends and self.ends[0][0] <= handled:
            self.ends.popleft()
        if not self.ends:
            self.moved_at = now
        return max(0, end - handled), now - self.ends[0][1] if self.ends else 0.0


class ConsumerMonitor:
    """Checks every subscriber and log tail; the runtime calls it every two seconds."""

    def __init__(self, kafka: Kafka, consumer_context: ConsumerContext, metrics: CommonMetrics) -> None:
        self.kafka = kafka
        self.consumer_context = consumer_context
        self.metrics = metrics
        self.tails: list[LogTail] = []
        self._progress: dict[tuple[str, TopicPartition], PartitionProgress] = {}
        self._series: set[tuple[str, str, str]] = set()
        self._not_joined_since: dict[str, float] = {}
        self._unresponsive_since: dict[str, float] = {}
        self._log_throttle = LogThrottle()

    async def check(self, subscribers: Iterable[Any]) -> bool:
        """Measure every group's lag and age, and drop partitions that are no longer assigned.

        Returns:
            Whether Kafka answered at least one consumer.
        """
        current: set[tuple[str, TopicPartition]] = set()
        consumers: list[tuple[Any, list[TopicPartition]]] = []
        for subscriber in subscribers:
            if subscriber.consumer is None:
                continue
            assigned = list(subscriber.consumer.assignment())
            self._note_membership(subscriber.group_id, subscriber.consumer, bool(assigned))
            if assigned:
                consumers.append((subscriber, assigned))
        fetched = await asyncio.gather(
            *(self._fetch_offsets(subscriber, assigned) for subscriber, assigned in consumers)
        )
        unresponsive: dict[str, float] = {}
        for (subscriber, _), offsets in zip(consumers, fetched, strict=True):
            group = subscriber.group_id
            if offsets is None:
                unresponsive[group] = self._unresponsive_since.get(group, time.monotonic())
            else:
                self._measure(group, *offsets, current)
        # A consumer without partitions is not asked, so it is no longer unresponsive.
        self._unresponsive_since = unresponsive
        if consumers and not any(fetched):
            self._reset_stall_timers()
            return False
        for tail in self.tails:
            self._measure(tail.name, dict(tail.ends), dict(tail.positions), current)
        for key in self._progress.keys() - current:
            del self._progress[key]
        self._remove_stale_series({(group, self.kafka.plain(p.topic), str(p.partition)) for group, p in current})
        return True

    async def _fetch_offsets(
        self, subscriber: Any, assigned: list[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]] | None:
        """The end offsets and handled offsets of its partitions; None if its client does not answer in time."""

        consumer = subscriber.consumer

        async def fetch() -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
            ends = await consumer.end_offsets(assigned)
            return ends, await self._handled(consumer, subscriber.group_id, ends)

        try:
            return await wait_at_most(REQUEST_TIMEOUT_S, fetch())
        except (KafkaError, ConsumerStoppedError, TimeoutError) as error:
            if self._log_throttle.should_log(subscriber.group_id):
                log.warning(
                    "consumer_unresponsive", group=subscriber.group_id, error=f"{type(error).__name__}: {error}"
                )
            return None

    def reset(self) -> None:
        """Forget all progress: the consumers have stopped."""
        self._progress.clear()
        self._not_joined_since.clear()
        self._unresponsive_since.clear()

    def stalled(self) -> dict[str, str]:
        """The stalled groups in alphabetical order, each with the reason."""
        now = time.monotonic()
        in_progress = {group: now - since for group, since in self.consumer_context.batch_started_at.items()}
        stalled = {
            group: "has unread records and makes no progress"
            for (group, _), progress in self._progress.items()
            if progress.ends and now - progress.moved_at > STALLED_AFTER_S and group not in in_progress
        }
        overlong = {
            group: "one batch takes too long" for group, seconds in in_progress.items() if seconds > MAX_BATCH_AGE_S
        }
        unresponsive = {
            group: "its client does not respond"
            for group, since in self._unresponsive_since.items()
            if now - since > STALLED_AFTER_S
        }
        not_joined = {
            group: "has not joined its group"
            for group, since in self._not_joined_since.items()
            if now - since > STALLED_AFTER_S
        }
        return dict(sorted({**stalled, **overlong, **unresponsive, **not_joined}.items()))

    def _note_membership(self, group: str, consumer: Any, assigned: bool) -> None:
        """A member that has neither partitions nor a generation has not joined its group."""
        coordinator = getattr(consumer, "_coordinator", None)
        if assigned or getattr(coordinator, "generation", 0) >= 0:
            self._not_joined_since.pop(group, None)
        else:
            self._not_joined_since.setdefault(group, time.monotonic())

    def _reset_stall_timers(self) -> None:
        """Kafka does not answer, so no consumer can make progress: restart every timer."""
        now = time.monotonic()
        for progress in self._progress.values():
            progress.moved_at = now
        self._not_joined_since.clear()
        self._unresponsive_since.clear()

    async def _handled(self, consumer: Any, group: str, ends: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The offsets up to which records are handled, by this or by another member of the group.

        Committed offsets are fetched in one request, beginning offsets of unread partitions in another.
        """
        handled = {partition: self.consumer_context.handled.get((group, partition), -1) for partition in ends}
        behind = [partition for partition, end in ends.items() if handled[partition] < end]
        if behind:
            committed = await consumer._coordinator.fetch_committed_offsets(behind)  # noqa: SLF001  (no public one)
            for partition, stored in committed.items():
                handled[partition] = max(handled[partition], stored.offset)
        unread = [partition for partition, at in handled.items() if at < 0]
        return handled | (await consumer.beginning_offsets(unread) if unread else {})

    def _measure(
        self,
        group: str,
        ends: dict[TopicPartition, int],
        handled: dict[TopicPartition, int],
        current: set[tuple[str, TopicPartition]],
    ) -> None:
        now = time.monotonic()
        oldest: dict[str, float] = {}
        for partition, end in ends.items():
            current.add((group, partition))
            progress = self._progress.setdefault((group, partition), PartitionProgress())
            lag, waited = progress.update(end, handled.get(partition, 0), now)
            topic = self.kafka.plain(partition.topic)
            self.metrics.consumer_lag.labels(group, topic, str(partition.partition)).set(lag)
            oldest[topic] = max(oldest.get(topic, 0.0), waited)
        for topic, waited in oldest.items():
            self.metrics.consumer_oldest.labels(group, topic).set(waited)

    def _remove_stale_series(self, series: set[tuple[str, str, str]]) -> None:
        for group, topic, partition in self._series - series:
            self.metrics.consumer_lag.remove(group, topic, partition)
        self._series = series
