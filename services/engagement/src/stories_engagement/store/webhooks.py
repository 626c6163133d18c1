"""Webhook endpoints and their deliveries.

A pending delivery has `next_at`, when it is due; the partial indexes hold pending ones alone. One replica at a time
delivers to an endpoint (a lease of its own), so nothing else claims a delivery.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from pymongo import ASCENDING, DESCENDING, InsertOne, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError
from stories_shared.mongo.client import Document, Mongo
from stories_shared.mongo.leases import COLLECTION as LEASES

from stories_engagement.domain.errors import NotFound
from stories_engagement.domain.webhooks import (
    DEAD_RETENTION,
    DELIVERED_RETENTION,
    GIVE_UP_AFTER,
    MAX_WEBHOOKS,
    Delivery,
    Outcome,
    Webhook,
    lease_of,
)
from stories_engagement.store.paging import rows_after
from stories_engagement.store.schema import DELIVERIES, STORIES, VIEWS, WEBHOOKS
from stories_engagement.store.sweeps import DELETE_BATCH, delete_some
from stories_engagement.store.transactions import is_duplicate
from stories_engagement.usecases.paging import Position

DUE_BATCH = 100
"""Due deliveries read in a round."""

MAX_STORIES = 16
"""Stories of an endpoint in one round, all delivered concurrently: a round must end well before its lease."""

COUNT_LIMIT = 100_000
"""Pending deliveries are counted up to here."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PENDING: Document = {"next_at": {"$exists": True}}
BACKSTOP = GIVE_UP_AFTER + DEAD_RETENTION
"""When a delivery is deleted that nothing has ended, of an endpoint that was deleted meanwhile."""

KEPT_AT_ERASURE = ("story-expired", "story-deleted")
"""Pending deliveries with an erased user's id that are delivered all the same: they say that something has gone."""


class MongoWebhooks:
    """Stores endpoints. A deleted one is marked, and removed after its deliveries."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._webhooks = mongo[WEBHOOKS]

    async def add(self, webhook: Webhook) -> bool:
        """Store an endpoint; an existing id is kept. False where there are `MAX_WEBHOOKS`."""
        if await self._webhooks.find_one({"_id": webhook.id}) is not None:
            return True
        if await self._webhooks.count_documents({}, limit=MAX_WEBHOOKS) == MAX_WEBHOOKS:
            return False
        await self._webhooks.insert_one(document_of(webhook))
        return True

    async def all(self) -> list[Webhook]:
        """All endpoints, the oldest first."""
        found = self._webhooks.find({"deleted": None}, sort=[("_id", ASCENDING)], limit=MAX_WEBHOOKS)
        return [webhook_of(document) for document in await found.to_list(None)]

    async def of_event(self, event: str) -> list[Webhook]:
        """The enabled endpoints that asked for an event."""
        return [webhook for webhook in await self.all() if webhook.enabled and event in webhook.events]

    async def get(self, webhook_id: str) -> Webhook:
        """An endpoint. Raises `NotFound`."""
        document = await self._webhooks.find_one({"_id": webhook_id, "deleted": None})
        if document is None:
            raise NotFound
        return webhook_of(document)

    async def change(self, webhook_id: str, changes: Document) -> Webhook:
        """Change fields of an endpoint. Raises `NotFound`."""
        if not changes:
            return await self.get(webhook_id)
        changed = await self._webhooks.find_one_and_update(
            {"_id": webhook_id, "deleted": None}, {"$set": changes}, return_document=ReturnDocument.AFTER
        )
        if changed is None:
            raise NotFound
        return webhook_of(changed)

    async def delete(self, webhook_id: str) -> None:
        """Mark an endpoint as deleted and forget its secret. Raises `NotFound`."""
        marked = {"$set": {"deleted": True, "enabled": False}, "$unset": {"secret": "", "url": ""}}
        if (await self._webhooks.update_one({"_id": webhook_id, "deleted": None}, marked)).matched_count == 0:
            raise NotFound

    async def remove_deleted(self) -> bool:
        """Delete a batch of deliveries of deleted endpoints, then the endpoints; whether there may be more."""
        deleted = await self._webhooks.find({"deleted": True}, {"_id": 1}, limit=MAX_WEBHOOKS).to_list(None)
        for webhook in deleted:
            if await delete_some(self._mongo[DELIVERIES], {"webhook_id": webhook["_id"]}, DELETE_BATCH):
                return True
            await self._webhooks.delete_one({"_id": webhook["_id"]})
            await self._mongo[LEASES].delete_one({"_id": lease_of(webhook["_id"])})
        return False


class MongoDeliveries:
    """Stores deliveries."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._deliveries = mongo[DELIVERIES]

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store deliveries; those that exist already stay as they are."""
        if not deliveries:
            return
        try:
            await self._deliveries.bulk_write(
                [InsertOne(delivery_document(each)) for each in deliveries], ordered=False
            )
        except BulkWriteError as error:
            if not is_duplicate(error):
                raise

    async def due(self, webhook_id: str, now: datetime) -> list[Delivery]:
        """The first pending delivery of each story, where it is due; later ones wait as long as the first."""
        query = {"webhook_id": webhook_id, "next_at": {"$lte": now}}
        in_order = [("next_at", ASCENDING), ("order", ASCENDING)]
        found = await self._deliveries.find(query, sort=in_order, limit=DUE_BATCH).to_list(None)
        firsts: dict[str, Document] = {}
        for delivery in found:
            if delivery["order"] <= firsts.setdefault(delivery["story_id"], delivery)["order"]:
                firsts[delivery["story_id"]] = delivery
        firsts = dict(islice(firsts.items(), MAX_STORIES))
        behind = await self._behind(firsts.values())
        earlier = await asyncio.gather(*(self._first(webhook_id, story_id, now) for story_id in behind))
        chosen = firsts | dict(zip(behind, earlier, strict=True))
        return [delivery_from(first) for first in chosen.values() if first is not None]

    async def content(self, story_id: str) -> tuple[bytes | None, bool]:
        """The event of a live story, and whether the story has ended."""
        story = await self._mongo[STORIES].find_one({"_id": story_id}, {"event": 1})
        if story is not None:
            return story.get("event"), False
        counter = await self._mongo[VIEWS].find_one({"_id": story_id}, {"ended": 1})
        return None, counter is not None and counter["ended"] is not None

    async def record(self, webhook_id: str, outcomes: Sequence[Outcome]) -> None:
        """Store what became of deliveries. After one that ended late, the next one of its story is due now.

        One for which a retry was asked meanwhile stays due: the round of its attempt may last for seconds.
        """
        if not outcomes:
            return
        changes = [
            UpdateOne({"_id": each.delivery.id, "next_at": each.delivery.next_at}, change_of(each)) for each in outcomes
        ]
        await self._deliveries.bulk_write(changes, ordered=False)
        late = [
            each.delivery.story_id
            for each in outcomes
            if each.state == "dead" or (each.state == "delivered" and each.delivery.attempts)
        ]
        if late:
            now = max(each.at for each in outcomes)
            waiting = {"webhook_id": webhook_id, "story_id": {"$in": late}, "next_at": {"$gt": now}}
            await self._deliveries.update_many(waiting, {"$set": {"next_at": now}})

    async def page(self, webhook_id: str, after: Position | None, limit: int) -> list[Delivery]:
        """Deliveries of an endpoint, the newest first."""
        query = {"webhook_id": webhook_id} | rows_after(after, "created_at", "_id")
        newest = [("created_at", DESCENDING), ("_id", DESCENDING)]
        return [
            delivery_from(each) for each in await self._deliveries.find(query, sort=newest, limit=limit).to_list(None)
        ]

    async def retry(self, webhook_id: str, delivery_id: str, now: datetime) -> Delivery:
        """Deliver once more, now, and for 24 hours from now on where that fails. Raises `NotFound`."""
        again = {"$set": {"state": "pending", "next_at": now, "first_at": now, "delete_at": now + BACKSTOP}}
        found = await self._deliveries.find_one_and_update(
            {"_id": delivery_id, "webhook_id": webhook_id}, again, return_document=ReturnDocument.AFTER
        )
        if found is None:
            raise NotFound
        return delivery_from(found)

    async def backlog(self) -> tuple[int, datetime | None]:
        """The number of pending deliveries, at most `COUNT_LIMIT`, and when the oldest was first tried."""
        by_index = PENDING | {"first_at": {"$gt": LONG_AGO}}  # or the planner reads the whole collection
        number = await self._deliveries.count_documents(by_index, limit=COUNT_LIMIT)
        oldest = await self._deliveries.find_one(PENDING, {"first_at": 1}, sort=[("first_at", ASCENDING)])
        return number, oldest["first_at"] if oldest else None

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete deliveries that name a user, up to a time, but for pending ones that say that a story has ended."""
        named = {"user_ids": user_id, "at": {"$lte": until}}
        kept = [{"event": {"$nin": KEPT_AT_ERASURE}}, {"next_at": None}]
        await self._deliveries.delete_many({**named, "$or": kept})

    async def _behind(self, firsts: Iterable[Document]) -> list[str]:
        """The stories of which an earlier delivery is pending: seldom any, so that one query asks for all."""
        earlier = [
            {name: first[name] for name in ("webhook_id", "story_id")} | {"order": {"$lt": first["order"]}} | PENDING
            for first in firsts
        ]
        if not earlier:
            return []
        found = await self._deliveries.find({"$or": earlier}, {"story_id": 1}, limit=DUE_BATCH).to_list(None)
        stories = found if len(found) < DUE_BATCH else earlier  # not all may be among the first of many
        return list({str(each["story_id"]) for each in stories})

    async def _first(self, webhook_id: str, story_id: str, now: datetime) -> Document | None:
        """The first pending delivery of a story, if it is due; otherwise the later ones are put off until it is."""
        of_story = {"webhook_id": webhook_id, "story_id": story_id}
        first = await self._deliveries.find_one(of_story | PENDING, sort=[("order", ASCENDING)])
        if first is None or first["next_at"] <= now:
            return first
        due = of_story | {"next_at": {"$lte": now}}
        await self._deliveries.update_many(due, {"$set": {"next_at": first["next_at"]}})
        return None


def change_of(outcome: Outcome) -> Document:
    """The update of a delivery."""
    attempt, change = outcome.attempt, dict[str, Any]()
    if attempt is not None:
        change = {"state": outcome.state, "last_attempt_at": outcome.at}
        change |= {"last_status": attempt.status, "last_error": attempt.error}
    if outcome.state == "pending":
        return {"$set": change | {"next_at": outcome.next_at}, "$inc": {"attempts": int(attempt is not None)}}
    if outcome.state == "delivered":
        change["delivered_at"] = outcome.at
    retention = DELIVERED_RETENTION if outcome.state == "delivered" else DEAD_RETENTION
    return {"$set": change | {"delete_at": outcome.at + retention}, "$unset": {"next_at": ""}, "$inc": {"attempts": 1}}


def document_of(webhook: Webhook) -> Document:
    """The document of an endpoint."""
    document = asdict(webhook)
    return {"_id": document.pop("id"), **document, "events": list(webhook.events)}


def webhook_of(document: Document) -> Webhook:
    """The endpoint in a document."""
    return msgspec.convert(document | {"id": document["_id"]}, Webhook)


def delivery_document(delivery: Delivery) -> Document:
    """The document of a new delivery."""
    document = asdict(delivery)
    document |= {"user_ids": list(delivery.user_ids), "delete_at": delivery.created_at + BACKSTOP}
    return {"_id": document.pop("id"), **document}


def delivery_from(document: Document) -> Delivery:
    """The delivery in a document."""
    return msgspec.convert(document | {"id": document["_id"]}, Delivery)
