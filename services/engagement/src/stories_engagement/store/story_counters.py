"""The document of a story that fences and counts its reactions, comments and shares.

Whoever changes a count marks the document as pending in the same write; the relay says `story-engaged` from it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import failed_dependency
from stories_shared.events import StoryEngaged
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import DataLoader, Document, Mongo, Session
from stories_shared.mongo.outbox import pending_mark

from stories_engagement.domain.errors import NotFound
from stories_engagement.store.kinds import BREAKDOWNS, NO_ENGAGEMENTS, ROW_KINDS, TOTALS, Delta
from stories_engagement.store.schema import ENGAGEMENTS, VIEWS, transaction_retrying_duplicates
from stories_engagement.store.units import Rows
from stories_engagement.store.writes import RemoveRow, Write
from stories_engagement.usecases.engagements import Counts

T = TypeVar("T")

MAX_WRITES_PER_TRANSACTION = 50
"""Writes about one story that share a transaction. A commit costs as much for fifty as for one."""

FORGOTTEN_AT_ONCE = 500
"""Rows of a person that are looked up at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class PendingWrite:
    """A write, whose story it is about, and who waits for it."""

    write: Write[Any]
    author_id: str | None
    future: asyncio.Future[Any]


class Unchanged(Exception):
    """The writes of a transaction change nothing, so there is nothing to commit; what came of them."""

    def __init__(self, outcomes: list[Any]) -> None:
        super().__init__()
        self.outcomes = outcomes


class CounterWriter:
    """The engagements of all stories: every change of rows goes through `write`.

    What waits for the same story goes into one transaction, so that a story that all the world reacts to costs few
    commits, and only replicas conflict with each other.
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
        """Do a write and count what it changed, in one transaction that no ending can slip through.

        Raises:
            Gone: the story has ended, or the write says so.
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
        """Delete a row and what hangs on it, in bounded steps; False where it is not there (any more).

        Raises:
            Gone: the story has ended.
        """
        while (removed := await self.write(write.story_id, None, write)) is None:
            continue
        return removed

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away all rows of a person up to a time, of every kind that is counted. Endings take away the rest."""
        for kind in ROW_KINDS:
            by_user: Document = {kind.user_field: user_id, "at": {"$lte": until}}
            last = ""
            while True:
                query = by_user | {"_id": {"$gt": last}}
                found = (
                    await self.mongo[kind.collection]
                    .find(query, {"story_id": 1}, sort=[("_id", 1)], limit=FORGOTTEN_AT_ONCE)
                    .to_list(None)
                )
                for row in found:
                    with contextlib.suppress(NotFound):
                        await self.remove(RemoveRow(kind, row["_id"], row["story_id"], until))
                if len(found) < FORGOTTEN_AT_ONCE:
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
        """Do what waits for a story, together, until nothing does."""
        waiting = self._waiting[story_id]
        while waiting:
            number = batch_size(waiting)
            batch = [pending for pending in waiting[:number] if not pending.future.done()]
            del waiting[:number]
            await self._commit(story_id, batch)
        del self._waiting[story_id]

    async def _commit(self, story_id: str, batch: Sequence[PendingWrite]) -> None:
        """Do some wishes; where they fail together and no dependency is down, one by one."""
        if not batch:
            return
        try:
            outcomes, marked = await transaction_retrying_duplicates(
                self.mongo, lambda session: self._write(story_id, batch, session)
            )
        except Unchanged as unchanged:
            outcomes, marked = unchanged.outcomes, False
        except Exception as error:  # noqa: BLE001  (it is handed to everyone who waits)
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
        """Fence first: from here on an ending and other replicas wait, and see what this transaction makes of it."""
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
            except NotFound as gone:
                outcomes.append(gone)
        if not rows.changed:
            raise Unchanged(outcomes)
        delta = rows.delta()
        await rows.write()
        now = truncate_to_ms(self.now())
        if before is None:
            new = {**NO_ENGAGEMENTS, **{name: {} for name in BREAKDOWNS}, "seq": 1, "ended": None}
            await self._documents.insert_one(
                {"_id": story_id, **new, "author_id": author_id, "at": now}, session=session
            )
        change = counter_update(before or NO_ENGAGEMENTS, delta, now)
        change["$set"]["author_id"] = author_id
        await self._documents.update_one({"_id": story_id}, change, session=session)
        return outcomes, "pending" in change["$set"]


def batch_size(waiting: Sequence[PendingWrite]) -> int:
    """How many of the first share a transaction."""
    for number, pending in enumerate(waiting[:MAX_WRITES_PER_TRANSACTION]):
        if pending.write.alone:
            return max(1, number)
    return min(len(waiting), MAX_WRITES_PER_TRANSACTION)


def engagement_events(document: Document) -> list[OutgoingEvent]:
    """What a marked document says now: the totals of the kinds that changed."""
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


def counter_update(before: Document, delta: Delta, now: datetime) -> Document:
    """The update of a story's document whose counters change so. Counters of a breakdown that come to nothing leave."""
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
    """The counter at a path of two names."""
    name, _, key = path.partition(".")
    return int(document.get(name, {}).get(key, 0))
