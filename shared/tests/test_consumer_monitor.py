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
    """A subscriber and its consumer in one: it answers, or its client is mute."""

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
def watch(monkeypatch: pytest.MonkeyPatch) -> ConsumerMonitor:
    monkeypatch.setattr(consumer_monitor, "STUCK_AFTER_S", 0.0)
    publisher: Any = None
    metrics = CommonMetrics(MetricsRegistry())
    return ConsumerMonitor(Kafka("nowhere:1"), ConsumerContext(publisher, metrics, system_now), metrics, system_now)


async def test_a_mute_client_hangs_until_it_answers_or_has_nothing_to_read(watch: ConsumerMonitor) -> None:
    well, mute = Member("well", mute=False), Member("mute", mute=True)
    assert await watch.look([well, mute])
    assert watch.stuck() == {"mute": "its client does not answer"}
    mute.assigned = set()
    await watch.look([well, mute])
    assert watch.stuck() == {}
    mute.assigned = {PLACE}
    await watch.look([well, mute])
    assert watch.stuck() == {"mute": "its client does not answer"}
    mute.mute = False
    await watch.look([well, mute])
    assert watch.stuck() == {}


async def test_nobody_hangs_who_reads_no_more_or_whom_kafka_does_not_answer(watch: ConsumerMonitor) -> None:
    well, mute = Member("well", mute=False), Member("mute", mute=True)
    await watch.look([well, mute])
    watch.forget()
    assert watch.stuck() == {}
    well.mute = True
    assert not await watch.look([well, mute])
    assert watch.stuck() == {}


async def test_a_partition_that_was_away_and_came_back_is_as_far_as_the_other_member_has_read_it(
    watch: ConsumerMonitor,
) -> None:
    member = Member("group", mute=False)
    watch.consumer_context.handled["group", PLACE] = 5
    member.end, member.by_the_group = 9, 9
    for _ in range(2):
        await watch.look([member])
        assert watch.stuck() == {}
    member.end = 10
    for _ in range(2):
        await watch.look([member])
    assert watch.stuck() == {"group": "records to read, and no move"}


async def test_a_group_is_asked_in_one_request_about_all_partitions_it_has_not_finished(watch: ConsumerMonitor) -> None:
    member = Member("group", mute=False)
    member.assigned, member.end = {TopicPartition("t", number) for number in range(3)}, 5
    watch.consumer_context.handled["group", TopicPartition("t", 1)] = 5
    assert await watch.look([member])
    (asked,) = member.requests
    assert set(asked) == {TopicPartition("t", 0), TopicPartition("t", 2)}
