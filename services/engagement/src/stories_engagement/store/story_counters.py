"""The engagements document of a story: counters of reactions, comments and shares.

An update of a counter marks the document as pending in the same write; the outbox relay publishes `story-engaged`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from msgspec import structs
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import failed_dependency
from stories_shared.events import EVENTS as BY_TOPIC
from stories_shared.events import Event, StoryEngaged
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import Document, Mongo, Session
from stories_shared.mongo.data_loader import DataLoader
from stories_shared.mongo.outbox import pending_mark

from stories_engagement.domain.errors import NotFound
from stories_engagement.store.kinds import BREAKDOWNS, NO_ENGAGEMENTS, ROW_KINDS, TOTALS, Delta
from stories_engagement.store.rows import Rows
from stories_engagement.store.schema import ENGAGEMENTS, EVENTS, VIEWS
from stories_engagement.store.transactions import transaction_retrying_duplicates
from stories_engagement.store.writes import RemoveRow, Write
from stories_engagement.usecases.engagements import Counts

T = TypeVar("T")

MAX_WRITES_PER_TRANSACTION = 50
"""Writes to one story that share a transaction. A commit costs as much for fifty as for one."""

ERASE_BATCH = 500
"""Rows of a user read at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class PendingWrite:
    """A write, the author of its story, and the future of its result."""

    write: Write[Any]
    author_id: str | None
    future: asyncio.Future[Any]


class Unchanged(Exception):
    """The writes of a transaction change nothing, so there is nothing to commit."""

    def __init__(self, outcomes: list[Any]) -> None:
        super().__init__()
        self.outcomes = outcomes


class CounterWriter:
    """Group commit: every change of a story's rows goes through `write`.

    Writes that wait for the same story share one transaction, so that a popular story costs few commits, and only
    replicas conflict with each other.
    """

    def __init__(self, mongo: Mongo, now: Clock, wake: Callable[[], None]) -> None:
        self.mongo = mongo
        self.now = now
        self._wake = wake
        self._documents = mongo[ENGAGEMENTS]
        self._viewed = DataLoader(mongo[VIEWS], {"viewers": 1, "plays": 1})
        self._engaged = DataLoader(self._documents, dict.fromkeys(TOTALS, 1))
        self._waiting: dict[str, list[PendingWrite]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, story_id: str, author_id: str | None, write: Write[T]) -> T:
        """Apply a write and update the counters, in one transaction that conflicts with an ending.

        Raises:
            NotFound: the story has ended, or the write raises it.
        """
        pending = PendingWrite(write, author_id, asyncio.get_running_loop().create_future())
        if story_id in self._waiting:
            self._waiting[story_id].append(pending)
        else:
            self._waiting[story_id] = [pending]
            work = asyncio.create_task(self._drain(story_id))
            self._tasks.add(work)
            work.add_done_callback(self._tasks.discard)
        result: T = await pending.future
        return result

    async def remove(self, write: RemoveRow) -> bool:
        """Delete a row and its children, in bounded steps; False where it does not exist (any more).

        Raises:
            NotFound: the story has ended.
        """
        while (removed := await self.write(write.story_id, None, write)) is None:
            continue
        return removed

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete all rows of a user up to a time, of every kind. Endings delete those of ended stories."""
        for kind in ROW_KINDS:
            by_user: Document = {kind.user_field: user_id, "at": {"$lte": until}}
            last = ""
            while True:
                query = by_user | {"_id": {"$gt": last}}
                found = (
                    await self.mongo[kind.collection]
                    .find(query, {"story_id": 1}, sort=[("_id", 1)], limit=ERASE_BATCH)
                    .to_list(None)
                )
                for row in found:
                    with contextlib.suppress(NotFound):
                        await self.remove(RemoveRow(kind, row["_id"], row["story_id"], until))
                if len(found) < ERASE_BATCH:
                    break
                last = found[-1]["_id"]

    async def counts(self, story_id: str) -> Counts:
        """All counts of a story."""
        views, others = await asyncio.gather(self._viewed.get(story_id), self._engaged.get(story_id))
        views, others = views or {}, others or {}
        return Counts(
            views=views.get("plays", 0),
            viewers=views.get("viewers", 0),
            reactions=others.get("reaction", 0),
            comments=others.get("comment", 0),
            shares=others.get("share", 0),
        )

    async def _drain(self, story_id: str) -> None:
        """Commit the writes that wait for a story, until none is left."""
        waiting = self._waiting[story_id]
        while waiting:
            number = batch_size(waiting)
            batch = [pending for pending in waiting[:number] if not pending.future.done()]
            del waiting[:number]
            await self._commit(story_id, batch)
        del self._waiting[story_id]

    async def _commit(self, story_id: str, batch: Sequence[PendingWrite]) -> None:
        """Commit a batch; if it fails and no dependency is down, commit one by one."""
        if not batch:
            return
        try:
            outcomes, marked = await transaction_retrying_duplicates(
                self.mongo, lambda session: self._write(story_id, batch, session)
            )
        except Unchanged as unchanged:
            outcomes, marked = unchanged.outcomes, False
        except Exception as error:  # noqa: BLE001  (every waiting caller gets it)
            if len(batch) > 1 and failed_dependency(error) is None:
                for pending in batch:
                    await self._commit(story_id, [pending])
                return
            outcomes, marked = [error] * len(batch), False
        if marked:
            self._wake()
        for pending, outcome in zip(batch, outcomes, strict=True):
            if pending.future.done():
                continue
            if isinstance(outcome, Exception):
                pending.future.set_exception(outcome)
            else:
                pending.future.set_result(outcome)

    async def _write(self, story_id: str, batch: Sequence[PendingWrite], session: Session) -> tuple[list[Any], bool]:
        """Write the counter document first: from here on, endings and other replicas conflict with this."""
        before = await self._documents.find_one_and_update({"_id": story_id}, {"$inc": {"seq": 1}}, session=session)
        if before is not None and before["ended"] is not None:
            raise Unchanged([NotFound() for _ in batch])
        rows = Rows(self.mongo, session)
        while await rows.load(key for pending in batch for key in pending.write.needs(rows)):
            continue
        outcomes: list[Any] = []
        author_id = before["author_id"] if before else None
        for pending in batch:
            author_id = author_id or pending.author_id
            await pending.write.search(rows)
            try:
                outcomes.append(pending.write.apply(rows))
            except NotFound as not_found:
                outcomes.append(not_found)
        if not rows.changed:
            raise Unchanged(outcomes)
        delta = rows.delta()
        await rows.write()
        now = truncate_to_ms(self.now())
        events = [event_document(event, now) for event in (rows.events(author_id, now) if author_id else ())]
        if events:
            await self.mongo[EVENTS].insert_many(events, session=session)
        if before is None:
            new = {**NO_ENGAGEMENTS, **{name: {} for name in BREAKDOWNS}, "seq": 1, "ended": None}
            await self._documents.insert_one(
                {"_id": story_id, **new, "author_id": author_id, "at": now}, session=session
            )
        change = counter_update(before or NO_ENGAGEMENTS, delta, now)
        change["$set"]["author_id"] = author_id
        await self._documents.update_one({"_id": story_id}, change, session=session)
        return outcomes, bool(events) or "pending" in change["$set"]


def batch_size(waiting: Sequence[PendingWrite]) -> int:
    """The number of leading writes that share a transaction."""
    for number, pending in enumerate(waiting[:MAX_WRITES_PER_TRANSACTION]):
        if pending.write.alone:
            return max(1, number)
    return min(len(waiting), MAX_WRITES_PER_TRANSACTION)


def engagement_events(document: Document) -> list[OutgoingEvent]:
    """The events of a pending document: the current totals of the kinds that changed."""
    if document["ended"] is not None or document["author_id"] is None:
        return []
    return [
        OutgoingEvent(
            StoryEngaged(
                story_id=document["_id"],
                author_id=document["author_id"],
                kind=kind,
                total=document[kind],
                seq=document["seq"],
                at=document["at"],
            )
        )
        for kind in document["pending"]["kinds"]
    ]


def event_document(event: Event, now: datetime) -> Document:
    """An event in the outbox; the relay deletes the document once it is published."""
    fields = structs.asdict(event)
    about = {"topic": event.topic, "story_id": event.key, "fields": fields}
    return {"_id": new_id(), **about, "pending": pending_mark(1, now)}


def outbox_events(document: Document) -> list[OutgoingEvent]:
    """The event of a document in the outbox; its id is the same on each retry."""
    event = BY_TOPIC[document["topic"]](**document["fields"])
    return [OutgoingEvent(event, document["_id"], document["pending"]["since"])]


def counter_update(before: Document, delta: Delta, now: datetime) -> Document:
    """The update of a story's document for these increments. Counters of a breakdown that reach zero are removed."""
    emptied = {path: "" for path in delta if "." in path and counter_at(before, path) + delta[path] <= 0}
    update: Document = {"$set": {"at": now}, "$inc": {path: by for path, by in delta.items() if path not in emptied}}
    if emptied:
        update["$unset"] = emptied
    if kinds := {kind for kind in TOTALS if delta.get(kind)}:
        waiting = before.get("pending") or {"kinds": (), "since": now}
        marked = pending_mark(before["seq"] + 1, waiting["since"])
        update["$set"]["pending"] = marked | {"kinds": sorted(kinds.union(waiting["kinds"]))}
    if not update["$inc"]:
        del update["$inc"]
    return update


def counter_at(document: Document, path: str) -> int:
    """The counter at a path of one or two names."""
    name, _, key = path.partition(".")
    return int(document.get(name, {}).get(key, 0))
