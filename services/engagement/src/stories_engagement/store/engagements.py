"""Reactions and shares, and the document of a story that fences and counts them with the comments.

Whoever changes a count marks the document as unsaid in the same write; the relay says `story-engaged` from it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from weakref import WeakValueDictionary

from stories_shared.clock import Clock, whole_ms
from stories_shared.events import StoryEngaged
from stories_shared.mongo import Document, Mongo, Session
from stories_shared.outbox import mark
from stories_shared.publishing import Saying

from stories_engagement.domain.errors import Gone
from stories_engagement.store.shapes import ENGAGEMENTS, REACTIONS, SHARES, VIEWS, row_id, settled
from stories_engagement.store.stories import NO_ENGAGEMENTS
from stories_engagement.usecases.admission import Admitted
from stories_engagement.usecases.engagements import Counts

T = TypeVar("T")

KINDS = ("reaction", "comment", "share")


@dataclass(slots=True)
class Change:
    """How a write changes a story's counts."""

    totals: dict[str, int] = field(default_factory=dict)
    emoji: dict[str, int] = field(default_factory=dict)


Verb = Callable[[Session], Awaitable[tuple[Change | None, T]]]
"""Writes rows in a session and tells what that changes; None: it wrote nothing."""


class Book:
    """The engagements of all stories: every change of rows goes through `write`."""

    def __init__(self, mongo: Mongo, now: Clock, wake: Callable[[], None]) -> None:
        self.mongo = mongo
        self.now = now
        self._wake = wake
        self._documents = mongo[ENGAGEMENTS]
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def write(self, story_id: str, author_id: str | None, verb: Verb[T]) -> T:
        """Run a verb and count what it changed, in one transaction that no ending can slip through.

        Writers of one process take turns at a story, so that only replicas conflict with each other.

        Raises:
            Gone: the story has ended.
        """
        turn = self._turns.get(story_id)
        if turn is None:
            turn = self._turns[story_id] = asyncio.Lock()
        async with turn:
            result, said = await settled(self.mongo, lambda session: self._write(story_id, author_id, verb, session))
        if said:
            self._wake()
        return result

    async def write_if_live(self, story_id: str, verb: Verb[T]) -> None:
        """Like `write`, for what an ending takes away anyhow."""
        with contextlib.suppress(Gone):
            await self.write(story_id, None, verb)

    async def _write(self, story_id: str, author_id: str | None, verb: Verb[T], session: Session) -> tuple[T, bool]:
        before = await self._documents.find_one({"_id": story_id}, session=session)
        if before is not None and before["ended"] is not None:
            raise Gone
        change, result = await verb(session)
        if change is None:
            return result, False
        after = changed(before or {**NO_ENGAGEMENTS, "author_id": author_id}, change, whole_ms(self.now()))
        if before is None:
            await self._documents.insert_one({"_id": story_id, "ended": None, **after}, session=session)
        else:
            await self._documents.update_one({"_id": story_id, "ended": None}, {"$set": after}, session=session)
        return result, "unsaid" in after

    async def counts(self, story_id: str) -> Counts:
        """All counts of a story."""
        views, others = await asyncio.gather(
            self.mongo[VIEWS].find_one({"_id": story_id}, {"viewers": 1, "plays": 1}),
            self._documents.find_one({"_id": story_id}, dict.fromkeys(KINDS, 1)),
        )
        views, others = views or {}, others or {}
        return Counts(
            views=views.get("plays", 0),
            viewers=views.get("viewers", 0),
            reactions=others.get("reaction", 0),
            comments=others.get("comment", 0),
            shares=others.get("share", 0),
        )


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
    after: Document = {"author_id": before["author_id"], "seq": before["seq"] + 1, "at": now}
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


class MongoReactions:
    """One reaction per viewer and story. A withdrawn one leaves its row, so that withdrawing can be repeated."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rows = book.mongo[REACTIONS]

    async def put(self, admitted: Admitted, emoji: str, at: datetime) -> None:
        """Set a viewer's reaction. Raises `Gone`."""
        await self._set(admitted.story_id, admitted.user_id, admitted.author_id, emoji, at)

    async def withdraw(self, story_id: str, user_id: str, at: datetime) -> bool:
        """Take a viewer's reaction back; False if there never was one. Raises `Gone`."""
        row = await self._rows.find_one({"_id": row_id(story_id, user_id)})
        if row is None:
            return False
        await self._set(story_id, user_id, None, None, at)
        return True

    async def counts(self, story_id: str) -> Mapping[str, int]:
        """How many of each, most first."""
        document = await self._book.mongo[ENGAGEMENTS].find_one({"_id": story_id}, {"emoji": 1})
        emoji: Mapping[str, int] = (document or {}).get("emoji", {})
        return dict(sorted(emoji.items(), key=lambda item: (-item[1], item[0])))

    async def mine(self, story_id: str, user_id: str) -> str | None:
        """A viewer's own reaction."""
        row = await self._rows.find_one({"_id": row_id(story_id, user_id)})
        return row["emoji"] if row else None

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away all reactions that a person set up to a time."""
        wanted = {"viewer_id": user_id, "at": {"$lte": until}}
        for row in await self._rows.find(wanted, {"story_id": 1}).to_list(None):

            async def verb(session: Session, row_id: str = row["_id"]) -> tuple[Change | None, None]:
                old = await self._rows.find_one_and_delete({"_id": row_id, "at": {"$lte": until}}, session=session)
                if old is None:
                    return None, None
                return moved(old["emoji"], None), None

            await self._book.write_if_live(row["story_id"], verb)

    async def _set(self, story_id: str, user_id: str, author_id: str | None, emoji: str | None, at: datetime) -> None:
        async def verb(session: Session) -> tuple[Change | None, None]:
            key = {"_id": row_id(story_id, user_id)}
            old = await self._rows.find_one(key, session=session)
            before = old["emoji"] if old else None
            if before == emoji:
                return None, None
            row = {"story_id": story_id, "viewer_id": user_id, "emoji": emoji, "at": at}
            await self._rows.replace_one(key, row, upsert=True, session=session)
            return moved(before, emoji), None

        await self._book.write(story_id, author_id, verb)


def moved(before: str | None, after: str | None) -> Change:
    """What changing a reaction changes."""
    change = Change(totals={"reaction": (after is not None) - (before is not None)})
    for text, by in ((before, -1), (after, 1)):
        if text is not None:
            change.emoji[text] = change.emoji.get(text, 0) + by
    return change


class MongoShares:
    """Who shared a story, once each."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rows = book.mongo[SHARES]

    async def put(self, admitted: Admitted, at: datetime) -> None:
        """Count a viewer's share, the first time. Raises `Gone`."""

        async def verb(session: Session) -> tuple[Change | None, None]:
            key = {"_id": row_id(admitted.story_id, admitted.user_id)}
            if await self._rows.find_one(key, session=session):
                return None, None
            row = {**key, "story_id": admitted.story_id, "viewer_id": admitted.user_id, "at": at}
            await self._rows.insert_one(row, session=session)
            return Change({"share": 1}), None

        await self._book.write(admitted.story_id, admitted.author_id, verb)

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away all shares of a person up to a time."""
        wanted = {"viewer_id": user_id, "at": {"$lte": until}}
        for row in await self._rows.find(wanted, {"story_id": 1}).to_list(None):

            async def verb(session: Session, row_id: str = row["_id"]) -> tuple[Change | None, None]:
                gone = await self._rows.delete_one({"_id": row_id}, session=session)
                return (Change({"share": -1}) if gone.deleted_count else None), None

            await self._book.write_if_live(row["story_id"], verb)
