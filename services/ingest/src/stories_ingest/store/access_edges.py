"""Blocks and hiding in MongoDB, the newest state of each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_ingest.domain.access_edges import Edge, EdgeState
from stories_ingest.store.documents import ACCESS_EDGES


@dataclass(frozen=True, slots=True)
class MongoAccessEdges:
    """The `AccessEdgeRepository`. User ids hold no spaces.

    The end of an edge stays 30 days, longer than any record that could restore the edge.
    """

    mongo: Mongo

    async def put(self, edge: Edge, state: EdgeState) -> None:
        at, on = state
        erased = {"_id": {"$in": [edge.user_id, edge.target_id]}, "at": {"$gte": at}}
        if await self.mongo[ERASED_USERS].find_one(erased, {"_id": 1}):
            return
        newer = {"$or": [{"$gt": [at, "$at"]}, {"$and": [on, {"$eq": [at, "$at"]}]}]}
        fields = {"on": on, "at": at, "gone_at": "$$REMOVE" if on else at}
        changed = {name: {"$cond": [newer, value, f"${name}"]} for name, value in fields.items()}
        whom = {"user_id": edge.user_id, "target_id": edge.target_id}
        await self.mongo[ACCESS_EDGES].update_one({"_id": " ".join(edge)}, [{"$set": whom | changed}], upsert=True)

    async def states(self, edges: Collection[Edge]) -> dict[Edge, EdgeState]:
        by_id = {" ".join(edge): edge for edge in edges}
        found = self.mongo[ACCESS_EDGES].find({"_id": {"$in": list(by_id)}}, {"at": 1, "on": 1})
        return {by_id[each["_id"]]: EdgeState(each["at"], each["on"]) for each in await found.to_list(None)}

    async def outdated(self, states: Mapping[Edge, EdgeState]) -> set[Edge]:
        stored = await self.states(states.keys())
        users = {user_id for edge in states for user_id in (edge.user_id, edge.target_id)}
        found = await self.mongo[ERASED_USERS].find({"_id": {"$in": list(users)}}, {"at": 1}).to_list(None)
        erased = {each["_id"]: each["at"] for each in found}
        return {
            edge
            for edge, state in states.items()
            if (edge in stored and stored[edge] >= state)
            or any(erased[user] >= state.at for user in (edge.user_id, edge.target_id) if user in erased)
        }
