"""Cleanup queries and account erasure in MongoDB."""

from collections.abc import Collection as Keys
from dataclasses import dataclass
from datetime import datetime

from stories_shared.mongo.client import Document, Mongo, Session
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_ingest.domain.keys import staging_key, story_of
from stories_ingest.domain.media import object_keys
from stories_ingest.domain.story import State
from stories_ingest.store.documents import (
    ACCESS_EDGES,
    ARCHIVE_SETTINGS,
    CLAIMS,
    DELETIONS,
    ENDED,
    HIGHLIGHTS,
    HOLDS,
    QUOTAS,
    STORIES,
    quota_document,
    quota_of,
)
from stories_ingest.store.jobs import SCHEDULED


@dataclass(frozen=True, slots=True)
class MongoCleanup:
    """The `CleanupRepository`, and the keys that are still referenced."""

    mongo: Mongo

    async def discardable(self, now: datetime, limit: int) -> list[str]:
        return await self._ids(STORIES, {"vanishes_at": {"$lte": now}}, limit)

    async def missed_expiries(self, before: datetime, limit: int) -> list[str]:
        return await self._ids(STORIES, {"posted.expires_at": {"$lte": before}}, limit)

    async def record_erasure(self, story_ids: Keys[str], at: datetime, recheck_at: datetime) -> None:
        update = {"$set": {"erased_at": at, "erase_at": recheck_at}}
        await self.mongo[ENDED].update_many({"_id": {"$in": list(story_ids)}}, update)

    async def due_rechecks(self, now: datetime, limit: int) -> list[str]:
        return await self._ids(ENDED, {"erase_at": {"$lte": now}}, limit)

    async def clear_recheck(self, story_id: str) -> None:
        await self.mongo[ENDED].update_one({"_id": story_id}, {"$unset": {"erase_at": ""}})

    async def created_until(self, user_id: str, at: datetime, limit: int) -> list[str]:
        return await self._ids(STORIES, {"author_id": user_id, "created_at": {"$lte": at}}, limit)

    async def request_deletion(self, user_id: str, until: datetime) -> int:
        await self.mongo[DELETIONS].update_one({"_id": user_id}, {"$max": {"until": until}}, upsert=True)
        return await self.mongo[STORIES].count_documents(_live_until(user_id, until))

    async def requested_deletions(self, limit: int) -> list[tuple[str, datetime]]:
        found = await self.mongo[DELETIONS].find({}, limit=limit).to_list(None)
        return [(document["_id"], document["until"]) for document in found]

    async def live_until(self, user_id: str, until: datetime, limit: int) -> list[str]:
        return await self._ids(STORIES, _live_until(user_id, until), limit)

    async def finish_deletion(self, user_id: str, until: datetime) -> None:
        await self.mongo[DELETIONS].delete_one({"_id": user_id, "until": {"$lte": until}})

    async def unerased(self, user_id: str, at: datetime, limit: int) -> list[str]:
        return await self._ids(ENDED, {**_ended_until(user_id, at), "erased_at": None}, limit)

    async def delete_user_records(self, user_id: str, at: datetime) -> None:
        await self.mongo[CLAIMS].delete_many({"user_id": user_id})
        await self.mongo[DELETIONS].delete_one({"_id": user_id, "until": {"$lte": at}})
        await self.mongo[ARCHIVE_SETTINGS].delete_one({"_id": user_id, "at": {"$lte": at}})
        await self.mongo[HIGHLIGHTS].delete_many({"author_id": user_id, "created_at": {"$lte": at}})
        for side in ("user_id", "target_id"):
            await self.mongo[ACCESS_EDGES].delete_many({side: user_id, "at": {"$lte": at}})
        own = {**_ended_until(user_id, at), "pending": {"$exists": False}}
        await self.mongo[ENDED].update_many(own, {"$unset": {"author_id": ""}})

        async def write(session: Session) -> None:
            quotas = self.mongo[QUOTAS]
            quota = quota_of(await quotas.find_one({"_id": user_id}, session=session)).posted_after(at)
            if quota.empty:
                await quotas.delete_one({"_id": user_id}, session=session)
            else:
                await quotas.update_one({"_id": user_id}, {"$set": quota_document(quota)}, session=session)

        await self.mongo.transaction(write)

    async def suspend(self, user_id: str, at: datetime, until: datetime) -> None:
        """Suspend a user, unless the account was erased since `at`."""

        async def write(session: Session) -> None:
            erased = {"_id": user_id, "at": {"$gte": at}}
            if await self.mongo[ERASED_USERS].find_one(erased, {"_id": 1}, session=session) is not None:
                return
            quotas = self.mongo[QUOTAS]
            quota = quota_of(await quotas.find_one({"_id": user_id}, session=session)).suspend(at, until)
            written = {"$set": quota_document(quota), "$inc": {"writes": 1}}
            await quotas.update_one({"_id": user_id}, written, upsert=True, session=session)

        await self.mongo.transaction(write)

    async def referenced_uploads(self, keys: Keys[str]) -> set[str]:
        """The staging keys whose stories are drafts or in processing."""
        story_ids = list({story_of(key) for key in keys})
        making = {"_id": {"$in": story_ids}, "state": {"$in": [str(State.DRAFT), str(State.PROCESSING)]}}
        return {staging_key(story_id) for story_id in await self._ids(STORIES, making, 0)}

    async def referenced_keys(self, keys: Keys[str]) -> set[str]:
        """The final keys that a live story references, a running job may be writing, or a hold is to keep.

        Jobs are read before stories, so that a job that is posted in between counts as running.
        """
        folders = list({story_of(key) for key in keys})
        running = await self._being_written(folders)
        running.update(await self._ids(HOLDS, {"_id": {"$in": folders}, "until": {"$exists": True}}, 0))
        fields = {"posted.media": 1, "posted.renditions_job": 1}
        live = self.mongo[STORIES].find({"_id": {"$in": folders}, "state": str(State.LIVE)}, fields)
        referenced: set[str] = set()
        async for document in live:
            referenced.update(object_keys(document["posted"]["media"]))
            if document["posted"].get("renditions_job"):
                running.add(document["_id"])
        return {key for key in keys if key in referenced or story_of(key) in running}

    async def _being_written(self, folders: list[str]) -> set[str]:
        jobs = {
            "state": str(State.PROCESSING),
            "$or": [{"_id": {"$in": folders}}, {"job.parts": {"$in": folders}}],
        }
        scheduled = {**SCHEDULED, "$or": [{"_id": {"$in": folders}}, {**SCHEDULED, "job.parts": {"$in": folders}}]}
        running: set[str] = set()
        for query in (jobs, scheduled):
            async for document in self.mongo[STORIES].find(query, {"job.parts": 1}):
                running |= {document["_id"], *document["job"]["parts"]}
        return running

    async def due_scheduled(self, now: datetime, limit: int) -> list[str]:
        """Ids of scheduled stories that are due."""
        return await self._ids(STORIES, {**SCHEDULED, "publish_at": {"$lte": now}}, limit)

    async def _ids(self, collection: str, query: Document, limit: int) -> list[str]:
        found = self.mongo[collection].find(query, {"_id": 1}, limit=limit)
        return [document["_id"] for document in await found.to_list(None)]


def _live_until(user_id: str, until: datetime) -> Document:
    """Filter for a user's live stories that were posted until then and have not expired."""
    return {
        "author_id": user_id,
        "state": str(State.LIVE),
        "posted.posted_at": {"$lte": until},
        "posted.expires_at": {"$gt": until},
    }


def _ended_until(user_id: str, at: datetime) -> Document:
    """Filter for a user's stories that ended until `at`, or by the erasure of the account."""
    return {"author_id": user_id, "$or": [{"by": "erasure"}, {"at": {"$lte": at}}]}
