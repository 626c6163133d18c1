"""Leases: one replica holds, renews and loses them."""

from collections.abc import AsyncIterator

import pytest
from stories_embedded.testing import Realm
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.leases import LEASE_FOR, Leases
from stories_shared.testing import HandClock
from stories_shared.testing.query_plans import CommandRecorder, slow_plans


@pytest.fixture
def recorder() -> CommandRecorder:
    return CommandRecorder()


@pytest.fixture
async def mongo(realm: Realm, recorder: CommandRecorder) -> AsyncIterator[Mongo]:
    connected = Mongo.connect(realm["MONGO_URL"], realm["MONGO_DATABASE"], listeners=[recorder])
    await Leases.ensure(connected)
    yield connected
    await connected.close()


async def test_one_replica_holds_a_lease_and_renews_it(mongo: Mongo) -> None:
    clock = HandClock()
    one, other = Leases(mongo, clock), Leases(mongo, clock)
    assert await one.acquire("sweep")
    assert not await other.acquire("sweep")
    assert await other.acquire("census")
    clock.at += LEASE_FOR * 0.9
    assert await one.acquire("sweep")
    clock.at += LEASE_FOR * 0.9
    assert not await other.acquire("sweep")


async def test_a_lease_that_runs_out_passes_on(mongo: Mongo) -> None:
    clock = HandClock()
    one, other = Leases(mongo, clock), Leases(mongo, clock)
    assert await one.acquire("sweep")
    clock.at += LEASE_FOR
    assert await other.acquire("sweep")
    assert not await one.acquire("sweep")


async def test_an_exclusive_iteration_runs_on_one_replica(mongo: Mongo, recorder: CommandRecorder) -> None:
    clock = HandClock()
    ran: list[str] = []

    async def work() -> bool:
        ran.append("once")
        return True

    one, other = (Leases(mongo, clock, name).exclusive("sweep", work) for name in ("one", "other"))
    assert [await one(), await other(), await one()] == [True, None, True]
    assert len(ran) == 2
    assert await slow_plans(mongo, recorder.commands) == []
