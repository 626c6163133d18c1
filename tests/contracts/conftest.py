"""Everything that the running stack documents."""

import pytest_asyncio

from ..journeys.world import World
from .operations import Operation, operations


@pytest_asyncio.fixture(scope="session")
async def documented(world: World) -> list[Operation]:
    """Every operation of every service."""
    return await operations(world.stack)
