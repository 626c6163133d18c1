"""A service that is told to stop in the middle of its work: in time, with 0, and nothing finished is done again."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from aiokafka import TopicPartition
from stories_shared.clock import system_now
from stories_shared.events import StoryDeleted
from stories_shared.ids import new_id
from stories_shared.kafka import Kafka
from stories_shared.publishing import Publisher, Saying
from stories_shared.tailing import committed_offsets
from stories_shared.testing import eventually

from .fleet import SERVICES, Fleet

STOP_SECONDS = 10.0
RECORDS = 4_000
UNDER_WAY = 100
ASKED = {
    "ingest": "/v1/me/stories",
    "feed": "/v1/tray",
    "engagement": "/v1/me/privacy",
    "expiry": "/v1/admin/erasure",
}
TOPIC = StoryDeleted.topic


@pytest.fixture
async def publisher(fleet: Fleet) -> AsyncIterator[Publisher]:
    """Says what ingest would."""
    made = Publisher(Kafka(fleet.realm["KAFKA_BOOTSTRAP_SERVERS"], fleet.realm.prefix), "ingest")
    await made.start()
    yield made
    await made.stop()


async def handled(fleet: Fleet, service: str) -> int:
    """Deletions that this process has handled so far."""
    found = re.findall(
        r'stories_event_age_seconds_count\{group="[^"]*",topic="[^"]*story-deleted"\} (\S+)',
        await fleet.metrics(service),
    )
    return int(sum(map(float, found)))


async def ends(kafka: Kafka) -> dict[int, int]:
    """Where each partition of the topic ends."""
    reader = kafka.reader()
    await reader.start()
    try:
        found = await reader.end_offsets([TopicPartition(kafka.topic(TOPIC), number) for number in range(3)])
    finally:
        await reader.stop()
    return {place.partition: end for place, end in found.items()}


async def committed(kafka: Kafka, service: str) -> dict[int, int]:
    """What the service's group has acknowledged."""
    found = await committed_offsets(kafka, {f"{service}.{TOPIC}": TOPIC})
    return {partition: offset for (_, partition), offset in found.items()}


async def ask_until_it_is_gone(fleet: Fleet, service: str, statuses: list[int]) -> None:
    """One client."""
    with contextlib.suppress(httpx.HTTPError):
        while True:
            answer = await fleet.call(service, "GET", ASKED[service], "bob")
            statuses.append(answer.status_code)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_under_load_stops_in_time_and_nothing_finished_is_done_again(
    fleet: Fleet, publisher: Publisher, service: str
) -> None:
    await fleet.ready(60)
    before, statuses = await handled(fleet, service), []
    asking = [asyncio.create_task(ask_until_it_is_gone(fleet, service, statuses)) for _ in range(4)]
    deletions = [StoryDeleted(story_id=new_id(), deleted_at=system_now(), by="admin") for _ in range(RECORDS)]
    saying = asyncio.create_task(publisher.say_all([Saying(deletion) for deletion in deletions]))

    async def under_way() -> bool:
        return await handled(fleet, service) - before >= UNDER_WAY

    await eventually(under_way, within_s=60)
    code, took = await fleet.stop(service)
    assert (code, took < STOP_SECONDS) == (0, True), took
    await asyncio.gather(saying, *asking)
    assert statuses
    assert max(statuses) < 500
    last = fleet.logged(service, "stopped")[-1]["handled"]
    group = publisher.kafka.topic(f"{service}.{TOPIC}")
    done = {int(place.rpartition("/")[2]): at for place, at in last.items() if place.startswith(f"{group}/")}
    assert {place: at for place, at in (await committed(publisher.kafka, service)).items() if place in done} == done
    fleet.start(service)
    await fleet.ready(60)

    async def drained() -> bool:
        return await committed(publisher.kafka, service) == await ends(publisher.kafka)

    await eventually(drained, within_s=90, every_s=0.5)
    end = await ends(publisher.kafka)
    assert await handled(fleet, service) <= sum(end.values()) - sum(done.values())
