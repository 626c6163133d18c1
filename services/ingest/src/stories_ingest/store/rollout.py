"""What may pause `create`, in MongoDB: outcomes of media jobs in short intervals, overdue stories, the last cause."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from stories_shared.clock import Clock
from stories_shared.mongo.client import Mongo

from stories_ingest.store.documents import PAUSES, PUBLISH_OUTCOMES, STORIES

INTERVAL = timedelta(seconds=10)
CREATE = "create"


@dataclass(frozen=True, slots=True)
class MongoSignals:
    """The `Signals`: counts that all replicas and workers share; they hold no ids."""

    mongo: Mongo
    now: Clock

    async def count_job(self, failed: bool) -> None:
        """Count one media job that ended."""
        at = self.now()
        begins = at - timedelta(seconds=at.timestamp() % INTERVAL.total_seconds())
        counted = {"$inc": {"ended": 1, "failed": int(failed)}}
        await self.mongo[PUBLISH_OUTCOMES].update_one({"_id": begins.replace(microsecond=0)}, counted, upsert=True)

    async def media_jobs(self, since: datetime) -> tuple[int, int]:
        found = await self.mongo[PUBLISH_OUTCOMES].find({"_id": {"$gte": since - INTERVAL}}).to_list(None)
        return sum(each["ended"] for each in found), sum(each["failed"] for each in found)

    async def oldest_overdue(self, now: datetime) -> datetime | None:
        found = await self.mongo[STORIES].find_one(
            {"posted.expires_at": {"$lte": now}}, {"posted.expires_at": 1}, sort=[("posted.expires_at", 1)]
        )
        at: datetime | None = found["posted"]["expires_at"] if found else None
        return at

    async def record_cause(self, at: datetime) -> None:
        await self.mongo[PAUSES].update_one({"_id": CREATE}, {"$max": {"at": at}}, upsert=True)

    async def last_cause(self) -> datetime | None:
        found = await self.mongo[PAUSES].find_one({"_id": CREATE})
        at: datetime | None = found["at"] if found else None
        return at

    async def forget_old(self) -> None:
        """Delete counts that no policy reads any more."""
        await self.mongo[PUBLISH_OUTCOMES].delete_many({"_id": {"$lt": self.now() - timedelta(hours=2)}})
