"""What `init` of every service has in common: its collections, its indexes and its topics."""

from collections.abc import Awaitable, Callable

from stories_shared.kafka.topics import init_topics
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.settings import Settings


async def provision(
    service: str, settings: Settings, ensure: Callable[[Mongo], Awaitable[None]], *, settle: bool = False
) -> None:
    """Make what a service needs in MongoDB and Kafka where it is not there yet; what is there stays.

    Args:
        service: its name.
        settings: its settings.
        ensure: makes its collections and indexes.
        settle: drop the indexes that an earlier release left.
    """
    mongo = Mongo.of(settings)
    mongo.drop_superseded = settle
    try:
        await ensure(mongo)
    finally:
        await mongo.close()
    await init_topics(settings, service)
