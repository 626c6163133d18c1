"""Holds on the media of reported stories in MongoDB. `until` is there until it was released."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import DuplicateKeyError
from stories_shared.events import StoryHeld
from stories_shared.mongo.client import Document, Mongo
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_ingest.store.documents import A_TIME, ENDED_RETENTION, HOLDS
from stories_ingest.usecases.holds import Hold


@dataclass(frozen=True, slots=True)
class MongoHolds:
    """The `HoldRepository`."""

    mongo: Mongo

    async def put(self, event: StoryHeld) -> None:
        if await self.mongo[ERASED_USERS].find_one({"_id": event.author_id, "at": {"$gte": event.at}}, {"_id": 1}):
            return
        until = max(event.until, event.at)
        changed = {"at": event.at, "until": until, "delete_at": until + ENDED_RETENTION}
        new = {"author_id": event.author_id}
        older = {"_id": event.story_id, "until": {"$exists": True}, "at": {"$lt": event.at}}
        try:
            await self.mongo[HOLDS].update_one(older, {"$set": changed, "$setOnInsert": new}, upsert=True)
        except DuplicateKeyError:
            return  # a later event or none is to be kept any more

    async def find(self, *story_ids: str) -> list[Hold]:
        found = await self.mongo[HOLDS].find({"_id": {"$in": list(story_ids)}}).to_list(None)
        return [hold_of(document) for document in found]

    async def keep(self, story_id: str, now: datetime) -> bool:
        lasting = {"_id": story_id, "until": {"$gt": now}}
        return (await self.mongo[HOLDS].update_one(lasting, {"$set": {"kept_at": now}})).matched_count > 0

    async def due(self, now: datetime, limit: int) -> Sequence[Hold]:
        found = self.mongo[HOLDS].find({"until": {"$lte": now}}, sort=[("until", 1)], limit=limit)
        return [hold_of(document) for document in await found.to_list(None)]

    async def end_all_of(self, author_id: str, at: datetime, now: datetime) -> None:
        lasting = {"author_id": author_id, "at": {"$lte": at}, "until": {"$gt": now}}
        await self.mongo[HOLDS].update_many(lasting, {"$set": {"until": now}})

    async def release(self, hold: Hold, now: datetime) -> None:
        unchanged = {"_id": hold.story_id, "until": {"$lte": now}, "kept_at": {"$exists": hold.kept}}
        await self.mongo[HOLDS].update_one(unchanged, {"$unset": {"until": "", "author_id": ""}})

    async def kept(self) -> int:
        """How many stories' media are kept."""
        kept = {"until": A_TIME, "kept_at": {"$exists": True}}
        return await self.mongo[HOLDS].count_documents(kept)


def hold_of(document: Document) -> Hold:
    """The hold in a document."""
    return Hold(document["_id"], document.get("until"), "kept_at" in document)
