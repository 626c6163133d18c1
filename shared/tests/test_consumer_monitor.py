"""Who counts as hanging, and who no longer does."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import OffsetAndMetadata
from stories_shared.clock import system_now
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.subscriber import ConsumerContext
from stories_shared.runtime import consumer_monitor
from stories_shared.runtime.consumer_monitor import ConsumerMonitor
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry

PLACE = TopicPartition("t", 0)


class Member:
    """A subscriber and its consumer in one: it offsets, or its client is mute."""

    def __init__(self, group: str, mute: bool) -> None:
        self.group_id, self.mute, self.assigned = group, mute, {PLACE}
        self.consumer = self._coordinator = self
        self.generation = 1
        self.end = self.by_the_group = 0
        self.requests: list[list[TopicPartition]] = []

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.mute:
            raise KafkaTimeoutError
        return dict.fromkeys(places, self.end)

    async def fetch_committed_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        self.requests.append(places)
        return dict.fromkeys(places, OffsetAndMetadata(self.by_the_group, ""))

    def last_poll_timestamp(self, _place: TopicPartition) -> int:
        return 0


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> ConsumerMonitor:
    monkeypatch.setattr(consumer_monitor, "STALLED_AFTER_S", 0.0)
    publisher: Any = None
    metrics = CommonMetrics(MetricsRegistry())
    return ConsumerMonitor(Kafka("nowhere:1"), ConsumerContext(publisher, metrics, system_now), metrics, system_now)


async def test_a_mute_client_hangs_until_it_answers_or_has_nothing_to_read(monitor: ConsumerMonitor) -> None:
    well, mute = Member("well", mute=False), Member("mute", mute=True)
    assert await monitor.check([well, mute])
    assert monitor.stalled() == {"mute": "its client does not respond"}
    mute.assigned = set()
    await monitor.check([well, mute])
    assert monitor.stalled() == {}
    mute.assigned = {PLACE}
    await monitor.check([well, mute])
    assert monitor.stalled() == {"mute": "its client does not respond"}
    mute.mute = False
    await monitor.check([well, mute])
    assert monitor.stalled() == {}


async def test_nobody_hangs_who_reads_no_more_or_whom_kafka_does_not_answer(monitor: ConsumerMonitor) -> None:
    well, mute = Member("well", mute=False), Member("mute", mute=True)
    await monitor.check([well, mute])
    monitor.reset()
    assert monitor.stalled() == {}
    well.mute = True
    assert not await monitor.check([well, mute])
    assert monitor.stalled() == {}


async def test_a_partition_that_was_away_and_came_back_is_as_far_as_the_other_member_has_read_it(
    monitor: ConsumerMonitor,
) -> None:
    member = Member("group", mute=False)
    monitor.consumer_context.handled["group", PLACE] = 5
    member.end, member.by_the_group = 9, 9
    for _ in range(2):
        await monitor.check([member])
        assert monitor.stalled() == {}
    member.end = 10
    for _ in range(2):
        await monitor.check([member])
    assert monitor.stalled() == {"group": "has unread records and makes no progress"}


async def test_a_group_is_asked_in_one_request_about_all_partitions_it_has_not_finished(
    monitor: ConsumerMonitor,
) -> None:
    member = Member("group", mute=False)
    member.assigned, member.end = {TopicPartition("t", number) for number in range(3)}, 5
    monitor.consumer_context.handled["group", TopicPartition("t", 1)] = 5
    assert await monitor.check([member])
    (consumers,) = member.requests
    assert set(consumers) == {TopicPartition("t", 0), TopicPartition("t", 2)}
