"""Edges in MongoDB: one document each, and beside them what a tray needs of them, one document a viewer.

Both are written in the same transaction. It also counts up ``n`` in the documents of the users whose edges may
contradict each other (a follow in its user's, a block in both), so that a block and a follow at the same moment
conflict and one of them is decided again.
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

from stories_feed.domain.edges import (
    MARK_RETENTION,
    MAX_FOLLOWS_AND_MUTES,
    AppliedChange,
    EdgeChange,
    EdgeKey,
    EdgeSet,
    Kind,
    TooManyEdges,
    all_dependencies,
)
from stories_feed.domain.visibility import Relation
from stories_feed.usecases.edges import EdgeListEntry, event_of
from stories_feed.usecases.trays import FollowList

EDGES, CHOICES, ERASED = "edges", "choices", "erased"
LISTED_KINDS = {Kind.FOLLOW: "following", Kind.MUTE: "muted"}
NOBODY = FollowList((), frozenset())


async def ensure(mongo: Mongo) -> None:
    """Make the collections and their indexes."""
    await mongo.ensure(
        EDGES,
        IndexModel([("user", 1), ("kind", 1), ("on", 1), ("at", -1), ("target", 1)], name="chosen"),
        IndexModel([("target", 1), ("kind", 1), ("on", 1), ("at", -1), ("user", 1)], name="choosers"),
        IndexModel([("gone", 1)], name="kept", sparse=True, expireAfterSeconds=int(MARK_RETENTION.total_seconds())),
        outbox.outbox_index(),
    )
    await mongo.ensure(CHOICES)


class MongoEdges:
    """Edges, lists of them, and how a viewer stands to authors."""

    def __init__(self, mongo: Mongo, now: Clock, most: int = MAX_FOLLOWS_AND_MUTES) -> None:
        self._mongo = mongo
        self._most = most
        self._edges = mongo[EDGES]
        self._choices = mongo[CHOICES]
        self._erased = mongo[ERASED]
        self._now = now
        self._standing = DataLoader(self._edges, {"on": 1})
        self._chosen = DataLoader(self._choices, {"following": 1, "muted": 1})

    async def change(self, pairs: Collection[EdgeKey], decide: Callable[[EdgeSet], None], *, publish: bool) -> None:
        """Let ``decide`` change what is known around the pairs, in one transaction; mark it to be said if asked to.

        Raises:
            TooManyChosen: nothing was changed, since somebody would follow or mute too many.
        """

        async def verb(session: Session) -> None:
            graph = await self._known(pairs, session)
            decide(graph)
            changes = graph.changes()
            if changes:
                await self._bound(changes, session)
                now = self._now()
                said = frozenset(pairs) if publish else frozenset[EdgeKey]()
                await self._edges.bulk_write(
                    [edge_write(change, publish=change.pair in said, now=now) for change in changes],
                    ordered=False,
                    session=session,
                )
                await self._choices.bulk_write(list(follow_list_writes(changes)), session=session)

        await self._mongo.transaction(verb)

    async def _bound(self, changes: Iterable[AppliedChange], session: Session) -> None:
        won = Counter(change.pair.user for change in changes if change.pair.kind in LISTED_KINDS and change.growth > 0)
        if not won:
            return
        found = self._choices.find({"_id": {"$in": list(won)}}, {"size": 1}, session=session)
        if any([document.get("size", 0) + won[document["_id"]] > self._most async for document in found]):
            raise TooManyEdges(f"nobody follows and mutes more than {self._most}")

    async def relations(self, viewer_id: str, authors: Mapping[str, Collection[Kind]]) -> Mapping[str, Relation]:
        """How a viewer stands to others, of the kinds of edges that matter; what is muted is left out."""
        asked = [
            edge_id
            for author, kinds in authors.items()
            for kind in kinds
            for edge_id in edge_ids(kind, viewer_id, author)
        ]
        found = await self._standing.get_many(asked)
        standing = {edge_id for edge_id, document in found.items() if document["on"]}
        if not standing:
            return dict.fromkeys(authors, Relation())
        return {author: relation_of(viewer_id, author, standing) for author in authors}

    async def choices(self, viewer_id: str) -> FollowList:
        """Whom a viewer follows and whom they muted."""
        document = await self._chosen.get(viewer_id)
        if document is None:
            return NOBODY
        return FollowList(document.get("following", ()), frozenset(document.get("muted", ())))

    async def muted(self, viewer_id: str) -> frozenset[str]:
        """Whom a viewer muted."""
        return (await self.choices(viewer_id)).muted

    async def targets(
        self, kind: Kind, user: str, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """Whom a user has decided about, the newest first."""
        return await self._listed({"user": user, "kind": kind.value, "on": True}, "target", after, limit)

    async def users(
        self, kind: Kind, target: str, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """Who has decided so about a user, the newest first."""
        return await self._listed({"target": target, "kind": kind.value, "on": True}, "user", after, limit)

    async def _listed(
        self, query: Document, other: str, after: tuple[datetime, str] | None, limit: int
    ) -> list[EdgeListEntry]:
        if after is not None:
            at, user = after
            query = {**query, "$or": [{"at": {"$lt": at}}, {"at": at, other: {"$gt": user}}]}
        found = self._edges.find(query, {other: 1, "at": 1}, sort=[("at", -1), (other, 1)], limit=limit)
        return [EdgeListEntry(document[other], document["at"]) async for document in found]

    async def _known(self, pairs: Collection[EdgeKey], session: Session) -> EdgeSet:
        by_id = {str(pair): pair for pair in all_dependencies(pairs)}
        people = {user for pair in pairs for user in (pair.user, pair.target)}
        words = {
            by_id[document["_id"]]: EdgeChange(document["asked"], document["at"])
            async for document in self._edges.find(
                {"_id": {"$in": list(by_id)}}, {"asked": 1, "at": 1}, session=session
            )
        }
        erased = {
            document["_id"]: document["at"]
            async for document in self._erased.find({"_id": {"$in": list(people)}}, {"at": 1}, session=session)
        }
        return EdgeSet(words, erased)


def edge_ids(kind: Kind, viewer_id: str, author_id: str) -> tuple[str, ...]:
    """The edges of a kind that make a relation: both ways, but close friends are the author's alone."""
    back = f"{kind}/{author_id}/{viewer_id}"
    return (back,) if kind is Kind.CLOSE_FRIEND else (f"{kind}/{viewer_id}/{author_id}", back)


def relation_of(viewer_id: str, author_id: str, standing: Collection[str]) -> Relation:
    """The relation of a viewer to an author by the edges in force."""
    follows, followed = (edge_id in standing for edge_id in edge_ids(Kind.FOLLOW, viewer_id, author_id))
    return Relation(
        follows=follows,
        followed=followed,
        close=any(edge_id in standing for edge_id in edge_ids(Kind.CLOSE_FRIEND, viewer_id, author_id)),
        blocked=any(edge_id in standing for edge_id in edge_ids(Kind.BLOCK, viewer_id, author_id)),
    )


def edge_write(change: AppliedChange, *, publish: bool, now: datetime) -> InsertOne[Document] | UpdateOne:
    """The write of one edge, with what is to be said of it."""
    pair, word = change.pair, change.word
    fields: Document = {
        "kind": pair.kind.value,
        "user": pair.user,
        "target": pair.target,
        "asked": word.asked,
        "on": change.stands,
        "at": word.at,
    }
    if publish:
        fields |= {outbox.PENDING_FIELD: outbox.pending_mark(epoch_ms(word.at), now), "fact": new_id()}
    if not change.stands:
        fields["gone"] = now
    if change.fresh:
        return InsertOne({"_id": str(pair), **fields})
    return UpdateOne({"_id": str(pair)}, {"$set": fields, **({"$unset": {"gone": ""}} if change.stands else {})})


def follow_list_writes(changes: Iterable[AppliedChange]) -> Iterable[UpdateOne]:
    """The writes that keep viewers' documents in step, and that make what contradicts itself conflict."""
    lost: dict[str, dict[str, list[str]]] = defaultdict(dict)
    won: dict[str, dict[str, list[str]]] = defaultdict(dict)
    touched: set[str] = set()
    growth: Counter[str] = Counter()
    for change in changes:
        pair = change.pair
        touched |= {pair.user, pair.target} if pair.kind is Kind.BLOCK else {pair.user}
        chosen = LISTED_KINDS.get(pair.kind)
        if chosen and change.growth:
            growth[pair.user] += change.growth
            (won if change.stands else lost)[pair.user].setdefault(chosen, []).append(pair.target)
    for user in sorted(touched):
        update: dict[str, Any] = {"$inc": {"n": 1, "size": growth[user]}}
        if user in won:
            update["$push"] = {chosen: {"$each": targets} for chosen, targets in won[user].items()}
        yield UpdateOne({"_id": user}, update, upsert=True)
        if user in lost:
            yield UpdateOne({"_id": user}, {"$pullAll": dict(lost[user])})


def events_of(document: Document) -> list[OutgoingEvent]:
    """What an edge's document says now."""
    pair = EdgeKey(Kind(document["kind"]), document["user"], document["target"])
    word = EdgeChange(document["asked"], document["at"])
    return [OutgoingEvent(event_of(pair, word), document["fact"], word.at)]


class EdgeRelay:
    """Has decisions said."""

    def __init__(self, relay: outbox.Outbox) -> None:
        self._relay = relay

    async def confirm(self, pair: EdgeKey) -> None:
        """Return when Kafka has acknowledged what there is to say about this edge."""
        await self._relay.publish_now(str(pair))

    def wake(self) -> None:
        """There is something to say."""
        self._relay.wake()
