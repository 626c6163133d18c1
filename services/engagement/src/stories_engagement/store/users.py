"""Blocks between people, whether their views are listed, and the marks of those who were erased."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.mongo.client import DataLoader, Mongo, Session

from stories_engagement.domain.access_state import BlockState, Pair
from stories_engagement.store.schema import (
    BLOCKS,
    CLAIMS,
    ERASED_USERS,
    PRIVACY,
    row_id,
    transaction_retrying_duplicates,
)


class MongoBlocks:
    """The newest word about each block; of a lifted one also since when it had stood."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._blocks = mongo[BLOCKS]
        self._loader = DataLoader(self._blocks, {"on": 1, "at": 1})

    async def block_states(self, pairs: Iterable[Pair]) -> dict[Pair, BlockState]:
        """The words about these pairs; what is absent was never said or is long lifted."""
        ids = {row_id(*pair): pair for pair in pairs}
        found = await self._loader.get_many(ids)
        return {ids[_id]: BlockState(block["on"], block["at"]) for _id, block in found.items()}

    async def block_states_of(self, user_id: str, limit: int) -> dict[Pair, BlockState]:
        """Blocks that stand and that a person has a part in, at most so many."""
        fields = {"user_id": 1, "target_id": 1, "at": 1}
        sides = await asyncio.gather(
            *(
                self._blocks.find({side: user_id, "on": True}, fields, limit=limit).to_list(None)
                for side in ("user_id", "target_id")
            )
        )
        return {(b["user_id"], b["target_id"]): BlockState(on=True, at=b["at"]) for side in sides for b in side}

    async def outdated(self, states: Mapping[Pair, BlockState]) -> set[Pair]:
        """Which of these words are stored, or outdone by what is stored: by a newer word or by an erasure."""
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
        """Keep a block or its lifting, unless a newer word is kept or one of the two was erased since.

        The two come by topics of their own: of a block heard after its lifting, it is kept since when it had stood.
        """

        async def operation(session: Session) -> None:
            key = {"_id": row_id(user_id, target_id)}
            held = await self._blocks.find_one(key, session=session)
            nobodys = {"_id": {"$in": [user_id, target_id]}, "at": {"$gte": state.at}}
            if await self._mongo[ERASED_USERS].find_one(nobodys, session=session):
                return
            if held and not BlockState(held["on"], held["at"]).superseded_by(state):
                if state.on and held.get("lifted_at") == held["since"] > state.at:
                    await self._blocks.update_one(key, {"$set": {"since": state.at}}, session=session)
                return
            document = {"user_id": user_id, "target_id": target_id, "on": state.on, "at": state.at, "since": state.at}
            if held and held["on"]:
                document["since"] = held["since"]
            if not state.on:
                document["lifted_at"] = state.at
            await self._blocks.replace_one(key, document, upsert=True, session=session)

        await transaction_retrying_duplicates(self._mongo, operation)

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away all blocks by and against a person up to a time."""
        for side in ("user_id", "target_id"):
            await self._blocks.delete_many({side: user_id, "at": {"$lte": until}})


class MongoPrivacy:
    """Whether people's views are listed. `off_until`: the last moment at which they were not, if they are again."""

    def __init__(self, mongo: Mongo) -> None:
        self._privacy = mongo[PRIVACY]
        self._loader = DataLoader(self._privacy, {"view_history": 1})

    async def listed(self, user_id: str) -> bool:
        """Whether a person's views are listed from now on; so they are until somebody says otherwise."""
        document = await self._loader.get(user_id)
        return document is None or bool(document["view_history"])

    async def set_listed(self, user_id: str, listed: bool, at: datetime) -> None:
        """Turn a person's history on or off."""
        if not listed:
            off = {"$set": {"view_history": False, "at": at}, "$unset": {"off_until": ""}}
            await self._privacy.update_one({"_id": user_id}, off, upsert=True)
            return
        back_on = {"$set": {"view_history": True, "at": at, "off_until": at}}
        await self._privacy.update_one({"_id": user_id, "view_history": False}, back_on)

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away a person's setting, if it was made up to a time."""
        await self._privacy.delete_one({"_id": user_id, "at": {"$lte": until}})


Forget = Callable[[str, datetime], Awaitable[None]]


class MongoUserErasure:
    """Marks of erased people, and what is to be taken away from whom."""

    def __init__(self, mongo: Mongo, now: Clock, forgets: Sequence[Forget]) -> None:
        self._marks = mongo[ERASED_USERS]
        self._claims = mongo[CLAIMS]
        self._now = now
        self._forgets = forgets

    async def mark_erased(self, user_id: str, at: datetime, recheck_at: datetime) -> datetime:
        """Mark a person as erased up to a time, or the later one of an earlier mark, which is returned."""
        change = {"$max": {"at": at}, "$set": {"again_at": recheck_at, "heard_at": truncate_to_ms(self._now())}}
        after = ReturnDocument.AFTER
        try:
            mark = await self._marks.find_one_and_update({"_id": user_id}, change, upsert=True, return_document=after)
        except DuplicateKeyError:
            mark = await self._marks.find_one_and_update({"_id": user_id}, change, upsert=True, return_document=after)
        return mark["at"] if mark else at

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away everything a person did up to a time."""
        for forget in self._forgets:
            await forget(user_id, until)
        await self._claims.delete_many({"user_id": user_id, "at": {"$lte": until}})

    async def due_for_recheck(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        """Whom to forget a second time by now."""
        found = self._marks.find({"again_at": {"$lte": now}}, {"at": 1}, limit=limit)
        return [(mark["_id"], mark["at"]) for mark in await found.to_list(None)]

    async def mark_rechecked(self, user_id: str, at: datetime) -> None:
        """Note that this was done, unless the mark has changed since."""
        await self._marks.update_one({"_id": user_id, "at": at}, {"$unset": {"again_at": ""}})
