"""One document per request to erase a user: the request, the confirmations, the next resend."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import IndexModel
from stories_shared.events import UserErased
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import Document, Mongo
from stories_shared.mongo.outbox import outbox_index, pending_mark

from stories_expiry.domain.accounts import SERVICES, AccountReceipt, ErasureRequest, Service, ServiceConfirmation
from stories_expiry.store import update_pipelines
from stories_expiry.store.resending import RESEND_INDEXES, Resending
from stories_expiry.store.update_pipelines import Stage, cond, if_null

NAME = "accounts"


class MongoAccounts(Resending):
    """Erasure requests and their receipts.

    Args:
        mongo: expiry's database.
        receipts_kept: how long a complete receipt stays; at least 30 days.
    """

    def __init__(self, mongo: Mongo, receipts_kept: timedelta) -> None:
        self.collection = mongo[NAME]
        self.expected: Sequence[Service] = SERVICES
        """The services that must confirm."""
        self._kept = receipts_kept

    @classmethod
    async def ensure(cls, mongo: Mongo) -> None:
        """Create the collection and its indexes."""
        await mongo.ensure(
            NAME,
            IndexModel([("user_id", 1), ("at", -1)], name="user"),
            IndexModel([("delete_at", 1)], name="ttl", expireAfterSeconds=0),
            outbox_index(),
            *RESEND_INDEXES,
        )

    async def open_receipt(self, erasure: ErasureRequest, now: datetime, *, published: bool) -> AccountReceipt:
        """Open the receipt unless it exists, pending unless the event was published; the current receipt."""
        new = {"$not": ["$at"]}
        opened = {
            "at": if_null("at", erasure.at),
            "user_id": if_null("user_id", erasure.user_id),
            "event": if_null("event", {"id": {"$literal": erasure.event_id}, "at": erasure.at}),
            "send_count": if_null("send_count", 1),
            "pending": "$pending" if published else cond(new, pending_mark(1, now), "$pending"),
        }
        await self._change(erasure.receipt_id, [{"$set": opened}], now)
        document = await self.collection.find_one({"_id": erasure.receipt_id})
        return receipt_of(document or {"_id": erasure.receipt_id, "user_id": erasure.user_id, "at": erasure.at})

    async def accept(self, confirmation: ServiceConfirmation, now: datetime) -> None:
        """Record the first confirmation of each service; the last one completes the receipt."""
        field = f"erased.{confirmation.service}"
        changed = {field: if_null(field, confirmation.erased_at), "user_id": if_null("user_id", confirmation.user_id)}
        await self._change(confirmation.receipt_id, [{"$set": changed}], now)

    async def latest(self, user_id: str) -> AccountReceipt | None:
        """The receipt of the latest request for the user, or None."""
        query: dict[str, Any] = {"user_id": user_id, "at": {"$exists": True}}
        document = await self.collection.find_one(query, sort=[("at", -1)])
        return receipt_of(document) if document else None

    async def _change(self, receipt_id: str, change: list[Stage], now: datetime) -> None:
        recompute = update_pipelines.recompute_waiting("$at", self.expected, now, self._kept)
        await self.collection.update_one({"_id": receipt_id}, [*change, *recompute], upsert=True)


def receipt_of(document: Document) -> AccountReceipt:
    """The receipt in a document."""
    return msgspec.convert(document | {"receipt_id": document["_id"]}, AccountReceipt)


def user_erased_events(document: Document) -> list[OutgoingEvent]:
    """The `user-erased` event of a document, with the id and data of its first publication."""
    event = UserErased(user_id=document["user_id"], at=document["at"], receipt_id=document["_id"])
    return [OutgoingEvent(event, event_id=document["event"]["id"], at=document["event"]["at"])]
