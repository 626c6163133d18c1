"""Marks of erased users in MongoDB: until when, what waits for the erasure, and when it is continued."""

from datetime import datetime

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.kafka.topics import MARK_RETENTION
from stories_shared.mongo.client import Document, Mongo
from stories_shared.runtime.user_erasure import ErasureMark

COLLECTION = "erased_users"


class MongoErasedUsers:
    """The marks of one service."""

    def __init__(self, mongo: Mongo, now: Clock) -> None:
        self._marks = mongo[COLLECTION]
        self._now = now

    @classmethod
    async def ensure(cls, mongo: Mongo) -> None:
        """Create the collection and its indexes. Marks age by their arrival; an outside producer names any time."""
        await mongo.ensure(
            COLLECTION,
            IndexModel([("marked_at", ASCENDING)], name="ttl", expireAfterSeconds=int(MARK_RETENTION.total_seconds())),
            IndexModel([("due_at", ASCENDING)], name="due", sparse=True),
            IndexModel([("at", ASCENDING)], name="at"),
        )

    async def mark(self, user_id: str, until: datetime, receipt_id: str, lease_until: datetime) -> ErasureMark:
        """Mark a user, at least until the time of an earlier mark, and lease the erasure."""
        change: Document = {
            "$max": {"at": until},
            "$set": {"marked_at": truncate_to_ms(self._now()), "due_at": lease_until},
            "$addToSet": {"receipts": receipt_id},
        }
        key, after = {"_id": user_id}, ReturnDocument.AFTER
        try:
            mark = await self._marks.find_one_and_update(key, change, upsert=True, return_document=after)
        except DuplicateKeyError:  # marked by another replica at the same moment
            mark = await self._marks.find_one_and_update(key, change, upsert=True, return_document=after)
        assert mark is not None
        return mark_of(mark)

    async def claim(self, now: datetime, lease_until: datetime) -> ErasureMark | None:
        """Lease the erasure that has been due for longest."""
        found = await self._marks.find_one_and_update(
            {"due_at": {"$lte": now}}, {"$set": {"due_at": lease_until}}, sort=[("due_at", ASCENDING)]
        )
        return mark_of(found) if found else None

    async def schedule(self, mark: ErasureMark, due_at: datetime) -> None:
        """Continue at a time, unless the mark has changed since."""
        await self._marks.update_one({"_id": mark.user_id, "at": mark.until}, {"$set": {"due_at": due_at}})

    async def finish(self, mark: ErasureMark, recheck_at: datetime | None) -> None:
        """Record that the receipts were confirmed, and when to erase again, unless the mark has changed since."""
        due: Document = {"$set": {"due_at": recheck_at}} if recheck_at else {"$unset": {"due_at": ""}}
        change = {**due, "$pullAll": {"receipts": list(mark.receipt_ids)}}
        await self._marks.update_one({"_id": mark.user_id, "at": mark.until}, change)


def mark_of(document: Document) -> ErasureMark:
    """The mark in a document."""
    return ErasureMark(document["_id"], document["at"], tuple(document["receipts"]))
