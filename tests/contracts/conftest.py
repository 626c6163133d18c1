"""Every operation that the running stack documents."""

import pytest_asyncio

from ..journeys.world import World
from ..stacks import stack, world
from .operations import Operation, operations

__all__ = ["documented", "stack", "world"]


@pytest_asyncio.fixture(scope="package")
async def documented(world: World) -> list[Operation]:
    """Every operation of every service."""
    return await operations(world.stack)
