"""Unanswered documents, of endings and of account erasures alike: when each is published again.

``times_said`` counts how often a document was published, and ``resay_at`` is when it is due again. The delay doubles
with each time after ``backoff_from``; ``backing_off`` marks those that wait longer than the first delay, which are made
due at once when somebody who may have missed them is back.
"""

from datetime import datetime
from typing import Any

from pymongo import IndexModel, UpdateOne
from stories_shared.mongo.client import Collection, Document
from stories_shared.mongo.outbox import mark

from stories_expiry.domain.endings import patience


def indexes() -> list[IndexModel]:
    """Each holds only the documents that its reader looks for."""
    backing_off = [("backing_off", 1), ("waiting", 1)]
    return [
        IndexModel([("resay_at", 1)], name="resay", partialFilterExpression={"resay_at": {"$exists": True}}),
        IndexModel(backing_off, name="backing_off", partialFilterExpression={"backing_off": {"$exists": True}}),
    ]


async def resay(collection: Collection, now: datetime, limit: int) -> int:
    """Mark unanswered documents that are due to be published again, each once in all replicas; how many."""
    fields = {"resay_at": 1, "times_said": 1, "backoff_from": 1}
    late = collection.find({"resay_at": {"$lte": now}}, fields, sort=[("resay_at", 1)], limit=limit)
    updates = [resaid(document, now) async for document in late]
    return (await collection.bulk_write(updates, ordered=False)).modified_count if updates else 0


async def hasten(collection: Collection, now: datetime, limit: int, party: str | None = None) -> int:
    """Make due now, at most so many, what waits out a long delay; how many. Their delays begin anew.

    Args:
        collection: of the documents.
        now: aware.
        limit: the most documents.
        party: only those that wait for this one.
    """
    wanted: Document = {"backing_off": True} | ({"waiting": party} if party else {})
    found = await collection.find(wanted, {"_id": 1}, limit=limit).to_list(None)
    if not found:
        return 0
    anew = {"resay_at": now, "backoff_from": "$times_said", "backing_off": "$$REMOVE"}
    still = {"_id": {"$in": [document["_id"] for document in found]}, "backing_off": True}
    return (await collection.update_many(still, [{"$set": anew}])).modified_count


def resaid(document: Document, now: datetime) -> UpdateOne:
    """Publish the document once more and wait longer, unless another replica has just seen to it."""
    times = document["times_said"] + 1
    since = times - document.get("backoff_from", 0)
    again: dict[str, Any] = {"times_said": times, "resay_at": now + patience(since), "unsaid": mark(times, now)}
    if since > 1:
        again["backing_off"] = True
    return UpdateOne({"_id": document["_id"], "resay_at": document["resay_at"]}, {"$set": again})
