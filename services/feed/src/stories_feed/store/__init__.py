"""Repositories of the feed in MongoDB, and signed URLs of the object store."""

from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.leases import Leases

from stories_feed.store import edges, seen, stories


async def ensure(mongo: Mongo) -> None:
    """Create every collection and index that does not exist."""
    for part in (stories, edges, seen):
        await part.ensure(mongo)
    await MongoErasedUsers.ensure(mongo)
    await Leases.ensure(mongo)
