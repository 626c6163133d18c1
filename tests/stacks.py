"""One stack per folder of tests, and users on it.

A folder imports these fixtures in its conftest; the stack stops after its last test, because an idle stack uses half a
core.
"""

import os
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from .journeys.samples import Samples
from .journeys.stack import TWO_OF_EACH, Stack
from .journeys.world import World

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


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack; `STORIES_JOURNEYS_REPLICAS=feed=2,…` runs every journey with so many replicas."""
    yield from _running(
        Stack.make(settings=TEST_LIMITS, replicas=os.environ.get("STORIES_JOURNEYS_REPLICAS", "")), request
    )


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack with two replicas of every service."""
    yield from _running(Stack.make(settings=TEST_LIMITS, replicas=TWO_OF_EACH), request)


@pytest_asyncio.fixture(scope="package")
async def world(stack: Stack, samples: Samples) -> AsyncIterator[World]:
    """The stack with users."""
    async with _http(stack) as http:
        yield World(stack, http, samples)


@pytest_asyncio.fixture(scope="module")
async def paired_world(pair: Stack, samples: Samples) -> AsyncIterator[World]:
    """The stack of two replicas with users."""
    async with _http(pair) as http:
        yield World(pair, http, samples)


def _running(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    failed_before = request.session.testsfailed
    try:
        stack.start()
        yield stack
    finally:
        stack.remove(keep_logs=request.session.testsfailed > failed_before)


def _http(stack: Stack) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=stack.url, timeout=60, trust_env=False)
