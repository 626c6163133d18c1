"""Edges in MongoDB: one document for each edge, and one follow list for each user, which is read for every tray.

Both are written in the same transaction. It also increments ``n`` in the follow lists of the users whose edges may
contradict each other (of a follow its user's, of a block both), so that a concurrent block and follow conflict and one
of the transactions is retried.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import IndexModel, InsertOne, UpdateOne
from stories_shared.clock import Clock, epoch_ms
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo import outbox
from stories_shared.mongo.client import DataLoader, Document, Mongo, Session
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_feed.domain.edges import (
    MARK_RETENTION,
    MAX_FOLLOWS_AND_MUTES,
    AppliedChange,
    EdgeChange,
    EdgeKey,
    EdgeSet,
    Kind,
    TooManyEdges,
    dependencies_of,
)
from stories_feed.domain.visibility import Relation
from stories_feed.store.follow_lists import HIDDEN_BY, FollowLists
from stories_feed.usecases.edges import EdgeListEntry, EdgeListPosition, NotifyChoice, event_of
from stories_feed.usecases.trays import FollowList

EDGES, CHOICES = "edges", "choices"
LISTED_KINDS = {Kind.FOLLOW: "following", Kind.MUTE: "muted"}


async def ensure(mongo: Mongo) -> None:
    """Create the collections and their indexes."""
    await mongo.ensure(
        EDGES,
        IndexModel([("user", 1), ("kind", 1), ("on", 1), ("at", -1), ("target", 1)], name="chosen"),
        IndexModel([("target", 1), ("kind", 1), ("on", 1), ("at", -1), ("user", 1)], name="choosers"),
        IndexModel([("target", 1), ("at", 1), ("user", 1)], name="notified", partialFilterExpression={"notify": True}),
        IndexModel([("gone", 1)], name="kept", sparse=True, expireAfterSeconds=int(MARK_RETENTION.total_seconds())),
        outbox.outbox_index(),
    )
    await mongo.ensure(CHOICES)


class MongoEdges:
    """Edges, lists of them, and relations of viewers to authors.

    Args:
        mongo: the client.
        now: the clock.
        max_listed: the limit of follows and mutes of one user.
    """

    def __init__(self, mongo: Mongo, now: Clock, max_listed: int = MAX_FOLLOWS_AND_MUTES) -> None:
        self._mongo = mongo
        self._max_listed = max_listed
        self._edges = mongo[EDGES]
        self._follow_lists = mongo[CHOICES]
        self._erased = mongo[ERASED_USERS]
        self._now = now
        self._edge_loader = DataLoader(self._edges, {"on": 1})
        self._read_lists = FollowLists(self._follow_lists)

    async def change(self, keys: Collection[EdgeKey], update: Callable[[EdgeSet], None], *, publish: bool) -> None:
        """Load the edges around the keys, let ``update`` change them, and write them in one transaction.

        Raises:
            TooManyEdges: a user would exceed the limit of follows and mutes; nothing is written.
        """

        async def write(session: Session) -> None:
            graph = await self._load(keys, session)
            update(graph)
            changes = graph.changes()
            if changes:
                await self._check_limit(changes, session)
                now = self._now()
                published = frozenset(keys) if publish else frozenset[EdgeKey]()
                await self._edges.bulk_write(
                    [edge_write(change, publish=change.key in published, now=now) for change in changes],
                    ordered=False,
                    session=session,
                )
                await self._follow_lists.bulk_write(list(follow_list_writes(changes)), session=session)

        await self._mongo.transaction(write)

    async def _check_limit(self, changes: Iterable[AppliedChange], session: Session) -> None:
        added = Counter(change.key.user for change in changes if change.key.kind in LISTED_KINDS and change.delta > 0)
        if not added:
            return
        found = self._follow_lists.find({"_id": {"$in": list(added)}}, {"size": 1}, session=session)
        if any([document.get("size", 0) + added[document["_id"]] > self._max_listed async for document in found]):
            raise TooManyEdges(f"at most {self._max_listed} follows and mutes per user")

    async def relations(self, viewer_id: str, authors: Mapping[str, Collection[Kind]]) -> Mapping[str, Relation]:
        """The viewer's relation to each author, by the given kinds of edges."""
        ids = []
        for kinds, of_kinds in grouped(authors).items():
            for kind in kinds:
                name = kind.value
                if (name, False) in FIELD_OF_EDGE:
                    ids += [f"{name}/{author}/{viewer_id}" for author in of_kinds]
                if (name, True) in FIELD_OF_EDGE:
                    ids += [f"{name}/{viewer_id}/{author}" for author in of_kinds]
        found = await self._edge_loader.get_many(ids)
        fields: dict[str, dict[str, bool]] = {}
        for edge_id, document in found.items():
            if document["on"]:
                kind_name, user, target = edge_id.split("/")
                author = target if user == viewer_id else user
                fields.setdefault(author, {})[FIELD_OF_EDGE[kind_name, user == viewer_id]] = True
        relations = dict.fromkeys(authors, NO_EDGES)
        return relations | {author: Relation(**known) for author, known in fields.items()}

    async def follow_list(self, viewer_id: str) -> FollowList:
        """The users whom a viewer follows and mutes."""
        return await self._read_lists.get(viewer_id)

    async def versions(self, viewers: Collection[str]) -> Mapping[str, int]:
        """A number for each viewer that changes with every follow, mute and block of theirs; none without edges."""
        found = self._follow_lists.find({"_id": {"$in": list(viewers)}}, {"n": 1})
        return {document["_id"]: document["n"] async for document in found}

    async def muted(self, viewer_id: str) -> frozenset[str]:
        """The users whom a viewer mutes."""
        return (await self.follow_list(viewer_id)).muted

    async def targets(
        self, kind: Kind, user: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """The targets of a user's edges of this kind, newest first."""
        return await self._page({"user": user, "kind": kind.value, "on": True}, "target", after, limit)

    async def users(
        self, kind: Kind, target: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """The users who have an edge of this kind to a target, newest first."""
        return await self._page({"target": target, "kind": kind.value, "on": True}, "user", after, limit)

    async def notified_followers(
        self, author_id: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """The followers of an author who want to be notified, after a position, in the order of their follows."""
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
        """Whether a follower is notified of the target's new stories, if the edge is in force."""
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

    async def _load(self, keys: Collection[EdgeKey], session: Session) -> EdgeSet:
        by_id = {str(key): key for key in dependencies_of(keys)}
        users = {user for key in keys for user in (key.user, key.target)}
        latest = {
            by_id[document["_id"]]: EdgeChange(document["requested"], document["at"])
            async for document in self._edges.find(
                {"_id": {"$in": list(by_id)}}, {"requested": 1, "at": 1}, session=session
            )
        }
        erased = {
            document["_id"]: document["at"]
            async for document in self._erased.find({"_id": {"$in": list(users)}}, {"at": 1}, session=session)
        }
        return EdgeSet(latest, erased)


FIELD_OF_EDGE = {
    (Kind.FOLLOW.value, True): "follows",
    (Kind.FOLLOW.value, False): "followed",
    (Kind.BLOCK.value, True): "blocked",
    (Kind.BLOCK.value, False): "blocked",
    (Kind.CLOSE_FRIEND.value, False): "close",
    (Kind.HIDE.value, False): "hidden",
    (Kind.MUTE.value, True): "muted",
}
"""The field of a relation that an edge sets, by its kind and whether it is the viewer's."""
NO_EDGES = Relation()
NO_NOTIFY = {"notify": "", "country": ""}


def grouped(authors: Mapping[str, Collection[Kind]]) -> Mapping[frozenset[Kind], Sequence[str]]:
    """The authors by the kinds of edges to read: there are few sets of kinds, and many authors."""
    groups: dict[frozenset[Kind], list[str]] = defaultdict(list)
    for author, kinds in authors.items():
        groups[frozenset(kinds)].append(author)
    return groups


def edge_write(change: AppliedChange, *, publish: bool, now: datetime) -> InsertOne[Document] | UpdateOne:
    """The write of one edge, with its pending event where it is to be published."""
    key, latest = change.key, change.latest
    fields: Document = {
        "kind": key.kind.value,
        "user": key.user,
        "target": key.target,
        "requested": latest.on,
        "on": change.in_force,
        "at": latest.at,
    }
    if publish:
        fields |= {outbox.PENDING_FIELD: outbox.pending_mark(epoch_ms(latest.at), now), "event_id": new_id()}
    if not change.in_force:
        fields["gone"] = now
    if change.created:
        return InsertOne({"_id": str(key), **fields})
    return UpdateOne({"_id": str(key)}, {"$set": fields, "$unset": {"gone": ""} if change.in_force else NO_NOTIFY})


def follow_list_writes(changes: Iterable[AppliedChange]) -> Iterable[UpdateOne]:
    """The updates of follow lists. Incrementing ``n`` makes concurrent contradictory changes conflict."""
    removed: dict[str, dict[str, list[str]]] = defaultdict(dict)
    added: dict[str, dict[str, list[str]]] = defaultdict(dict)
    users: set[str] = set()
    size_delta: Counter[str] = Counter()
    for change in changes:
        key = change.key
        users |= {key.user, key.target} if key.kind in {Kind.BLOCK, Kind.HIDE} else {key.user}
        if key.kind not in (*LISTED_KINDS, Kind.HIDE) or not change.delta:
            continue
        lists = added if change.in_force else removed
        if key.kind is Kind.HIDE:  # of the one from whom it hides: that is who reads trays by it
            lists[key.target].setdefault(HIDDEN_BY, []).append(key.user)
        else:
            size_delta[key.user] += change.delta
            lists[key.user].setdefault(LISTED_KINDS[key.kind], []).append(key.target)
    for user in sorted(users):
        update: dict[str, Any] = {"$inc": {"n": 1, "size": size_delta[user]}, "$setOnInsert": {"list_id": new_id()}}
        if user in added:
            update["$push"] = {name: {"$each": targets} for name, targets in added[user].items()}
        yield UpdateOne({"_id": user}, update, upsert=True)
        if user in removed:
            yield UpdateOne({"_id": user}, {"$pullAll": dict(removed[user])})


def events_of(document: Document) -> list[OutgoingEvent]:
    """The event that reports the present state of an edge's document."""
    key = EdgeKey(Kind(document["kind"]), document["user"], document["target"])
    change = EdgeChange(document["requested"], document["at"])
    return [OutgoingEvent(event_of(key, change), document["event_id"], change.at)]
