"""One fleet for all tests of failing servers and stopping services."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from stories_embedded.testing import IsolatedNamespace, Servers

from .fleet import Fleet
from .scenario import Scenario


@pytest_asyncio.fixture(scope="package")
async def fleet(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """The four services, ready."""
    namespace = IsolatedNamespace(servers)
    try:
        async with Fleet(namespace, tmp_path_factory.mktemp("fleet")).running() as running:
            yield running
    finally:
        await namespace.remove()


@pytest_asyncio.fixture
async def scenario(fleet: Fleet) -> Scenario:
    """Users that no other test uses."""
    made = Scenario(fleet)
    await made.begin()
    return made
