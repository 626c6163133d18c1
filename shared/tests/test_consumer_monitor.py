"""When a consumer is stalled, and when it no longer is."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import OffsetAndMetadata
from stories_shared.clock import system_now
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.consumer_context import ConsumerContext
from stories_shared.runtime import consumer_monitor
from stories_shared.runtime.consumer_monitor import ConsumerMonitor
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry

PARTITION = TopicPartition("t", 0)


class Member:
    """A subscriber and its consumer in one: it answers, or its client is unresponsive."""

    def __init__(self, group: str, unresponsive: bool) -> None:
        self.group_id, self.unresponsive, self.assigned = group, unresponsive, {PARTITION}
        self.consumer = self._coordinator = self
        self.generation = 1
        self.end = self.committed = 0
        self.requests: list[list[TopicPartition]] = []

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.unresponsive:
            raise KafkaTimeoutError
        return dict.fromkeys(partitions, self.end)

    async def fetch_committed_offsets(
        self, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        self.requests.append(partitions)
        return dict.fromkeys(partitions, OffsetAndMetadata(self.committed, ""))

    def last_poll_timestamp(self, _partition: TopicPartition) -> int:
        return 0


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> ConsumerMonitor:
    monkeypatch.setattr(consumer_monitor, "STALLED_AFTER_S", 0.0)
    publisher: Any = None
    metrics = CommonMetrics(MetricsRegistry())
    return ConsumerMonitor(Kafka("nowhere:1"), ConsumerContext(publisher, metrics, system_now), metrics)


async def test_unresponsive_consumer_is_stalled_until_it_answers(monitor: ConsumerMonitor) -> None:
    well, unresponsive = Member("well", unresponsive=False), Member("unresponsive", unresponsive=True)
    assert await monitor.check([well, unresponsive])
    assert monitor.stalled() == {"unresponsive": "its client does not respond"}
    unresponsive.assigned = set()
    await monitor.check([well, unresponsive])
    assert monitor.stalled() == {}
    unresponsive.assigned = {PARTITION}
    await monitor.check([well, unresponsive])
    assert monitor.stalled() == {"unresponsive": "its client does not respond"}
    unresponsive.unresponsive = False
    await monitor.check([well, unresponsive])
    assert monitor.stalled() == {}


async def test_idle_or_disconnected_consumers_are_not_stalled(monitor: ConsumerMonitor) -> None:
    well, unresponsive = Member("well", unresponsive=False), Member("unresponsive", unresponsive=True)
    await monitor.check([well, unresponsive])
    monitor.reset()
    assert monitor.stalled() == {}
    well.unresponsive = True
    assert not await monitor.check([well, unresponsive])
    assert monitor.stalled() == {}


async def test_reassigned_partition_uses_the_committed_offset(
    monitor: ConsumerMonitor,
) -> None:
    member = Member("group", unresponsive=False)
    monitor.consumer_context.handled["group", PARTITION] = 5
    member.end, member.committed = 9, 9
    for _ in range(2):
        await monitor.check([member])
        assert monitor.stalled() == {}
    member.end = 10
    for _ in range(2):
        await monitor.check([member])
    assert monitor.stalled() == {"group": "has unread records and makes no progress"}


async def test_committed_offsets_are_fetched_in_one_request(
    monitor: ConsumerMonitor,
) -> None:
    member = Member("group", unresponsive=False)
    member.assigned, member.end = {TopicPartition("t", number) for number in range(3)}, 5
    monitor.consumer_context.handled["group", TopicPartition("t", 1)] = 5
    assert await monitor.check([member])
    (consumers,) = member.requests
    assert set(consumers) == {TopicPartition("t", 0), TopicPartition("t", 2)}
