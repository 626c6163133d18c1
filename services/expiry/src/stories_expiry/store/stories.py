"""One document per story: its timer while it is live, its receipt afterwards."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
from pymongo import IndexModel, UpdateOne
from pymongo.errors import BulkWriteError
from stories_shared.events import StoryDeleted, StoryExpired
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import Document, Mongo
from stories_shared.mongo.outbox import outbox_index

from stories_expiry.domain.endings import (
    MARK_RETENTION,
    STORES,
    Audit,
    Deletion,
    ErasureConfirmation,
    NewConfirmation,
    Receipt,
    Store,
    TimerCounts,
)
from stories_expiry.domain.timers import Due, Timer
from stories_expiry.store import update_pipelines
from stories_expiry.store.resending import RESEND_INDEXES, Resending

NAME = "stories"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# A timer counts as overdue after the grace of one second.
OVERDUE_AFTER = timedelta(seconds=1)
# The most receipts that an audit counts.
COUNTED = 100_000
DUPLICATE = 11000


class MongoStories(Resending):
    """Timers, endings and receipts.

    Args:
        mongo: expiry's database.
        receipts_kept: how long a complete receipt stays; at least 30 days, since it is also the ended mark.
    """

    def __init__(self, mongo: Mongo, receipts_kept: timedelta) -> None:
        self.collection = mongo[NAME]
        self.expected: Sequence[Store] = STORES
        """The stores that must confirm an ending."""
        self._kept = receipts_kept

    @classmethod
    async def ensure(cls, mongo: Mongo) -> None:
        """Create the collection and its indexes. Not clustered: MongoDB 6 scans a clustered one for `_id: {$in: …}`."""
        waiting = {"waiting": {"$exists": True}}
        await mongo.ensure(
            NAME,
            IndexModel([("due", 1)], name="due", partialFilterExpression={"due": {"$exists": True}}),
            IndexModel([("waiting", 1), ("ended_at", 1)], name="waiting", partialFilterExpression=waiting),
            IndexModel([("author_id", 1)], name="author"),
            IndexModel([("delete_at", 1)], name="ttl", expireAfterSeconds=0),
            outbox_index(),
            *RESEND_INDEXES,
        )

    async def arm(self, timers: Sequence[Timer]) -> set[str]:
        """Set or move timers, except of ended stories and older revisions; the ids with a pending timer."""
        existing_timers = await self._insert(timers)
        await self._change((timer.story_id, update_pipelines.arm(timer)) for timer in existing_timers)
        running = {"_id": {"$in": [timer.story_id for timer in timers]}, "due": {"$exists": True}}
        return {document["_id"] async for document in self.collection.find(running, {"_id": 1})}

    async def due(self, since: datetime, before: datetime, limit: int) -> list[Due]:
        """Timers due in [`since`, `before`), earliest first."""
        found = self.collection.find(
            {"due": {"$gte": since, "$lt": before}}, {"due": 1}, sort=[("due", 1)], limit=limit
        )
        return [Due(document["due"], document["_id"], local_only=False) async for document in found]

    async def fire(self, story_ids: Sequence[str], now: datetime) -> set[str]:
        """End stories whose timers are due, each marked as pending; the ids that this call ended.

        One or two commands; each story is still one conditional update, with one winner.
        """
        if not story_ids:
            return set()
        call = new_id()
        due = {"_id": {"$in": list(story_ids)}, "due": {"$lte": now}}
        simple = await self.collection.update_many(
            due | update_pipelines.UNCONFIRMED, update_pipelines.expire_unconfirmed(call, now, self.expected)
        )
        if simple.modified_count == len(story_ids):
            return set(story_ids)
        await self.collection.update_many(due, [*update_pipelines.expire(call, now), *self._recompute_waiting(now)])
        won = {"_id": {"$in": list(story_ids)}, "event.call": call}
        return {document["_id"] async for document in self.collection.find(won, {"_id": 1})}

    async def delete(self, deletions: Sequence[Deletion], now: datetime) -> None:
        """Remove timers and open receipts; an earlier ending is final."""
        recompute = self._recompute_waiting(now)
        await self._change((each.story_id, [*update_pipelines.delete(each), *recompute]) for each in deletions)

    async def accept(self, confirmations: Sequence[ErasureConfirmation], now: datetime) -> list[NewConfirmation]:
        """Record first confirmations and complete receipts; the new confirmations of ended stories.

        Those that differ in their story only, as of a store that erases a batch, are one update.
        """
        if not confirmations:
            return []
        query = {"_id": {"$in": list({confirmation.story_id for confirmation in confirmations})}}
        fields = {"ended": 1, "ended_at": 1, "erased": 1}
        known = {document["_id"]: document async for document in self.collection.find(query, fields)}
        recompute = self._recompute_waiting(now)
        alike: dict[ErasureConfirmation, list[str]] = defaultdict(list)
        for each in confirmations:
            alike[replace(each, story_id="")].append(each.story_id)
        unknown: list[tuple[str, list[update_pipelines.Stage]]] = []
        for confirmation, story_ids in alike.items():
            change = [*update_pipelines.confirm(confirmation), *recompute]
            if stored := [story_id for story_id in story_ids if story_id in known]:
                await self.collection.update_many({"_id": {"$in": stored}}, change)
            unknown += ((story_id, change) for story_id in story_ids if story_id not in known)
        await self._change(unknown)
        ended = {story_id: document for story_id, document in known.items() if "ended" in document}
        return list(first_confirmations(confirmations, ended))

    async def forget_author(self, user_id: str, at: datetime, now: datetime) -> None:
        """Delete receipts of stories posted by `at` 30 days after they are complete, not later."""
        of_author = {"author_id": user_id, "posted_at": {"$not": {"$gt": at}}, "ended_at": {"$not": {"$gt": at}}}
        earlier = {"author_erased": True, "delete_at": {"$min": ["$delete_at", now + MARK_RETENTION]}}
        living = {"author_id": user_id, "posted_at": {"$lte": at}, "completed_at": {"$exists": False}}
        await self.collection.update_many(living, {"$set": {"author_erased": True}})
        await self.collection.update_many(of_author | {"completed_at": {"$exists": True}}, [{"$set": earlier}])

    async def receipt(self, story_id: str) -> Receipt | None:
        """The story's receipt; None where it is live or unknown."""
        document = await self.collection.find_one({"_id": story_id, "ended": {"$exists": True}})
        return receipt_of(document) if document else None

    async def audit(self, now: datetime) -> Audit:
        """The number of open receipts by store, and the age of the oldest."""
        counts = {}
        oldest = {}
        for store in STORES:
            counts[store] = await self.collection.count_documents({"waiting": store}, limit=COUNTED)
            first = await self.collection.find_one({"waiting": store}, {"ended_at": 1}, sort=[("ended_at", 1)])
            oldest[store] = max(0.0, (now - first["ended_at"]).total_seconds()) if first else 0.0
        return Audit(counts, oldest)

    async def count_timers(self, now: datetime) -> TimerCounts:
        """Count pending and overdue timers."""
        overdue = {"due": {"$gt": LONG_AGO, "$lt": now - OVERDUE_AFTER}}
        first = await self.collection.find_one(overdue, {"due": 1}, sort=[("due", 1)])
        return TimerCounts(
            timers=await self.collection.count_documents({"due": {"$gt": LONG_AGO}}),
            overdue=await self.collection.count_documents(overdue, limit=COUNTED) if first else 0,
            oldest_overdue_s=(now - first["due"]).total_seconds() if first else 0.0,
        )

    def _recompute_waiting(self, now: datetime) -> list[update_pipelines.Stage]:
        return update_pipelines.recompute_waiting("$ended", self.expected, now, self._kept)

    async def _insert(self, timers: Sequence[Timer]) -> list[Timer]:
        """Insert new timers, nearly all of them, and return the others."""
        new = {timer.story_id: timer for timer in reversed(timers)}
        documents = [document_of(timer) for timer in new.values()]
        existing = [timer for timer in timers if new[timer.story_id] is not timer]
        try:
            if documents:
                await self.collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            if any(failure["code"] != DUPLICATE for failure in refused):
                raise
            existing += [new[failure["op"]["_id"]] for failure in refused]
        return existing

    async def _change(self, changes: Iterable[tuple[str, list[update_pipelines.Stage]]]) -> None:
        """Apply each change to its story's document, inserting it if it does not exist."""
        updates = [UpdateOne({"_id": story_id}, change, upsert=True) for story_id, change in changes]
        if updates:
            await self.collection.bulk_write(updates, ordered=False)


def document_of(timer: Timer) -> Document:
    """The document of a new story."""
    return {
        "_id": timer.story_id,
        "author_id": timer.author_id,
        "posted_at": timer.posted_at,
        "expires_at": timer.expires_at,
        "due": timer.expires_at,
        "revision": timer.revision,
    }


def first_confirmations(
    confirmations: Sequence[ErasureConfirmation], ended: dict[str, Document]
) -> Iterable[NewConfirmation]:
    """The confirmations that a story's document does not contain yet."""
    seen = set()
    for confirmation in confirmations:
        document = ended.get(confirmation.story_id)
        if (
            document is None
            or confirmation.store in document.get("erased", {})
            or (confirmation.story_id, confirmation.store) in seen
        ):
            continue
        seen.add((confirmation.story_id, confirmation.store))
        yield NewConfirmation(
            confirmation.store, max(0.0, (confirmation.erased_at - document["ended_at"]).total_seconds())
        )


def receipt_of(document: Document) -> Receipt:
    """The receipt in the document of an ended story, of which no trusted producer may have named the author."""
    named = {"story_id": document["_id"], "was_archived": document.get("archived", False)}
    return msgspec.convert({"author_id": None, **document, **named}, Receipt)


def endings(document: Document) -> list[OutgoingEvent]:
    """The event of an ending, with the id and data of its first publication."""
    original = document["event"]
    event: StoryExpired | StoryDeleted
    if document["ended"] == "expired":
        event = StoryExpired(
            story_id=document["_id"],
            author_id=document["author_id"],
            expires_at=document["ended_at"],
            expired_at=original["at"],
        )
    else:
        event = StoryDeleted(
            story_id=document["_id"],
            author_id=document.get("author_id"),
            deleted_at=document["ended_at"],
            by=document["by"],
        )
    return [OutgoingEvent(event, event_id=original["id"], at=original["at"])]
