"""One engagement service, or one database, on real servers for all tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from stories_embedded.testing import IsolatedNamespace, Servers
from stories_engagement.store.schema import ensure_schema
from stories_engagement.testing.harness import ServiceHarness, running
from stories_shared.mongo.client import Mongo
from stories_shared.testing import resumed


@pytest.fixture
async def service(running_service: ServiceHarness) -> ServiceHarness:
    """The service that the tests of a module share; each uses stories of its own."""
    await resumed(running_service.app)
    return running_service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running_service(servers: Servers) -> AsyncIterator[ServiceHarness]:
    """A service that runs in the background while a test of this module runs."""
    namespace = IsolatedNamespace(servers)
    async with running(
        namespace,
        webhooks_allow_private=True,
        moderation_hold="7d",
        limit_views=1_000_000,
        limit_comments=10_000,
        limit_reads=100_000,
    ) as service:
        yield service
    await namespace.remove()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mongo(servers: Servers) -> AsyncIterator[Mongo]:
    """A database with every collection; each test uses stories of its own."""
    namespace = IsolatedNamespace(servers)
    connected = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"])
    await ensure_schema(connected)
    yield connected
    await connected.close()
    await namespace.remove()
