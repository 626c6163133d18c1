"""Republication of unconfirmed endings and account erasures.

`send_count` counts how often a document was published, and `resend_at` is when it is due again. The delay doubles
with each time after `backoff_from`; `backing_off` marks those that wait longer than the first delay, which are made
due at once after a recovery of a party that may have missed them.
"""

from datetime import datetime
from typing import Any

from pymongo import IndexModel, UpdateOne
from stories_shared.mongo.client import Collection, Document
from stories_shared.mongo.outbox import pending_mark

from stories_expiry.domain.endings import resend_delay

RESEND_INDEXES = (
    IndexModel([("resend_at", 1)], name="mark_for_resend", partialFilterExpression={"resend_at": {"$exists": True}}),
    IndexModel(
        [("backing_off", 1), ("waiting", 1)],
        name="backing_off",
        partialFilterExpression={"backing_off": {"$exists": True}},
    ),
)
"""Partial indexes, each for one query."""


class Resending:
    """What the repositories of stories and accounts share."""

    collection: Collection

    async def mark_for_resend(self, now: datetime, limit: int) -> int:
        """Mark due documents as pending, each once across replicas; how many."""
        fields = {"resend_at": 1, "send_count": 1, "backoff_from": 1}
        late = self.collection.find({"resend_at": {"$lte": now}}, fields, sort=[("resend_at", 1)], limit=limit)
        updates = [marked_for_resend(document, now) async for document in late]
        return (await self.collection.bulk_write(updates, ordered=False)).modified_count if updates else 0

    async def hasten(self, now: datetime, limit: int, party: str | None = None) -> int:
        """Make documents with a long delay due now, for one party or for any; how many. Their delays start anew."""
        query: Document = {"backing_off": True} | ({"waiting": party} if party else {})
        found = await self.collection.find(query, {"_id": 1}, limit=limit).to_list(None)
        if not found:
            return 0
        restarted = {"resend_at": now, "backoff_from": "$send_count", "backing_off": "$$REMOVE"}
        unchanged = {"_id": {"$in": [document["_id"] for document in found]}, "backing_off": True}
        return (await self.collection.update_many(unchanged, [{"$set": restarted}])).modified_count


def marked_for_resend(document: Document, now: datetime) -> UpdateOne:
    """The update that marks a document as pending with a longer delay, unless another replica has done so."""
    times = document["send_count"] + 1
    since = times - document.get("backoff_from", 0)
    change: dict[str, Any] = {
        "send_count": times,
        "resend_at": now + resend_delay(since),
        "pending": pending_mark(times, now),
    }
    if since > 1:
        change["backing_off"] = True
    return UpdateOne({"_id": document["_id"], "resend_at": document["resend_at"]}, {"$set": change})
