"""One stack per folder of tests, and users on it.

A folder imports these fixtures in its conftest; the stack stops after its last test, because an idle stack uses half a
core.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from .journeys.installation import Installation
from .journeys.samples import Samples
from .journeys.stack import TWO_OF_EACH, Stack

# Tests poll, so read limits are raised; journeys test the other limits. What is off by default is on.
TEST_LIMITS = {
    "LIMIT_READS": "100000",
    "LIMIT_EDGES": "10000",
    "LIMIT_WRITES": "10000",
    "LIMIT_REPORTS": "10000",
    "MEDIA_WORKERS": "2",
    "MODERATION_HOLD": "7d",
    "WEBHOOKS_ALLOW_PRIVATE": "true",
    "ARCHIVE": "on",
}

MakeStack = Callable[..., AbstractContextManager[Stack]]
"""Runs a stack with these options of `Stack` inside the block."""


@pytest.fixture(scope="package")
def stack(make_stack: MakeStack) -> Iterator[Stack]:
    """The stack; `STORIES_JOURNEYS_REPLICAS=feed=2,…` runs every journey with so many replicas."""
    with make_stack(settings=TEST_LIMITS, replicas=os.environ.get("STORIES_JOURNEYS_REPLICAS", "")) as running:
        yield running


@pytest_asyncio.fixture(scope="package")
async def installation(stack: Stack, samples: Samples) -> AsyncIterator[Installation]:
    """The stack with users."""
    async with users_of(stack, samples) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def paired_installation(make_stack: MakeStack, samples: Samples) -> AsyncIterator[Installation]:
    """A stack with two replicas of every service, and users."""
    with make_stack(settings=TEST_LIMITS, replicas=TWO_OF_EACH) as pair:
        async with users_of(pair, samples) as made:
            yield made


@asynccontextmanager
async def users_of(stack: Stack, samples: Samples) -> AsyncIterator[Installation]:
    """Users of a running stack."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, trust_env=False) as http:
        yield Installation(stack, http, samples)
