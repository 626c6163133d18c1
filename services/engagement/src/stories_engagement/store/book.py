"""The document of a story that fences and counts its reactions, comments and shares.

Whoever changes a count marks the document as unsaid in the same write; the relay says `story-engaged` from it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from stories_shared.clock import Clock, whole_ms
from stories_shared.events import StoryEngaged
from stories_shared.failures import dependency_of
from stories_shared.mongo import Document, Loader, Mongo, Session
from stories_shared.outbox import mark
from stories_shared.publishing import Saying

from stories_engagement.domain.errors import Gone
from stories_engagement.store.shapes import ENGAGEMENTS, VIEWS, settled
from stories_engagement.store.stories import NO_ENGAGEMENTS
from stories_engagement.usecases.engagements import Counts

T = TypeVar("T")

KINDS = ("reaction", "comment", "share")

TOGETHER = 50
"""Wishes about one story that share a transaction. A commit costs as much for fifty as for one."""


@dataclass(slots=True)
class Change:
    """How a write changes a story's counts."""

    totals: dict[str, int] = field(default_factory=dict)
    emoji: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Change") -> None:
        """Take another one's changes in."""
        for mine, theirs in ((self.totals, other.totals), (self.emoji, other.emoji)):
            for name, by in theirs.items():
                mine[name] = mine.get(name, 0) + by


Verb = Callable[[Session], Awaitable[tuple[Change | None, T]]]
"""Writes rows in a session and tells what that changes; None: it wrote nothing. Raises `Gone` before it writes."""


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """A verb, whose story it is about, and who waits for it."""

    verb: Verb[Any]
    author_id: str | None
    answer: asyncio.Future[Any]


class Book:
    """The engagements of all stories: every change of rows goes through `write`.

    What waits for the same story goes into one transaction, so that a story that all the world reacts to costs few
    commits, and only replicas conflict with each other.
    """

    def __init__(self, mongo: Mongo, now: Clock, wake: Callable[[], None]) -> None:
        self.mongo = mongo
        self.now = now
        self._wake = wake
        self._documents = mongo[ENGAGEMENTS]
        self._viewed = Loader(mongo[VIEWS], {"viewers": 1, "plays": 1})
        self._engaged = Loader(self._documents, dict.fromkeys(KINDS, 1))
        self._waiting: dict[str, list[Wish]] = {}
        self._working: set[asyncio.Task[None]] = set()

    async def write(self, story_id: str, author_id: str | None, verb: Verb[T]) -> T:
        """Run a verb and count what it changed, in one transaction that no ending can slip through.

        Raises:
            Gone: the story has ended, or the verb says so.
        """
        wish = Wish(verb, author_id, asyncio.get_running_loop().create_future())
        if story_id in self._waiting:
            self._waiting[story_id].append(wish)
        else:
            self._waiting[story_id] = [wish]
            work = asyncio.create_task(self._work(story_id))
            self._working.add(work)
            work.add_done_callback(self._working.discard)
        result: T = await wish.answer
        return result

    async def write_if_live(self, story_id: str, verb: Verb[T]) -> None:
        """Like `write`, for what an ending takes away anyhow."""
        with contextlib.suppress(Gone):
            await self.write(story_id, None, verb)

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

    async def _work(self, story_id: str) -> None:
        """Do what waits for a story, together, until nothing does."""
        waiting = self._waiting[story_id]
        while waiting:
            wishes = [wish for wish in waiting[:TOGETHER] if not wish.answer.done()]
            del waiting[:TOGETHER]
            await self._try(story_id, wishes)
        del self._waiting[story_id]

    async def _try(self, story_id: str, wishes: Sequence[Wish]) -> None:
        """Do some wishes; where they fail together and no dependency is down, one by one."""
        if not wishes:
            return
        try:
            outcomes, said = await settled(self.mongo, lambda session: self._write(story_id, wishes, session))
        except Exception as error:  # noqa: BLE001  (it is handed to everyone who waits)
            if len(wishes) > 1 and dependency_of(error) is None:
                for wish in wishes:
                    await self._try(story_id, [wish])
                return
            outcomes, said = [error] * len(wishes), False
        if said:
            self._wake()
        for wish, outcome in zip(wishes, outcomes, strict=True):
            if wish.answer.done():
                continue
            if isinstance(outcome, Exception):
                wish.answer.set_exception(outcome)
            else:
                wish.answer.set_result(outcome)

    async def _write(self, story_id: str, wishes: Sequence[Wish], session: Session) -> tuple[list[Any], bool]:
        before = await self._documents.find_one({"_id": story_id}, session=session)
        if before is not None and before["ended"] is not None:
            return [Gone() for _ in wishes], False
        outcomes: list[Any] = []
        whole: Change | None = None
        author_id = before["author_id"] if before else None
        for wish in wishes:
            author_id = author_id or wish.author_id
            try:
                change, result = await wish.verb(session)
            except Gone as gone:
                outcomes.append(gone)
                continue
            outcomes.append(result)
            if change is not None:
                whole = whole or Change()
                whole.add(change)
        if whole is None:
            return outcomes, False
        after = changed(before or NO_ENGAGEMENTS, whole, whole_ms(self.now())) | {"author_id": author_id}
        if before is None:
            await self._documents.insert_one({"_id": story_id, "ended": None, **after}, session=session)
        else:
            await self._documents.update_one({"_id": story_id, "ended": None}, {"$set": after}, session=session)
        return outcomes, "unsaid" in after


def facts(document: Document) -> list[Saying]:
    """What a marked document says now: the totals of the kinds that changed."""
    if document["ended"] is not None or document["author_id"] is None:
        return []
    return [
        Saying(
            StoryEngaged(
                story_id=document["_id"],
                author_id=document["author_id"],
                kind=kind,
                total=document[kind],
                seq=document["seq"],
                at=document["at"],
            )
        )
        for kind in document["unsaid"]["kinds"]
    ]


def changed(before: Document, change: Change, now: datetime) -> Document:
    """The fields of a story's document after a change. `seq` always grows, so that every writer meets every other."""
    after: Document = {"seq": before["seq"] + 1, "at": now}
    kinds = {kind for kind, by in change.totals.items() if by}
    for kind in KINDS:
        after[kind] = before[kind] + change.totals.get(kind, 0)
    if any(change.emoji.values()):
        emoji = dict(before.get("emoji", {}))
        for text, by in change.emoji.items():
            emoji[text] = emoji.get(text, 0) + by
        after["emoji"] = {text: count for text, count in emoji.items() if count > 0}
    elif "emoji" not in before:
        after["emoji"] = {}
    if kinds:
        waiting = before.get("unsaid") or {"kinds": (), "since": now}
        after["unsaid"] = mark(after["seq"], waiting["since"]) | {"kinds": sorted(kinds.union(waiting["kinds"]))}
    return after
