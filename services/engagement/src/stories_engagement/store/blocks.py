"""Blocks: the newest state of each."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime

from stories_shared.mongo.client import Mongo, Session
from stories_shared.mongo.data_loader import DataLoader
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_engagement.domain.access_state import BlockState, Pair
from stories_engagement.store.schema import BLOCKS, row_id
from stories_engagement.store.transactions import transaction_retrying_duplicates


class MongoBlocks:
    """The newest state of each block; of a lifted one also since when it was on."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._blocks = mongo[BLOCKS]
        self._loader = DataLoader(self._blocks, {"on": 1, "at": 1})

    async def block_states(self, pairs: Iterable[Pair]) -> dict[Pair, BlockState]:
        """The states of these pairs. Absent: never set, or lifted and expired."""
        ids = {row_id(*pair): pair for pair in pairs}
        found = await self._loader.get_many(ids)
        return {ids[_id]: BlockState(block["on"], block["at"]) for _id, block in found.items()}

    async def block_states_of(self, user_id: str, limit: int) -> dict[Pair, BlockState]:
        """Blocks in force by and against a user, at most `limit` in each direction."""
        fields = {"user_id": 1, "target_id": 1, "at": 1}
        sides = await asyncio.gather(
            *(
                self._blocks.find({side: user_id, "on": True}, fields, limit=limit).to_list(None)
                for side in ("user_id", "target_id")
            )
        )
        return {(b["user_id"], b["target_id"]): BlockState(on=True, at=b["at"]) for side in sides for b in side}

    async def outdated(self, states: Mapping[Pair, BlockState]) -> set[Pair]:
        """Which of these states are stored, or superseded by a stored state or an erasure."""
        people = sorted({user_id for pair in states for user_id in pair})
        erased = await self._mongo[ERASED_USERS].find({"_id": {"$in": people}}, {"at": 1}).to_list(None)
        stored, until = await self.block_states(states), {mark["_id"]: mark["at"] for mark in erased}
        return {
            pair
            for pair, state in states.items()
            if (pair in stored and not stored[pair].superseded_by(state))
            or any(user_id in until and state.at <= until[user_id] for user_id in pair)
        }

    async def put(self, user_id: str, target_id: str, state: BlockState) -> None:
        """Store a block or its lifting, unless a newer state is stored or one of the two was erased since.

        The two have separate topics: a block that arrives after its lifting only moves `since` back.
        """

        async def operation(session: Session) -> None:
            key = {"_id": row_id(user_id, target_id)}
            existing = await self._blocks.find_one(key, session=session)
            erased_since = {"_id": {"$in": [user_id, target_id]}, "at": {"$gte": state.at}}
            if await self._mongo[ERASED_USERS].find_one(erased_since, session=session):
                return
            if existing and not BlockState(existing["on"], existing["at"]).superseded_by(state):
                if state.on and existing.get("lifted_at") == existing["since"] > state.at:
                    await self._blocks.update_one(key, {"$set": {"since": state.at}}, session=session)
                return
            document = {"user_id": user_id, "target_id": target_id, "on": state.on, "at": state.at, "since": state.at}
            if existing and existing["on"]:
                document["since"] = existing["since"]
            if not state.on:
                document["lifted_at"] = state.at
            await self._blocks.replace_one(key, document, upsert=True, session=session)

        await transaction_retrying_duplicates(self._mongo, operation)

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete all blocks by and against a user up to a time."""
        for side in ("user_id", "target_id"):
            await self._blocks.delete_many({side: user_id, "at": {"$lte": until}})
