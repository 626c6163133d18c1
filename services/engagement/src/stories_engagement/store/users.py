"""Blocks, privacy settings, and marks of erased users."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from stories_shared.mongo.client import Mongo, Session
from stories_shared.mongo.data_loader import DataLoader
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_engagement.domain.access_state import BlockState, Pair
from stories_engagement.store.schema import BLOCKS, CLAIMS, PRIVACY, row_id
from stories_engagement.store.sweeps import claim_oldest
from stories_engagement.store.transactions import transaction_retrying_duplicates
from stories_engagement.usecases.privacy import Unlisting

UNLIST_AFTER = timedelta(seconds=5)
"""When a background task takes over from the request that switched a view history off."""


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


class MongoPrivacy:
    """Whether users' views are listed. `off_until`: when the history was turned on again."""

    def __init__(self, mongo: Mongo) -> None:
        self._privacy = mongo[PRIVACY]
        self._loader = DataLoader(self._privacy, {"view_history": 1})

    async def listed(self, user_id: str) -> bool:
        """Whether a user's views are listed from now on; the default is true."""
        document = await self._loader.get(user_id)
        return document is None or bool(document["view_history"])

    async def set_listed(self, user_id: str, listed: bool, at: datetime) -> None:
        """Turn a user's view history on or off."""
        if not listed:
            off = {"view_history": False, "at": at, "unlist_at": at + UNLIST_AFTER}
            change = {"$set": off, "$unset": {"off_until": "", "unlisted_to": ""}}
            await self._privacy.update_one({"_id": user_id}, change, upsert=True)
            return
        back_on = {"$set": {"view_history": True, "at": at, "off_until": at}}
        await self._privacy.update_one({"_id": user_id, "view_history": False}, back_on)

    async def claim_unlisting(self, now: datetime, until: datetime) -> Unlisting | None:
        """Lease the oldest user who is to be unlisted until `until`."""
        claimed = await claim_oldest(self._privacy, "unlist_at", now, until)
        if claimed is None:
            return None
        # Turned on again meanwhile: what was viewed until then stays unlisted.
        last: datetime = claimed.get("off_until") or claimed["at"]
        return Unlisting(claimed["_id"], claimed["at"], last, claimed.get("unlisted_to", ""))

    async def keep_progress(self, work: Unlisting, now: datetime) -> None:
        """Store the progress and release the lease, behind the others."""
        progress = {"unlist_at": now, "unlisted_to": work.after}
        await self._privacy.update_one({"_id": work.user_id, "at": work.at}, {"$set": progress})

    async def unlisted(self, work: Unlisting) -> None:
        """Record that a user is unlisted, unless the setting has changed since."""
        done = {"unlist_at": "", "unlisted_to": ""}
        await self._privacy.update_one({"_id": work.user_id, "at": work.at}, {"$unset": done})

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete a user's setting if it was made up to a time."""
        await self._privacy.delete_one({"_id": user_id, "at": {"$lte": until}})


EraseUserRows = Callable[[str, datetime], Awaitable[None]]


class MongoUserErasure:
    """Erases all data of users."""

    def __init__(self, mongo: Mongo, erasers: Sequence[EraseUserRows]) -> None:
        self._claims = mongo[CLAIMS]
        self._erasers = erasers

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete all data of a user up to a time."""
        for erase in self._erasers:
            await erase(user_id, until)
        await self._claims.delete_many({"user_id": user_id, "at": {"$lte": until}})
