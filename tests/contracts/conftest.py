"""Every operation that the running stack documents."""

import pytest_asyncio

from ..journeys.installation import Installation
from ..stacks import installation, stack
from .operations import Operation, operations

__all__ = ["documented", "installation", "stack"]


@pytest_asyncio.fixture(scope="package")
async def documented(installation: Installation) -> list[Operation]:
    """Every operation of every service."""
    return await operations(installation.stack)
