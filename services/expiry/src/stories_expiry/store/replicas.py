"""Heartbeats of replicas, so that they share the firing."""

from datetime import datetime

from pymongo import IndexModel
from stories_shared.mongo.client import Mongo

from stories_expiry.domain.timers import ALIVE_FOR

NAME = "replicas"


class MongoReplicas:
    """Replicas with a recent heartbeat."""

    def __init__(self, mongo: Mongo) -> None:
        self._replicas = mongo[NAME]

    @classmethod
    async def ensure(cls, mongo: Mongo) -> None:
        """Create the collection; a heartbeat expires after an hour."""
        await mongo.ensure(NAME, IndexModel([("at", 1)], name="ttl", expireAfterSeconds=3600))

    async def heartbeat(self, me: str, now: datetime) -> tuple[str, ...]:
        """Record a heartbeat and return the names of all replicas with a recent one, sorted."""
        await self._replicas.update_one({"_id": me}, {"$set": {"at": now}}, upsert=True)
        alive = await self._replicas.find({"at": {"$gte": now - ALIVE_FOR}}, {"_id": 1}).to_list(None)
        return tuple(sorted(replica["_id"] for replica in alive))
