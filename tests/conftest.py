"""One stack for the whole session, people to live on it, and media to post."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from .journeys.samples import Samples
from .journeys.stack import TWO_OF_EACH, Stack
from .journeys.world import World

# Everybody polls here; the limits that journeys hit are the others.
PATIENT = {"LIMIT_READS": "100000", "LIMIT_EDGES": "10000", "MEDIA_WORKERS": "2"}


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Media, made once."""
    return Samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack; `STORIES_JOURNEYS_REPLICAS=feed=2,…` runs every journey on that many."""
    yield from _running(Stack.make(settings=PATIENT, replicas=os.environ.get("STORIES_JOURNEYS_REPLICAS", "")), request)


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack with two replicas of every service."""
    yield from _running(Stack.make(settings=PATIENT, replicas=TWO_OF_EACH), request)


@pytest_asyncio.fixture(scope="session")
async def world(stack: Stack, samples: Samples) -> AsyncIterator[World]:
    """The stack with people."""
    async with _http(stack) as http:
        yield World(stack, http, samples)


@pytest_asyncio.fixture(scope="module")
async def paired_world(pair: Stack, samples: Samples) -> AsyncIterator[World]:
    """The stack of two replicas with people."""
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every journey talks to real servers, and starts a whole stack where it is the first one."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.servers)
            item.add_marker(pytest.mark.timeout(420))
