"""The documents of edges, and the updates of follow lists that go with them."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from stories_shared.clock import epoch_ms
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo import outbox
from stories_shared.mongo.client import Document

from stories_feed.domain.edges import AppliedChange, EdgeChange, EdgeKey, Kind
from stories_feed.store.follow_lists import HIDDEN_BY
from stories_feed.usecases.edges import event_of

LISTED_KINDS = {Kind.FOLLOW: "following", Kind.MUTE: "muted"}
KINDS_IN_LISTS = frozenset({*LISTED_KINDS, Kind.HIDE})
NO_NOTIFY = {"notify": "", "country": ""}


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
