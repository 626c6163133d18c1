"""Who else is there: a sign of life per replica, so that replicas prefer different stories."""

from datetime import datetime

from pymongo import IndexModel
from stories_shared.mongo.client import Mongo

from stories_expiry.domain.timers import ALIVE_FOR

NAME = "replicas"


class MongoReplicas:
    """The replicas that lately showed a sign of life."""

    def __init__(self, mongo: Mongo) -> None:
        self._replicas = mongo[NAME]

    @classmethod
    async def ensure(cls, mongo: Mongo) -> None:
        """The collection forgets a replica an hour after its last sign of life."""
        await mongo.ensure(NAME, IndexModel([("at", 1)], name="forgotten", expireAfterSeconds=3600))

    async def beat(self, me: str, now: datetime) -> tuple[str, ...]:
        """Show a sign of life and return the names of all that lately did, sorted."""
        await self._replicas.update_one({"_id": me}, {"$set": {"at": now}}, upsert=True)
        alive = await self._replicas.find({"at": {"$gte": now - ALIVE_FOR}}, {"_id": 1}).to_list(None)
        return tuple(sorted(replica["_id"] for replica in alive))
