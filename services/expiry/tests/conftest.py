"""Expiry's fixtures: a manual clock, and every store, fake and real, under one name."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from stories_embedded.testing import IsolatedNamespace
from stories_expiry import store
from stories_expiry.testing import MemoryAccounts, MemoryReplicas, MemoryStories
from stories_shared.mongo.client import Mongo
from stories_shared.testing import FakeClock

KEPT = timedelta(days=90)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["pymongo", "motor"])
async def mongo(request: pytest.FixtureRequest, namespace: IsolatedNamespace) -> AsyncIterator[Mongo]:
    """Expiry's database on a real server, through each driver."""
    connected = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], request.param)
    await store.ensure(connected)
    yield connected
    await connected.close()


async def real(kind: str, namespace: IsolatedNamespace) -> Mongo:
    connected = Mongo.connect(
        namespace["MONGO_URL"], namespace["MONGO_DATABASE"], "motor" if kind == "motor" else "pymongo"
    )
    await store.ensure(connected)
    return connected


@pytest.fixture(params=["fake", "pymongo", "motor"])
async def stories(
    request: pytest.FixtureRequest, namespace: IsolatedNamespace
) -> AsyncIterator[store.MongoStories | MemoryStories]:
    """The stories' store: one suite runs over all of them."""
    if request.param == "fake":
        yield MemoryStories(KEPT)
        return
    mongo = await real(request.param, namespace)
    yield store.MongoStories(mongo, KEPT)
    await mongo.close()


@pytest.fixture(params=["fake", "pymongo", "motor"])
async def accounts(
    request: pytest.FixtureRequest, namespace: IsolatedNamespace
) -> AsyncIterator[store.MongoAccounts | MemoryAccounts]:
    """The accounts' store: one suite runs over all of them."""
    if request.param == "fake":
        yield MemoryAccounts()
        return
    mongo = await real(request.param, namespace)
    yield store.MongoAccounts(mongo, KEPT)
    await mongo.close()


@pytest.fixture(params=["fake", "pymongo", "motor"])
async def replicas(
    request: pytest.FixtureRequest, namespace: IsolatedNamespace
) -> AsyncIterator[store.MongoReplicas | MemoryReplicas]:
    """Heartbeats of replicas: one suite runs over all stores."""
    if request.param == "fake":
        yield MemoryReplicas()
        return
    mongo = await real(request.param, namespace)
    yield store.MongoReplicas(mongo)
    await mongo.close()
