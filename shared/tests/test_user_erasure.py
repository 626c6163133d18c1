"""The erasure of a user's data: confirmed when it is done, in iterations if it is large, and done a second time."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from stories_embedded.testing import Servers
from stories_shared.events import UserDataErased, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.runtime.user_erasure import LEASE, RECHECK_AFTER, ErasedUsers, EraseUser
from stories_shared.testing import FakeClock
from stories_shared.testing.erased_users import MemoryErasedUsers
from stories_shared.testing.query_plans import CommandRecorder, slow_plans


class Service:
    """A service whose data about a user are so many rows; each takes a moment."""

    def __init__(self, erased_users: ErasedUsers, now: FakeClock) -> None:
        self.now = now
        self.rows: dict[str, int] = {}
        self.erased_until: list[datetime] = []
        self.confirmed: list[str] = []
        self.broken = False
        self.erase_user = EraseUser("feed", erased_users, self.erase, self.publish, now, timedelta(milliseconds=50))

    async def erase(self, user_id: str, until: datetime) -> None:
        if self.broken:
            raise TimeoutError
        self.erased_until.append(until)
        while self.rows.get(user_id, 0) > 0:
            await asyncio.sleep(0.005)
            self.rows[user_id] -= 1

    async def publish(self, event: UserDataErased) -> None:
        self.confirmed.append(event.receipt_id)

    async def receive(self, user_id: str, at: datetime, receipt_id: str) -> None:
        event = UserErased(user_id=user_id, at=at, receipt_id=receipt_id)
        await self.erase_user(ReceivedEvent(event, b"", event.topic, 0, 0, "/stories/expiry", new_id(), at, at))

    async def resume(self) -> int:
        """Iterations until nothing is due."""
        iterations = 0
        while await self.erase_user.resume():
            iterations += 1
        return iterations


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.servers)])
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    now = FakeClock()
    if request.param == "memory":
        yield Service(MemoryErasedUsers(), now)
        return
    servers: Servers = request.getfixturevalue("servers")
    recorder = CommandRecorder()
    mongo = Mongo.connect(servers.mongo_url, f"erasure_{uuid.uuid4().hex[:8]}", listeners=[recorder])
    await MongoErasedUsers.ensure(mongo)
    marks = MongoErasedUsers(mongo, now)
    for n in range(300):
        await marks.finish(await marks.mark(f"earlier{n}", now(), "receipt", now()), None)
    yield Service(marks, now)
    assert await slow_plans(mongo, recorder.commands) == []
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


async def test_erasure_is_confirmed_on_each_delivery_and_done_twice(service: Service) -> None:
    at = service.now()
    for receipt_id in ("one", "one", "two"):
        await service.receive("ann", at, receipt_id)
    assert service.confirmed == ["one", "one", "two"]
    service.rows["ann"] = 1
    assert await service.resume() == 0
    service.now.at += RECHECK_AFTER
    assert (await service.resume(), service.rows["ann"]) == (1, 0)
    service.now.at += RECHECK_AFTER
    assert (await service.resume(), service.confirmed) == (0, ["one", "one", "two"])


async def test_large_erasure_goes_on_in_the_background(service: Service) -> None:
    service.rows = {"heavy": 60}
    await service.receive("heavy", service.now(), "heavy")
    assert service.rows["heavy"] > 0
    await service.receive("light", service.now(), "light")
    assert service.confirmed == ["light"]
    service.now.at += timedelta(milliseconds=1)
    assert await service.resume() > 1
    assert (service.rows["heavy"], service.confirmed) == (0, ["light", "heavy"])


async def test_large_erasures_take_turns(service: Service) -> None:
    service.rows = {"first": 200, "second": 5}
    for user_id in service.rows:
        await service.receive(user_id, service.now(), user_id)
        service.now.at += timedelta(milliseconds=1)
    for _ in range(3):
        await service.erase_user.resume()
        service.now.at += timedelta(milliseconds=1)
    assert (service.confirmed, service.rows["first"] > 0) == (["second"], True)


async def test_erasure_of_a_dead_replica_is_taken_over(service: Service) -> None:
    service.broken = True
    with pytest.raises(TimeoutError):
        await service.receive("ann", service.now(), "receipt")
    service.broken = False
    assert await service.resume() == 0
    service.now.at += LEASE
    assert (await service.resume(), service.confirmed) == (1, ["receipt"])


async def test_older_erasure_does_not_revive_what_a_newer_one_erased(service: Service) -> None:
    later = service.now()
    await service.receive("ann", later, "later")
    await service.receive("ann", later - timedelta(days=1), "older")
    assert (service.erased_until, service.confirmed) == ([later, later], ["later", "older"])
