"""Where the feed keeps things: MongoDB, one document a story, one an edge, one a viewer; URLs of the object store."""

from stories_shared.mongo.client import Mongo

from stories_feed.store import edges, erasure, seen, stories


async def ensure(mongo: Mongo) -> None:
    """Make every collection and index; what is there already stays."""
    for part in (stories, edges, seen, erasure):
        await part.ensure(mongo)
