"""Edges in MongoDB: one document for each edge, and one follow list for each user, which is read for every tray.

Both are written in the same transaction. It also increments ``n`` in the follow lists of the users whose edges may
contradict each other (of a follow its user's, of a block both), so that a concurrent block and follow conflict and one
of the transactions is retried.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from pymongo import IndexModel, UpdateOne
from pymongo.errors import BulkWriteError
from stories_shared.clock import Clock, epoch_ms
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.topics import MARK_RETENTION
from stories_shared.mongo import outbox
from stories_shared.mongo.client import DataLoader, Document, Mongo, Session
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
from stories_feed.store.follow_lists import HIDDEN_BY, FollowLists
from stories_feed.usecases.edges import event_of

EDGES, CHOICES = "edges", "choices"
LISTED_KINDS = {Kind.FOLLOW: "following", Kind.MUTE: "muted"}
KINDS_IN_LISTS = frozenset({*LISTED_KINDS, Kind.HIDE})
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
        """Load the edges around the keys, let ``update`` change them, and write them in one transaction.

        Raises:
            TooManyEdges: a user would exceed the limit of follows and mutes; nothing is written.
        """

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
        """The viewer's relation to each author, by the given kinds of edges.

        A follow list says whom the viewer follows and mutes, and who hides from the viewer. Neither these edges nor
        blocks of those who are followed are looked up then.
        """
        fields: dict[str, tuple[str, ...]] = {}
        if follow_list is not None:
            fields = dict.fromkeys(authors.keys() & follow_list.following, FOLLOWS)
            for field, users in (("muted", follow_list.muted), ("hidden", follow_list.hidden_by)):
                for author in authors.keys() & users:
                    fields[author] = (*fields.get(author, ()), field)
        followed = {author for author, known in fields.items() if "follows" in known}
        ids: list[str] = []
        for kinds, some in grouped(authors).items():
            for kind in kinds:
                own, wanted = (kind, True) in FIELD_OF_EDGE, some
                if follow_list is not None:
                    if kind in LISTED:
                        continue
                    if kind is Kind.BLOCK:
                        wanted = [author for author in some if author not in followed]
                    elif kind is Kind.FOLLOW:  # of a stranger it does not matter whether they follow the viewer
                        own, wanted = False, [author for author in some if author in followed]
                if own:
                    ids += [f"{kind}/{viewer_id}/{author}" for author in wanted]
                if (kind, False) in FIELD_OF_EDGE:
                    ids += [f"{kind}/{author}/{viewer_id}" for author in wanted]
        for edge_id, document in (await self._edge_loader.get_many(ids)).items():
            if document["on"]:
                kind, user, target = edge_id.split("/")
                own = user == viewer_id
                author = target if own else user
                fields[author] = (*fields.get(author, ()), FIELD_OF_EDGE[kind, own])
        return {author: relation_of(fields.get(author, ())) for author in authors}

    async def follow_list(self, viewer_id: str) -> FollowList:
        """The users whom a viewer follows and mutes."""
        return await self._read_lists.get(viewer_id)

    async def versions(self, viewers: Collection[str]) -> Mapping[str, int]:
        """A number for each viewer that changes with every edge that decides what they see; none without edges."""
        found = self._follow_lists.find({"_id": {"$in": list(viewers)}}, {"n": 1})
        return {document["_id"]: document["n"] async for document in found}

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


FIELD_OF_EDGE: Mapping[tuple[str, bool], str] = {
    (Kind.FOLLOW, True): "follows",
    (Kind.FOLLOW, False): "followed",
    (Kind.BLOCK, True): "blocked",
    (Kind.BLOCK, False): "blocked",
    (Kind.CLOSE_FRIEND, False): "close",
    (Kind.HIDE, False): "hidden",
    (Kind.MUTE, True): "muted",
}
"""The field of a relation that an edge sets, by its kind and whether it is the viewer's."""
LISTED = frozenset({Kind.MUTE, Kind.HIDE})
"""Kinds of edges that a follow list names with the relation that they make."""
FOLLOWS = ("follows",)
NO_NOTIFY = {"notify": "", "country": ""}


@cache
def relation_of(fields: tuple[str, ...]) -> Relation:
    """The relation with these fields. There are few, and to make one takes two microseconds."""
    return Relation(**dict.fromkeys(fields, True))


def grouped(authors: Mapping[str, Collection[Kind]]) -> Mapping[frozenset[Kind], Sequence[str]]:
    """The authors by the kinds of edges to read: there are few sets of kinds, and many authors."""
    groups: dict[frozenset[Kind], list[str]] = defaultdict(list)
    for author, kinds in authors.items():
        groups[frozenset(kinds)].append(author)
    return groups


def edge_key(edge_id: str) -> EdgeKey:
    """The edge with this id."""
    kind, user, target = edge_id.split("/")
    return EdgeKey(Kind(kind), user, target)


def edge_fields(change: AppliedChange, *, publish: bool, now: datetime) -> Document:
    """The fields of an edge's document, with its pending event where it is to be published."""
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
    return fields


def edge_update(change: AppliedChange, fields: Document) -> UpdateOne:
    """The update of an edge that is stored already."""
    return UpdateOne(
        {"_id": str(change.key)}, {"$set": fields, "$unset": {"gone": ""} if change.in_force else NO_NOTIFY}
    )


def follow_list_writes(changes: Iterable[AppliedChange]) -> Iterable[UpdateOne]:
    """The updates of follow lists. Incrementing ``n`` makes concurrent contradictory changes conflict."""
    removed: dict[str, dict[str, list[str]]] = defaultdict(dict)
    added: dict[str, dict[str, list[str]]] = defaultdict(dict)
    users: set[str] = set()
    size_delta: Counter[str] = Counter()
    for change in changes:
        key = change.key
        users |= {key.user, key.target} if key.kind in {Kind.BLOCK, Kind.HIDE} else {key.user}
        delta = change.delta
        if not delta or key.kind not in KINDS_IN_LISTS:
            continue
        lists = added if change.in_force else removed
        if key.kind is Kind.HIDE:  # of the one from whom it hides: that is who reads trays by it
            lists[key.target].setdefault(HIDDEN_BY, []).append(key.user)
        else:
            size_delta[key.user] += delta
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
