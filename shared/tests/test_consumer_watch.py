"""Who counts as hanging, and who no longer does."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError
from stories_shared.clock import system_now
from stories_shared.consuming import Fates
from stories_shared.kafka import Kafka
from stories_shared.metrics import Catalogue, CommonMetrics
from stories_shared.serving import consumers
from stories_shared.serving.consumers import ConsumerWatch

PLACE = TopicPartition("t", 0)


class Member:
    """A subscriber and its consumer in one: it answers, or its client is mute."""

    def __init__(self, group: str, mute: bool) -> None:
        self.group_id, self.mute, self.assigned = group, mute, {PLACE}
        self.consumer = self._coordinator = self
        self.generation = 1
        self.end = self.by_the_group = 0

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.mute:
            raise KafkaTimeoutError
        return dict.fromkeys(places, self.end)

    async def committed(self, _place: TopicPartition) -> int:
        return self.by_the_group

    def last_poll_timestamp(self, _place: TopicPartition) -> int:
        return 0


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> ConsumerWatch:
    monkeypatch.setattr(consumers, "STUCK_AFTER_S", 0.0)
    publisher: Any = None
    metrics = CommonMetrics(Catalogue())
    return ConsumerWatch(Kafka("nowhere:1"), Fates(publisher, metrics, system_now), metrics, system_now)


async def test_a_mute_client_hangs_until_it_answers_or_has_nothing_to_read(watch: ConsumerWatch) -> None:
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


async def test_nobody_hangs_who_reads_no_more_or_whom_kafka_does_not_answer(watch: ConsumerWatch) -> None:
    well, mute = Member("well", mute=False), Member("mute", mute=True)
    await watch.look([well, mute])
    watch.forget()
    assert watch.stuck() == {}
    well.mute = True
    assert not await watch.look([well, mute])
    assert watch.stuck() == {}


async def test_a_partition_that_was_away_and_came_back_is_as_far_as_the_other_member_has_read_it(
    watch: ConsumerWatch,
) -> None:
    member = Member("group", mute=False)
    watch.fates.handled["group", PLACE] = 5
    member.end, member.by_the_group = 9, 9
    for _ in range(2):
        await watch.look([member])
        assert watch.stuck() == {}
    member.end = 10
    for _ in range(2):
        await watch.look([member])
    assert watch.stuck() == {"group": "records to read, and no move"}


class Slow(Member):
    """It answers where it stands in any partition once it is asked about all."""

    def __init__(self, group: str) -> None:
        super().__init__(group, mute=False)
        self.assigned = {TopicPartition("t", number) for number in range(3)}
        self.asked: set[TopicPartition] = set()
        self.all_asked = asyncio.Event()

    async def committed(self, place: TopicPartition) -> int:
        self.asked.add(place)
        if self.asked == self.assigned:
            self.all_asked.set()
        await self.all_asked.wait()
        return 0


async def test_a_group_is_asked_about_all_its_partitions_at_once(
    watch: ConsumerWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ANSWER_WITHIN_S", 0.5)
    assert await watch.look([Slow("slow")])
    assert watch.stuck() == {}
