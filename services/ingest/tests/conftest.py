"""Ingest on real servers: one replica for most tests, replicas of their own for those that change its settings."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from stories_embedded.testing import IsolatedNamespace
from stories_ingest.testing.harness import Author, Ingest, running
from stories_shared.events.ids import new_id


@pytest.fixture
def start(namespace: Any) -> Callable[..., Any]:
    """Starts a replica with changed settings: `async with start(draft_ttl="2s") as ingest`."""
    return lambda **changed: running(namespace, **changed)


@pytest.fixture(scope="session")
async def ingest(servers: Any) -> AsyncIterator[Ingest]:
    """One ready replica for all tests with users of their own."""
    namespace = IsolatedNamespace(servers)
    async with running(namespace) as replica:
        yield replica
    await namespace.remove()


@pytest.fixture
def ann(ingest: Ingest) -> Author:
    """An author of its own for each test."""
    return ingest.author(f"ann-{new_id()}")
