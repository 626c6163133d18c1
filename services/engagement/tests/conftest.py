"""One engagement service on real servers for all tests of a module."""

from collections.abc import AsyncIterator

import pytest_asyncio
from stories_embedded.testing import Realm, Servers
from stories_engagement.testing.harness import ServiceHarness, running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(servers: Servers) -> AsyncIterator[ServiceHarness]:
    """The service that the tests of a module share; each uses stories of its own."""
    realm = Realm(servers)
    async with running(
        realm,
        webhooks_allow_private=True,
        moderation_hold="7d",
        limit_views=1_000_000,
        limit_comments=10_000,
        limit_reads=100_000,
    ) as service:
        yield service
    await realm.remove()
