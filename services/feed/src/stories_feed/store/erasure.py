"""Erasure of everything that is stored about a user: edges both ways, seen marks, stories."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from stories_shared.mongo.client import Document, Mongo, Session
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_feed.domain.edges import AppliedChange, EdgeChange, EdgeKey, Kind
from stories_feed.store.edge_documents import KINDS_IN_LISTS, LISTED_KINDS, follow_list_writes
from stories_feed.store.edges import EDGES
from stories_feed.store.follow_lists import FOLLOW_LISTS, HIDDEN_BY
from stories_feed.store.seen import SEEN
from stories_feed.store.stories import MongoStories
from stories_feed.store.story_documents import STORIES
from stories_feed.usecases.endings import Ending

BATCH = 500


class MongoUserData:
    """Erases users, and knows who was erased."""

    def __init__(self, mongo: Mongo, stories: MongoStories) -> None:
        self._mongo = mongo
        self._erased = mongo[ERASED_USERS]
        self._edges = mongo[EDGES]
        self._follow_lists = mongo[FOLLOW_LISTS]
        self._seen = mongo[SEEN]
        self._documents = mongo[STORIES]
        self._stories = stories

    async def erased(self, users: Collection[str]) -> Mapping[str, datetime]:
        """The times of erasure of those of the users who were erased."""
        found = self._erased.find({"_id": {"$in": list(users)}}, {"at": 1})
        return {mark["_id"]: mark["at"] async for mark in found}

    async def erase(self, user_id: str, at: datetime) -> None:
        """Erase what is not later than ``at``, batch by batch."""
        while await self._erase_batch(user_id, at):
            pass

    async def _erase_batch(self, user_id: str, at: datetime) -> bool:
        old = {"at": {"$lte": at}}
        if hides := await self._edges.find({"user": user_id, "kind": Kind.HIDE.value, **old}, limit=BATCH).to_list(
            None
        ):
            await self._erase_listed_edges(hides, at)
            return True
        if own_edges := await self._edges.find({"user": user_id, **old}, {"_id": 1}, limit=BATCH).to_list(None):
            await self._edges.delete_many({"_id": {"$in": [edge["_id"] for edge in own_edges]}, **old})
            return True
        if edges := await self._edges.find({"target": user_id, **old}, limit=BATCH).to_list(None):
            await self._erase_listed_edges(edges, at)
            return True
        posted = {"author_id": user_id, "posted_at": {"$lte": at}}
        stories = await self._documents.find(posted, {"_id": 1}, limit=BATCH).to_list(None)
        if stories:
            await self._stories.end([Ending(document["_id"], at, "deleted") for document in stories])
            return True
        # Every id of this viewer's documents begins with "user/", and 0 is the character after the slash.
        await self._seen.delete_many({"_id": {"$gte": f"{user_id}/", "$lt": f"{user_id}0"}})
        await self._rebuild_follow_list(user_id)
        return False

    async def _erase_listed_edges(self, edges: Sequence[Document], at: datetime) -> None:
        """Erase edges, and remove them from the lists of other users."""

        async def write(session: Session) -> None:
            remaining = {"_id": {"$in": [edge["_id"] for edge in edges]}, "at": {"$lte": at}}
            found = await self._edges.find(remaining, session=session).to_list(None)
            await self._edges.delete_many({"_id": {"$in": [edge["_id"] for edge in found]}}, session=session)
            removed = [removal_of(edge) for edge in found if edge["on"] and Kind(edge["kind"]) in KINDS_IN_LISTS]
            if removed:
                await self._follow_lists.bulk_write(list(follow_list_writes(removed)), ordered=False, session=session)

        await self._mongo.transaction(write)

    async def _rebuild_follow_list(self, user_id: str) -> None:
        """Rebuild a user's follow list from the remaining edges.

        Once for the whole erasure: removing them batch by batch rewrites a document of megabytes each time.
        """

        async def write(session: Session) -> None:
            lists: dict[str, list[str]] = {name: [] for name in LISTED_KINDS.values()}
            for kind, name in LISTED_KINDS.items():
                query = {"user": user_id, "kind": kind.value, "on": True}
                lists[name] = [edge["target"] async for edge in self._edges.find(query, {"target": 1}, session=session)]
            size = sum(map(len, lists.values()))
            query = {"target": user_id, "kind": Kind.HIDE.value, "on": True}
            lists[HIDDEN_BY] = [edge["user"] async for edge in self._edges.find(query, {"user": 1}, session=session)]
            if any(lists.values()):
                update = {"$set": {**lists, "size": size}, "$inc": {"n": 1}}
                await self._follow_lists.update_one({"_id": user_id}, update, session=session)
            else:
                await self._follow_lists.delete_one({"_id": user_id}, session=session)

        await self._mongo.transaction(write)


def removal_of(edge: Document) -> AppliedChange:
    """The change that removes an edge in force."""
    key = EdgeKey(Kind(edge["kind"]), edge["user"], edge["target"])
    return AppliedChange(
        key, EdgeChange(edge["requested"], edge["at"]), was_in_force=True, in_force=False, created=False
    )
