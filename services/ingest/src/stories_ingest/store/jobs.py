"""Media jobs in MongoDB: fields of their story's document, claimed with a lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from stories_shared.mongo.client import Document, Mongo

from stories_ingest.domain.story import State, Story
from stories_ingest.store.documents import STORIES, story_of

RENDITIONS = "posted.renditions_job"
PROCESSING = {"state": str(State.PROCESSING)}
SCHEDULED = {"state": str(State.SCHEDULED)}


@dataclass(frozen=True, slots=True)
class MongoJobs:
    """The `MediaQueue`."""

    mongo: Mongo

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        document = await self.mongo[STORIES].find_one_and_update(
            _waiting(now),
            {"$set": {"job.worker": worker, "job.lease_until": until}, "$inc": {"job.attempts": 1}},
            sort=[("job.since", 1)],
            return_document=ReturnDocument.AFTER,
        )
        return story_of(document) if document else None

    async def renew(self, story_id: str, worker: str, until: datetime, progress: float, parts: Sequence[str]) -> bool:
        fields = {"job.lease_until": until, "job.progress": progress, "job.parts": list(parts)}
        return await self._update(story_id, worker, {"$set": fields})

    async def release(self, story_id: str, worker: str, until: datetime, *, counted: bool) -> None:
        """Release the job for a retry at `until`; an uncounted attempt is subtracted."""
        fields: Document = {"$set": {"job.worker": None, "job.lease_until": until, "job.progress": 0.0}}
        if not counted:
            fields["$inc"] = {"job.attempts": -1}
        await self._update(story_id, worker, fields)

    async def waiting(self, now: datetime) -> int:
        """Number of jobs without an active lease, at most 10,000."""
        return await self.mongo[STORIES].count_documents(_waiting(now), limit=10_000)

    async def _update(self, story_id: str, worker: str, change: dict[str, Any]) -> bool:
        own = {"_id": story_id, **PROCESSING, "job.worker": worker}
        return (await self.mongo[STORIES].update_one(own, change)).matched_count > 0


@dataclass(frozen=True, slots=True)
class MongoRenditionJobs:
    """The `RenditionQueue`."""

    mongo: Mongo

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        document = await self.mongo[STORIES].find_one_and_update(
            {f"{RENDITIONS}.since": {"$lte": now}, f"{RENDITIONS}.lease_until": {"$lte": now}},
            {"$set": {f"{RENDITIONS}.worker": worker, f"{RENDITIONS}.lease_until": until}, "$inc": _attempts(1)},
            sort=[(f"{RENDITIONS}.since", 1)],
            return_document=ReturnDocument.AFTER,
        )
        return story_of(document) if document else None

    async def renew(self, story_id: str, worker: str, until: datetime) -> bool:
        own = {"_id": story_id, f"{RENDITIONS}.worker": worker}
        update = {"$set": {f"{RENDITIONS}.lease_until": until}}
        return (await self.mongo[STORIES].update_one(own, update)).matched_count > 0

    async def release(self, story_id: str, worker: str, until: datetime) -> None:
        """Release the job for a retry at `until`; the attempt is not counted."""
        own = {"_id": story_id, f"{RENDITIONS}.worker": worker}
        fields = {f"{RENDITIONS}.worker": None, f"{RENDITIONS}.lease_until": until}
        await self.mongo[STORIES].update_one(own, {"$set": fields, "$inc": _attempts(-1)})


def _attempts(by: int) -> Document:
    return {f"{RENDITIONS}.attempts": by}


def _waiting(now: datetime) -> Document:
    """Filter for jobs without an active lease. `since` is only there for the index: no lease ends before it."""
    return {**PROCESSING, "job.since": {"$lte": now}, "job.lease_until": {"$lte": now}}
