"""Leases: one replica holds, renews and loses them."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from stories_embedded.testing import IsolatedNamespace
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.leases import LEASE_FOR, LeasedPosition, Leases
from stories_shared.testing import FakeClock
from stories_shared.testing.query_plans import CommandRecorder, slow_plans


@pytest.fixture
def recorder() -> CommandRecorder:
    return CommandRecorder()


@pytest.fixture
async def mongo(namespace: IsolatedNamespace, recorder: CommandRecorder) -> AsyncIterator[Mongo]:
    connected = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], listeners=[recorder])
    await Leases.ensure(connected)
    yield connected
    await connected.close()


async def test_one_replica_holds_a_lease_and_renews_it(mongo: Mongo) -> None:
    clock = FakeClock()
    one, other = Leases(mongo, clock), Leases(mongo, clock)
    assert await one.acquire("sweep")
    assert not await other.acquire("sweep")
    assert await other.acquire("census")
    clock.at += LEASE_FOR * 0.9
    assert await one.acquire("sweep")
    clock.at += LEASE_FOR * 0.9
    assert not await other.acquire("sweep")


async def test_a_lease_that_runs_out_passes_on(mongo: Mongo) -> None:
    clock = FakeClock()
    one, other = Leases(mongo, clock), Leases(mongo, clock)
    assert await one.acquire("sweep")
    clock.at += LEASE_FOR
    assert await other.acquire("sweep")
    assert not await one.acquire("sweep")


async def test_an_exclusive_iteration_runs_on_one_replica(mongo: Mongo, recorder: CommandRecorder) -> None:
    clock = FakeClock()
    ran: list[str] = []

    async def work() -> bool:
        ran.append("once")
        return True

    one, other = (Leases(mongo, clock, name).exclusive("sweep", work) for name in ("one", "other"))
    assert [await one(), await other(), await one()] == [True, None, True]
    assert len(ran) == 2
    assert await slow_plans(mongo, recorder.commands) == []


async def test_only_the_holder_saves_the_position_and_renews_by_it(mongo: Mongo) -> None:
    clock = FakeClock()
    one, other = Leases(mongo, clock), Leases(mongo, clock)
    assert await one.acquire("walk")
    assert await one.position("walk") == ""
    clock.at += LEASE_FOR * 0.9
    assert await one.advance("walk", "m")
    clock.at += LEASE_FOR * 0.9
    assert not await other.acquire("walk")
    clock.at += LEASE_FOR
    assert await other.acquire("walk")
    assert await other.position("walk") == "m"
    assert not await one.advance("walk", "z")
    assert await other.position("walk") == "m"


async def test_long_work_stays_on_one_replica_and_another_resumes_it(mongo: Mongo) -> None:
    clock = FakeClock()
    began: list[tuple[str, str]] = []

    async def walk(name: str, position: LeasedPosition) -> None:
        began.append((name, await position.load()))
        for page in ("a", "b", "c"):
            clock.at += LEASE_FOR * 0.9
            assert await position.advance(page)
            assert await Leases(mongo, clock, "a third").acquire("walk") is False

    one, other = (Leases(mongo, clock, name).resumable("walk", partial(walk, name)) for name in ("one", "other"))
    await one()
    await other()
    assert began == [("one", "")]
    clock.at += LEASE_FOR
    await other()
    assert began[1:] == [("other", "c")]
