"""Watches the consumers: how far behind they are, since when, and whether they move at all."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from stories_shared.clock import Clock
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.log_tail import LogTail
from stories_shared.kafka.subscriber import ConsumerContext
from stories_shared.runtime.log_throttle import LogThrottle
from stories_shared.runtime.logging import logger
from stories_shared.runtime.metrics import CommonMetrics
from stories_shared.timeouts import wait_at_most

log = logger(__name__)

CHECK_EVERY = timedelta(seconds=2)
ANSWER_WITHIN_S = 5.0
# A consumer that has records to read, waits for nothing and has not moved for so long hangs.
STUCK_AFTER_S = 90.0
# A batch may wait a minute in place for a dependency, record by record no longer than the broker lets a member be
# silent (MAX_POLL_INTERVAL_MS). One that is in hand for so long hangs.
MAX_BATCH_AGE_S = 240.0


@dataclass
class PartitionProgress:
    """One partition of one group: the ends it has had and when, until they are handled."""

    ends: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=1_000))
    handled: int = -1
    moved_at: float = field(default_factory=time.monotonic)

    def look(self, end: int, handled: int, now: float) -> tuple[int, float]:
        """Take one look and return the lag in records and for how many seconds the oldest has waited."""
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
    """Looks at every subscriber and tail every two seconds."""

    def __init__(self, kafka: Kafka, consumer_context: ConsumerContext, metrics: CommonMetrics, now: Clock) -> None:
        self.kafka = kafka
        self.consumer_context = consumer_context
        self.metrics = metrics
        self.now = now
        self.tails: list[LogTail] = []
        self._watched: dict[tuple[str, TopicPartition], PartitionProgress] = {}
        self._series: set[tuple[str, str, str]] = set()
        self._outside_since: dict[str, float] = {}
        self._silent_since: dict[str, float] = {}
        self._bursts = LogThrottle()

    async def look(self, subscribers: Iterable[Any]) -> bool:
        """Measure every group's lag and age, and forget partitions that are somebody else's now.

        Returns:
            Whether Kafka answered at all.
        """
        there: set[tuple[str, TopicPartition]] = set()
        asked: list[tuple[Any, list[TopicPartition]]] = []
        for subscriber in subscribers:
            if subscriber.consumer is None:
                continue
            assigned = list(subscriber.consumer.assignment())
            self._note_membership(subscriber.group_id, subscriber.consumer, bool(assigned))
            if assigned:
                asked.append((subscriber, assigned))
        answers = await asyncio.gather(*(self._ask(subscriber, assigned) for subscriber, assigned in asked))
        silent: dict[str, float] = {}
        for (subscriber, _), answer in zip(asked, answers, strict=True):
            group = subscriber.group_id
            if answer is None:
                silent[group] = self._silent_since.get(group, time.monotonic())
            else:
                self._measure(group, *answer, there)
        # Who has nothing assigned any more is not asked, and hangs no longer.
        self._silent_since = silent
        if asked and not any(answers):
            self._forgive()
            return False
        for tail in self.tails:
            self._measure(tail.name, dict(tail.ends), dict(tail.positions), there)
        for key in self._watched.keys() - there:
            del self._watched[key]
        self._forget({(group, self.kafka.plain(p.topic), str(p.partition)) for group, p in there})
        return True

    async def _ask(
        self, subscriber: Any, assigned: list[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]] | None:
        """Where its partitions end and how far they are handled; None where its client does not answer in time."""

        consumer = subscriber.consumer

        async def ask() -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
            ends = await consumer.end_offsets(assigned)
            return ends, await self._handled(consumer, subscriber.group_id, ends)

        try:
            return await wait_at_most(ANSWER_WITHIN_S, ask())
        except (KafkaError, ConsumerStoppedError, TimeoutError) as error:
            if self._bursts.due(subscriber.group_id):
                log.warning("consumer_silent", group=subscriber.group_id, error=f"{type(error).__name__}: {error}")
            return None

    def forget(self) -> None:
        """Nobody reads any more, so nobody hangs."""
        self._watched.clear()
        self._outside_since.clear()
        self._silent_since.clear()

    def stuck(self) -> dict[str, str]:
        """Groups that hang, in their order, each with what is wrong with it."""
        now = time.monotonic()
        in_hand = {group: now - since for group, since in self.consumer_context.batch_started_at.items()}
        still = {
            group: "records to read, and no move"
            for (group, _), watched in self._watched.items()
            if watched.ends and now - watched.moved_at > STUCK_AFTER_S and group not in in_hand
        }
        endless = {group: "a batch for ever in hand" for group, seconds in in_hand.items() if seconds > MAX_BATCH_AGE_S}
        mute = {
            group: "its client does not answer"
            for group, since in self._silent_since.items()
            if now - since > STUCK_AFTER_S
        }
        outside = {
            group: "outside of its group" for group, since in self._outside_since.items() if now - since > STUCK_AFTER_S
        }
        return dict(sorted({**still, **endless, **mute, **outside}.items()))

    def _note_membership(self, group: str, consumer: Any, assigned: bool) -> None:
        """A member has partitions or at least a generation; one that never gets either hangs in joining."""
        coordinator = getattr(consumer, "_coordinator", None)
        if assigned or getattr(coordinator, "generation", 0) >= 0:
            self._outside_since.pop(group, None)
        else:
            self._outside_since.setdefault(group, time.monotonic())

    def _forgive(self) -> None:
        """Kafka does not answer: nobody can move, so nobody hangs."""
        now = time.monotonic()
        for watched in self._watched.values():
            watched.moved_at = now
        self._outside_since.clear()
        self._silent_since.clear()

    async def _handled(self, consumer: Any, group: str, ends: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The offsets up to which records are handled: by us, or by whoever else had a partition since.

        In one request for all that the group may have handled, and one for all that nobody has.
        """
        handled = {place: self.consumer_context.handled.get((group, place), -1) for place in ends}
        behind = [place for place, end in ends.items() if handled[place] < end]
        if behind:
            committed = await consumer._coordinator.fetch_committed_offsets(behind)  # noqa: SLF001  (no public one)
            for place, stored in committed.items():
                handled[place] = max(handled[place], stored.offset)
        unread = [place for place, at in handled.items() if at < 0]
        return handled | (await consumer.beginning_offsets(unread) if unread else {})

    def _measure(
        self,
        group: str,
        ends: dict[TopicPartition, int],
        handled: dict[TopicPartition, int],
        there: set[tuple[str, TopicPartition]],
    ) -> None:
        now = time.monotonic()
        oldest: dict[str, float] = {}
        for partition, end in ends.items():
            there.add((group, partition))
            watched = self._watched.setdefault((group, partition), PartitionProgress())
            lag, waited = watched.look(end, handled.get(partition, 0), now)
            topic = self.kafka.plain(partition.topic)
            self.metrics.consumer_lag.labels(group, topic, str(partition.partition)).set(lag)
            oldest[topic] = max(oldest.get(topic, 0.0), waited)
        for topic, waited in oldest.items():
            self.metrics.consumer_oldest.labels(group, topic).set(waited)

    def _forget(self, series: set[tuple[str, str, str]]) -> None:
        for group, topic, partition in self._series - series:
            self.metrics.consumer_lag.remove(group, topic, partition)
        self._series = series
