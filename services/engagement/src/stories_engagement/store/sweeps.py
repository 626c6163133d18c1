"""Work on many documents in bounded steps: deletion, and leases on the document that has waited longest."""

from datetime import datetime

from pymongo import ASCENDING
from stories_shared.mongo.client import Collection, Document

DELETE_BATCH = 1_000
"""Documents that one command deletes: about thirty milliseconds of the server."""


async def delete_some(collection: Collection, query: Document, limit: int) -> int:
    """Delete the first of these documents; how many, fewer than `limit` only where no more are left."""
    found = await collection.find(query, {"_id": 1}, limit=limit).to_list(None)
    if found:
        await collection.delete_many({"_id": {"$in": [document["_id"] for document in found]}})
    return len(found)


async def claim_oldest(collection: Collection, field: str, now: datetime, until: datetime) -> Document | None:
    """Lease the document whose `field`, the time from which a replica may claim it, is the earliest and has come."""
    return await collection.find_one_and_update(
        {field: {"$lte": now}}, {"$set": {field: until}}, sort=[(field, ASCENDING)]
    )
