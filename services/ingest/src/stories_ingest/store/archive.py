"""The archive in MongoDB: which authors keep their stories, what they keep, and what of it is still to be erased."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import DESCENDING, ReplaceOne
from stories_shared.mongo.client import Document, Mongo, Session

from stories_ingest.domain import keys
from stories_ingest.domain.archive import ArchivedStory, RemovedStory
from stories_ingest.domain.media import object_keys
from stories_ingest.domain.story import State, Story
from stories_ingest.store.documents import (
    ARCHIVE,
    ARCHIVE_SETTINGS,
    HIGHLIGHTS,
    PAUSES,
    STORIES,
    story_document,
    story_of,
)

KEPT = {"archived_at": {"$exists": True}}
MOST_COUNTED = 1_000
OFF = "archive"
"""Id of the mark that the archive is off."""
REMOVED = {"removed_at": {"$exists": True}}


def archive_document(story: Story, at: datetime) -> Document:
    """The document of an archived story, without its id."""
    return {"archived_at": at, **story_document(story)}


@dataclass(frozen=True, slots=True)
class MongoArchive:
    """The `ArchiveRepository`. A removed story leaves its id and author's id until its objects are erased twice."""

    mongo: Mongo

    async def keeping(self, story_ids: Collection[str]) -> set[str]:
        posted = {"_id": {"$in": list(story_ids)}, "state": str(State.LIVE)}
        found = await self.mongo[STORIES].find(posted, {"author_id": 1}).to_list(None)
        authors = list({story["author_id"] for story in found})
        settings = await self.mongo[ARCHIVE_SETTINGS].find({"_id": {"$in": authors}}, {"_id": 1}).to_list(None)
        on = {setting["_id"] for setting in settings}
        return {story["_id"] for story in found if story["author_id"] in on}

    async def enabled(self, user_id: str) -> bool:
        return await self.mongo[ARCHIVE_SETTINGS].find_one({"_id": user_id}, {"_id": 1}) is not None

    async def set_enabled(self, user_id: str, at: datetime, *, enabled: bool) -> None:
        if enabled:
            await self.mongo[ARCHIVE_SETTINGS].update_one({"_id": user_id}, {"$set": {"at": at}}, upsert=True)
        else:
            await self.mongo[ARCHIVE_SETTINGS].delete_one({"_id": user_id})

    async def owner(self, story_id: str) -> str | None:
        found = await self.mongo[ARCHIVE].find_one({"_id": story_id}, {"author_id": 1})
        return found["author_id"] if found else None

    async def kept(self, story_ids: Collection[str]) -> set[str]:
        return set(await self._ids({"_id": {"$in": list(story_ids)}, **KEPT}, 0))

    async def archive_page(self, author_id: str, before: str | None, limit: int) -> list[ArchivedStory]:
        query: Document = {"author_id": author_id, **KEPT}
        if before is not None:
            query["_id"] = {"$lt": before}
        found = self.mongo[ARCHIVE].find(query, sort=[("_id", DESCENDING)], limit=limit)
        return [archived_of(document) for document in await found.to_list(None)]

    async def copies_of(self, story_ids: Collection[str], limit: int) -> list[str]:
        ids = {"$in": list(story_ids)}
        query = {"$or": [{"_id": ids}, {"reposted_from.story_id": ids}], **KEPT}
        return await self._ids(query, limit)

    async def of_author(self, user_id: str, at: datetime, limit: int) -> list[str]:
        kept = {**KEPT, "created_at": {"$lte": at}}
        unerased = {**REMOVED, "erased_at": None}
        return await self._ids({"author_id": user_id, "$or": [kept, unerased]}, limit)

    async def remove(self, story_ids: Collection[str], at: datetime, erase_at: datetime) -> list[RemovedStory]:
        ids = {"_id": {"$in": list(story_ids)}}

        async def write(session: Session) -> None:
            found = await self.mongo[ARCHIVE].find({**ids, **KEPT}, {"author_id": 1}, session=session).to_list(None)
            marks = {"removed_at": at, "erase_at": erase_at}
            removed = [ReplaceOne({"_id": each["_id"]}, {"author_id": each["author_id"], **marks}) for each in found]
            if removed:
                await self.mongo[ARCHIVE].bulk_write(removed, session=session)
                await remove_stories(self.mongo, [each["_id"] for each in found], session)

        if await self.mongo[ARCHIVE].find_one({**ids, **KEPT}, {"_id": 1}):
            await self.mongo.transaction(write)
        left = self.mongo[ARCHIVE].find({**ids, **REMOVED, "erased_at": None})
        return [removed_of(document) for document in await left.to_list(None)]

    async def due_erasures(self, now: datetime, limit: int) -> list[RemovedStory]:
        found = self.mongo[ARCHIVE].find({"erase_at": {"$lte": now}}, limit=limit)
        return [removed_of(document) for document in await found.to_list(None)]

    async def count_due(self, before: datetime) -> int:
        return await self.mongo[ARCHIVE].count_documents({"erase_at": {"$lte": before}}, limit=MOST_COUNTED)

    async def record_archive_erasure(self, story_id: str, at: datetime, recheck_at: datetime) -> None:
        update = {"$set": {"erased_at": at, "erase_at": recheck_at}}
        await self.mongo[ARCHIVE].update_one({"_id": story_id, **REMOVED}, update)

    async def forget_archived(self, story_id: str) -> None:
        await self.mongo[ARCHIVE].delete_one({"_id": story_id, **REMOVED})

    async def referenced_archived(self, story_keys: Collection[str]) -> set[str]:
        """The keys that the archive references, or that a live story may be copied to.

        Live stories are read before the archive, so that one that moves in between is found.
        """
        ids = {"_id": {"$in": list({keys.story_of(key) for key in story_keys})}}
        found = self.mongo[STORIES].find({**ids, "state": str(State.LIVE)}, {"_id": 1})
        moving = {document["_id"] for document in await found.to_list(None)}
        kept: set[str] = set()
        async for document in self.mongo[ARCHIVE].find({**ids, **KEPT}, {"posted.media": 1}):
            kept.update(object_keys(document["posted"]["media"]))
        return {key for key in story_keys if key in kept or keys.story_of(key) in moving}

    async def off_since(self, now: datetime) -> datetime:
        since = {"$setOnInsert": {"at": now}}
        await self.mongo[PAUSES].update_one({"_id": OFF}, since, upsert=True)
        found = await self.mongo[PAUSES].find_one({"_id": OFF})
        at: datetime = found["at"] if found else now
        return at

    async def record_on(self) -> None:
        await self.mongo[PAUSES].delete_one({"_id": OFF})

    async def any_archived(self, limit: int) -> list[str]:
        return await self._ids(KEPT, limit)

    async def forget_settings(self) -> None:
        await self.mongo[ARCHIVE_SETTINGS].delete_many({})

    async def _ids(self, query: Document, limit: int) -> list[str]:
        found = self.mongo[ARCHIVE].find(query, {"_id": 1}, limit=limit)
        return [document["_id"] for document in await found.to_list(None)]


async def remove_stories(mongo: Mongo, story_ids: Sequence[str], session: Session) -> None:
    """Remove archived stories from all highlights; one without stories is deleted, a lost cover is replaced."""
    highlights = mongo[HIGHLIGHTS]
    found = await highlights.find({"story_ids": {"$in": list(story_ids)}}, {"_id": 1}, session=session).to_list(None)
    if not found:
        return
    of_them = {"_id": {"$in": [document["_id"] for document in found]}}
    left: Document = {"$filter": {"input": "$story_ids", "cond": {"$not": [{"$in": ["$$this", list(story_ids)]}]}}}
    is_left = {"$in": ["$cover_story_id", "$story_ids"]}
    cover: Document = {"$cond": [is_left, "$cover_story_id", {"$first": "$story_ids"}]}
    pipeline = [{"$set": {"story_ids": left}}, {"$set": {"cover_story_id": cover}}]
    await highlights.update_many(of_them, pipeline, session=session)
    await highlights.delete_many({**of_them, "story_ids": []}, session=session)


def archived_of(document: Document) -> ArchivedStory:
    """The archived story of a document."""
    return ArchivedStory(story=story_of(document), archived_at=document["archived_at"])


def removed_of(document: Document) -> RemovedStory:
    """The removed story of a document."""
    return RemovedStory(story_id=document["_id"], author_id=document["author_id"], erased_at=document.get("erased_at"))
