"""The part of `init` that every service shares: its collections, indexes and topics."""

from collections.abc import Awaitable, Callable

from stories_shared.kafka.topics import init_topics
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.settings import Settings


async def provision(
    service: str, settings: Settings, ensure: Callable[[Mongo], Awaitable[None]], *, settle: bool = False
) -> None:
    """Create what a service needs in MongoDB and Kafka and does not exist yet. Idempotent.

    Args:
        service: its name.
        settings: its settings.
        ensure: creates its collections and indexes.
        settle: drop the superseded indexes of an earlier release.
    """
    mongo = Mongo.of(settings)
    mongo.drop_superseded = settle
    try:
        await ensure(mongo)
    finally:
        await mongo.close()
    await init_topics(settings, service)
