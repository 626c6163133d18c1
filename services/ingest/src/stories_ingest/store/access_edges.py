"""Blocks and hiding in MongoDB, the newest state of each."""

from dataclasses import dataclass
from datetime import datetime

from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_ingest.store.documents import ACCESS_EDGES


@dataclass(frozen=True, slots=True)
class MongoAccessEdges:
    """Who blocks whom, and who hides all stories from whom. User ids hold no spaces.

    The end of an edge stays 30 days, longer than any record that could restore the edge.
    """

    mongo: Mongo

    async def put(self, kind: str, user_id: str, target_id: str, at: datetime, *, on: bool) -> None:
        """Store an edge unless a newer state is stored, or one of the two was erased since; at a tie `on` wins."""
        erased = {"_id": {"$in": [user_id, target_id]}, "at": {"$gte": at}}
        if await self.mongo[ERASED_USERS].find_one(erased, {"_id": 1}):
            return
        newer = {"$or": [{"$gt": [at, "$at"]}, {"$and": [on, {"$eq": [at, "$at"]}]}]}
        state = {"on": on, "at": at, "gone_at": "$$REMOVE" if on else at}
        fields = {name: {"$cond": [newer, value, f"${name}"]} for name, value in state.items()}
        whom = {"user_id": user_id, "target_id": target_id}
        await self.mongo[ACCESS_EDGES].update_one(
            {"_id": _id(kind, user_id, target_id)}, [{"$set": whom | fields}], upsert=True
        )

    async def is_hidden(self, author_id: str, viewer_id: str) -> bool:
        """Whether one of the two blocks the other, or the author hides all stories from the viewer."""
        ids = [
            _id("block", author_id, viewer_id),
            _id("block", viewer_id, author_id),
            _id("hide", author_id, viewer_id),
        ]
        return await self.mongo[ACCESS_EDGES].find_one({"_id": {"$in": ids}, "on": True}, {"_id": 1}) is not None


def _id(kind: str, user_id: str, target_id: str) -> str:
    return f"{kind} {user_id} {target_id}"
