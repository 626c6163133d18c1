"""What is due to be cleaned up, who may do it, and what is noted of it."""

from collections.abc import Collection as Several
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError
from stories_shared.mongo import Document, Mongo, Session

from stories_ingest.domain.keys import story_of
from stories_ingest.domain.story import Media, State
from stories_ingest.store.documents import (
    CLAIMS,
    ENDED,
    ERASED_USERS,
    QUOTAS,
    STORIES,
    TURNS,
    quota_document,
    quota_of,
)


@dataclass(frozen=True, slots=True)
class MongoCleaning:
    """Drafts, endings and accounts that are over, and keys without a story."""

    mongo: Mongo

    async def vanishing(self, now: datetime, limit: int) -> list[str]:
        """Drafts and refused stories whose time is over."""
        return await self._ids(STORIES, {"vanishes_at": {"$lte": now}}, limit)

    async def unheard_of(self, before: datetime, limit: int) -> list[str]:
        """Live stories whose time was over before then."""
        return await self._ids(STORIES, {"posted.expires_at": {"$lte": before}}, limit)

    async def erased(self, story_id: str, at: datetime, again_at: datetime) -> None:
        """Note when an ended story's media were erased, and when to look again."""
        noted = {"$set": {"erased_at": at, "again_at": again_at}}
        await self.mongo[ENDED].update_one({"_id": story_id}, noted)

    async def to_look_at_again(self, now: datetime, limit: int) -> list[str]:
        """Ended stories whose objects are to be erased a second time."""
        return await self._ids(ENDED, {"again_at": {"$lte": now}}, limit)

    async def looked_again(self, story_ids: Several[str]) -> None:
        """Their second look is done."""
        await self.mongo[ENDED].update_many({"_id": {"$in": list(story_ids)}}, {"$unset": {"again_at": ""}})

    async def accounts_to_look_at_again(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        """Erased users, and until when what they had is to go."""
        found = self.mongo[ERASED_USERS].find({"again_at": {"$lte": now}}, limit=limit)
        return [(document["_id"], document["at"]) for document in await found.to_list(None)]

    async def mark_erased(self, user_id: str, at: datetime, again_at: datetime | None) -> None:
        """Note until when what a user had is to be erased, and when to look again, if at all."""
        again: Document = {"$unset": {"again_at": ""}} if again_at is None else {"$set": {"again_at": again_at}}
        await self.mongo[ERASED_USERS].update_one({"_id": user_id}, {"$max": {"at": at}, **again}, upsert=True)

    async def made_until(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Ids of a user's stories created not later than `at`."""
        return await self._ids(STORIES, {"author_id": user_id, "created_at": {"$lte": at}}, limit)

    async def forget(self, user_id: str, at: datetime) -> None:
        """Drop a user's claims and quota of before, and the name on ended stories that have been said."""
        await self.mongo[CLAIMS].delete_many({"user_id": user_id})
        mine = {"author_id": user_id, "unsaid": {"$exists": False}, "$or": [{"by": "erasure"}, {"at": {"$lte": at}}]}
        await self.mongo[ENDED].update_many(mine, {"$unset": {"author_id": ""}})

        async def verb(session: Session) -> None:
            quotas = self.mongo[QUOTAS]
            quota = quota_of(await quotas.find_one({"_id": user_id}, session=session)).forget(at)
            if quota.empty:
                await quotas.delete_one({"_id": user_id}, session=session)
            else:
                await quotas.update_one({"_id": user_id}, {"$set": quota_document(quota)}, session=session)

        await self.mongo.transaction(verb)

    async def uploads_wanted(self, story_ids: Several[str]) -> set[str]:
        """Those of the stories that are drafts or being processed."""
        making = {"_id": {"$in": list(story_ids)}, "state": {"$in": [str(State.DRAFT), str(State.PROCESSING)]}}
        return set(await self._ids(STORIES, making, 0))

    async def rightful(self, keys: Several[str]) -> set[str]:
        """Those of the final keys that a live story shows or a running job may be writing.

        Jobs are read before stories: a job that is posted in between then counts as running.
        """
        folders = list({story_of(key) for key in keys})
        running = await self._being_written(folders)
        live = self.mongo[STORIES].find({"_id": {"$in": folders}, "state": str(State.LIVE)}, {"posted.media": 1})
        shown: set[str] = set()
        async for document in live:
            shown.update(Media(**document["posted"]["media"]).keys)
        return {key for key in keys if key in shown or story_of(key) in running}

    async def _being_written(self, folders: list[str]) -> set[str]:
        jobs = {
            "state": str(State.PROCESSING),
            "$or": [{"_id": {"$in": folders}}, {"job.parts": {"$in": folders}}],
        }
        running: set[str] = set()
        async for document in self.mongo[STORIES].find(jobs, {"job.parts": 1}):
            running |= {document["_id"], *document["job"]["parts"]}
        return running

    async def _ids(self, collection: str, wanted: Document, limit: int) -> list[str]:
        found = self.mongo[collection].find(wanted, {"_id": 1}, limit=limit)
        return [document["_id"] for document in await found.to_list(None)]


@dataclass(frozen=True, slots=True)
class MongoTurns:
    """Work that one replica at a time does for all."""

    mongo: Mongo

    async def take(self, name: str, holder: str, now: datetime, hold: timedelta) -> bool:
        """Whether it is this holder's turn, until `hold` has passed."""
        mine_or_nobodys = {"_id": name, "$or": [{"holder": holder}, {"until": {"$lte": now}}]}
        try:
            await self.mongo[TURNS].update_one(
                mine_or_nobodys, {"$set": {"holder": holder, "until": now + hold}}, upsert=True
            )
        except DuplicateKeyError:
            return False
        return True
