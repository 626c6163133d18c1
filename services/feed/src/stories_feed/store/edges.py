"""Edges in MongoDB: one document for each edge, and one follow list for each user, which is read for every tray.

Both are written in the same transaction. It also increments ``n`` in the follow lists of the users whose edges may
contradict each other (of a follow its user's, of a block both), so that a concurrent block and follow conflict and one
of the transactions is retried.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from pymongo import IndexModel, UpdateOne
from pymongo.errors import BulkWriteError
from stories_shared.clock import Clock
from stories_shared.kafka.topics import MARK_RETENTION
from stories_shared.mongo import outbox
from stories_shared.mongo.client import Document, Mongo, Session
from stories_shared.mongo.data_loader import DataLoader
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_feed.domain.edges import (
    MAX_FOLLOWS_AND_MUTES,
    REMOVED_BY_BLOCK,
    AppliedChange,
    EdgeChange,
    EdgeKey,
    EdgeListEntry,
    EdgeListPosition,
    EdgeSet,
    FollowList,
    Kind,
    NotifyChoice,
    TooManyEdges,
    dependencies_of,
)
from stories_feed.domain.visibility import Relation
from stories_feed.store.edge_documents import (
    LISTED_KINDS,
    NO_NOTIFY,
    edge_fields,
    edge_key,
    edge_update,
    follow_list_writes,
)
from stories_feed.store.follow_lists import FOLLOW_LISTS, FollowLists
from stories_feed.store.relations import FIELD_OF_EDGE, edge_ids, fields_in_list, relation_of

EDGES = "edges"
FEW = 250
"""Blocks, followers, erasures since a time: up to so many are read whole instead of looked up one by one."""
FOLLOWS_OF_ONE_USER = 4
"""Edges of each user in a batch from which the user's blocks and followers are read whole."""
CHANGE = {"requested": 1, "at": 1}
MAX_EDGES_PER_QUERY = 10_000
"""A reader of twenty reels asks for a hundred edges, and many readers share a query; an edge found takes 100 bytes."""


async def ensure(mongo: Mongo) -> None:
    """Create the collections and their indexes."""
    await mongo.ensure(
        EDGES,
        IndexModel([("user", 1), ("kind", 1), ("on", 1), ("at", -1), ("target", 1)], name="by_user"),
        IndexModel([("target", 1), ("kind", 1), ("on", 1), ("at", -1), ("user", 1)], name="by_target"),
        IndexModel([("target", 1), ("at", 1), ("user", 1)], name="notified", partialFilterExpression={"notify": True}),
        IndexModel([("gone", 1)], name="ttl", sparse=True, expireAfterSeconds=int(MARK_RETENTION.total_seconds())),
        outbox.outbox_index(),
    )
    await mongo.ensure(FOLLOW_LISTS)


class MongoEdges:
    """`EdgeRepository` in MongoDB, with at most ``max_listed`` follows and mutes of one user."""

    def __init__(self, mongo: Mongo, now: Clock, max_listed: int = MAX_FOLLOWS_AND_MUTES) -> None:
        self._mongo = mongo
        self._max_listed = max_listed
        self._edges = mongo[EDGES]
        self._follow_lists = mongo[FOLLOW_LISTS]
        self._erased = mongo[ERASED_USERS]
        self._now = now
        self._edge_loader = DataLoader(self._edges, {"on": 1}, at_most=MAX_EDGES_PER_QUERY)
        self._read_lists = FollowLists(self._follow_lists)

    async def change(
        self,
        keys: Collection[EdgeKey],
        update: Callable[[EdgeSet], None],
        *,
        publish: bool,
        since: datetime | None = None,
    ) -> None:
        async def write(session: Session) -> None:
            graph = EdgeSet(await self._latest(keys, session), await self._erasures(keys, session, since))
            update(graph)
            changes = graph.changes()
            if changes:
                await self._check_limit(changes, session)
                now = self._now()
                published = frozenset(keys) if publish else frozenset[EdgeKey]()
                created: list[Document] = []
                updates: list[UpdateOne] = []
                for change in changes:
                    fields = edge_fields(change, publish=change.key in published, now=now)
                    if change.created:
                        created.append({"_id": str(change.key), **fields})
                    else:
                        updates.append(edge_update(change, fields))
                if created:
                    await self._insert(created, session)
                if updates:
                    await self._edges.bulk_write(updates, ordered=False, session=session)
                writes = [*follow_list_writes(changes)]
                writes += [
                    UpdateOne({"_id": user}, {"$inc": {"n": 1}}) for user in await self._friends(changes, session)
                ]
                await self._follow_lists.bulk_write(writes, session=session)

        await self._mongo.transaction(write)

    async def _friends(self, changes: Sequence[AppliedChange], session: Session) -> Sequence[str]:
        """Users who became or ceased to be a friend or close friend of another: what they may see has changed."""
        targets = {change.key.target for change in changes if change.key.kind is Kind.CLOSE_FRIEND and change.delta}
        follows = [change.key for change in changes if change.key.kind is Kind.FOLLOW and change.delta]
        if follows:
            targets |= await self._followed_back(follows, session)
        return sorted(targets)

    async def _followed_back(self, follows: Collection[EdgeKey], session: Session) -> set[str]:
        """The targets that follow back.

        Of users with many follows in a batch the followers are read whole, if they are few: to look up whether each
        target follows back costs a quarter of a new follow.
        """
        users = {key.user for key in follows}
        if len(follows) >= FOLLOWS_OF_ONE_USER * len(users):
            query = {"target": {"$in": list(users)}, "kind": Kind.FOLLOW.value, "on": True}
            fields = {"_id": 0, "target": 1, "user": 1}
            found = await self._edges.find(query, fields, limit=FEW, session=session).to_list(None)
            if len(found) < FEW:
                pairs = {(key.user, key.target) for key in follows}
                return {each["user"] for each in found if (each["target"], each["user"]) in pairs}
        back = [str(key.reversed) for key in follows]
        found = await self._edges.find({"_id": {"$in": back}, "on": True}, {"user": 1}, session=session).to_list(None)
        return {each["user"] for each in found}

    async def _insert(self, documents: Sequence[Document], session: Session) -> None:
        """Insert edges by one bare command: the driver's own insert costs twice. Raises a duplicate key error."""
        answer = await self._mongo.database.command("insert", EDGES, documents=documents, session=session)
        if "writeErrors" in answer:
            raise BulkWriteError(answer)

    async def _check_limit(self, changes: Iterable[AppliedChange], session: Session) -> None:
        added = Counter(change.key.user for change in changes if change.key.kind in LISTED_KINDS and change.delta > 0)
        if not added:
            return
        found = self._follow_lists.find({"_id": {"$in": list(added)}}, {"size": 1}, session=session)
        if any([document.get("size", 0) + added[document["_id"]] > self._max_listed async for document in found]):
            raise TooManyEdges(f"at most {self._max_listed} follows and mutes per user")

    async def relations(
        self, viewer_id: str, authors: Mapping[str, Collection[Kind]], follow_list: FollowList | None = None
    ) -> Mapping[str, Relation]:
        listed = None if follow_list is None else fields_in_list(authors, follow_list)
        ids, fields = edge_ids(viewer_id, authors, listed), listed or {}
        for edge_id, document in (await self._edge_loader.get_many(ids)).items():
            if document["on"]:
                kind, user, target = edge_id.split("/")
                own = user == viewer_id
                author = target if own else user
                fields[author] = (*fields.get(author, ()), FIELD_OF_EDGE[kind, own])
        return {author: relation_of(fields.get(author, ())) for author in authors}

    async def follow_list(self, viewer_id: str) -> FollowList:
        return await self._read_lists.get(viewer_id)

    async def versions(self, viewers: Collection[str]) -> Mapping[str, int]:
        found = self._follow_lists.find({"_id": {"$in": list(viewers)}}, {"n": 1})
        return {document["_id"]: document["n"] async for document in found}

    async def targets(
        self, kind: Kind, user: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        return await self._page({"user": user, "kind": kind.value, "on": True}, "target", after, limit)

    async def users(
        self, kind: Kind, target: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        return await self._page({"target": target, "kind": kind.value, "on": True}, "user", after, limit)

    async def notified_followers(
        self, author_id: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        query: Document = {"target": author_id, "notify": True, "on": True}
        if after is not None:
            at, user = after
            query["$or"] = [{"at": {"$gt": at}}, {"at": at, "user": {"$gt": user}}]
        fields = {"user": 1, "at": 1, "country": 1}
        found = self._edges.find(query, fields, sort=[("at", 1), ("user", 1)], limit=limit)
        return [
            EdgeListEntry(document["user"], document["at"], notify=True, country=document.get("country"))
            async for document in found
        ]

    async def set_notify(self, key: EdgeKey, choice: NotifyChoice) -> None:
        change = {"$set": {"notify": True, "country": choice.country}} if choice.notify else {"$unset": NO_NOTIFY}
        await self._edges.update_one({"_id": str(key), "on": True}, change)

    async def _page(
        self, query: Document, other: str, after: EdgeListPosition | None, limit: int
    ) -> list[EdgeListEntry]:
        if after is not None:
            at, user = after
            query = {**query, "$or": [{"at": {"$lt": at}}, {"at": at, other: {"$gt": user}}]}
        found = self._edges.find(query, {other: 1, "at": 1, "notify": 1}, sort=[("at", -1), (other, 1)], limit=limit)
        return [EdgeListEntry(d[other], d["at"], d.get("notify", False)) async for d in found]

    async def _latest(self, keys: Collection[EdgeKey], session: Session) -> dict[EdgeKey, EdgeChange]:
        """The stored edges among these keys and those that decide whether they are in force.

        Of users with many follows in a batch, as an import has them, all blocks are read: hardly any of the two blocks
        of each follow exists, and to look for them costs more than to write the follow.
        """
        users, blocks = {key.user for key in keys}, None
        if len(keys) >= FOLLOWS_OF_ONE_USER * len(users) and all(key.kind in REMOVED_BY_BLOCK for key in keys):
            blocks = await self._blocks_of(list(users), session)
        wanted = {str(key): key for key in (dependencies_of(keys) if blocks is None else keys)}
        found = await self._edges.find({"_id": {"$in": list(wanted)}}, CHANGE, session=session).to_list(None)
        return {
            wanted.get(document["_id"]) or edge_key(document["_id"]): EdgeChange(document["requested"], document["at"])
            for document in (*found, *(blocks or ()))
        }

    async def _blocks_of(self, users: Sequence[str], session: Session) -> list[Document] | None:
        """All blocks by and of these users; None if there are many."""
        blocks: list[Document] = []
        for side in ("user", "target"):
            query = {side: {"$in": users}, "kind": Kind.BLOCK.value}
            found = await self._edges.find(query, CHANGE, limit=FEW, session=session).to_list(None)
            if len(found) == FEW:
                return None
            blocks += found
        return blocks

    async def _erasures(
        self, keys: Collection[EdgeKey], session: Session, since: datetime | None
    ) -> Mapping[str, datetime]:
        """When users of these edges were erased, if that was not before ``since``: few were since a recent change."""
        users = {user for key in keys for user in (key.user, key.target)}
        if since is not None:
            recent = self._erased.find({"at": {"$gte": since}}, {"at": 1}, limit=FEW, session=session)
            marks = await recent.to_list(None)
            if len(marks) < FEW:
                return {mark["_id"]: mark["at"] for mark in marks if mark["_id"] in users}
        found = self._erased.find({"_id": {"$in": list(users)}}, {"at": 1}, session=session)
        return {mark["_id"]: mark["at"] for mark in await found.to_list(None)}
