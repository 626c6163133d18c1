"""Views: rows of viewers and their plays, and the views counter of each story; one transaction a batch."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from bson import decode_all
from pymongo import ASCENDING, DESCENDING, InsertOne, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.mongo.client import Document, Mongo, Session
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS

from stories_engagement.domain.views import (
    Block,
    CountingContext,
    CountingResult,
    Play,
    StoryCounter,
    View,
    ViewerRow,
    count_views,
    increments_of,
)
from stories_engagement.store.kinds import REACTIONS
from stories_engagement.store.paging import rows_after
from stories_engagement.store.schema import BLOCKS, PRIVACY, STORIES, VIEWERS, VIEWS, row_id, viewing_id, viewings_of
from stories_engagement.store.transactions import is_duplicate, transaction_retrying_duplicates
from stories_engagement.usecases.paging import Position
from stories_engagement.usecases.views import Viewer, ViewerPage

FAR = datetime.fromisoformat("9000-01-01T00:00:00+00:00")
"""Until when a view history is off that is off now."""


class Outdated(Exception):
    """A story has ended or got its author, or an existing row has changed, since the context was read."""


FEW = 250
"""Blocks or marks that are read to spare looking for those of each view: a fraction of what a batch would look for."""

BLOCK_FIELDS = {"user_id": 1, "target_id": 1, "since": 1, "lifted_at": 1}
ROW_FIELDS = ("story_id", "viewer_id", "at", "listed", "follower", "plays")

UNLIST_BATCH = 500
"""Rows of a user unlisted by one command."""

ERASE_BATCH = 500
"""Rows of a user read at a time."""


class MongoViews:
    """Counts views and stores who viewed."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._views = mongo[VIEWS]
        self._rows = mongo[VIEWERS]
        self._writing = asyncio.Lock()
        """One transaction at a time: two batches of one story would conflict."""

    async def count(self, views: Sequence[View], now: Clock) -> CountingResult:
        """Read the context, count the views, and write the result atomically.

        The context is read before the transaction, which fails if a row was inserted or changed meanwhile, or if a
        story has ended or got its author. After such a failure the context is read within the transaction.
        """
        context, rows = await self._load_context(views, None)
        result = count_views(views, context, now())
        if not (result.added or result.plays):
            return result

        async def write(session: Session) -> None:
            if result.plays and await self._raw_rows(context.rows, session) != rows:
                raise Outdated
            await self._write(result, context, truncate_to_ms(now()), session)

        try:
            async with self._writing:
                await self._mongo.transaction(write)
        except (Outdated, BulkWriteError, DuplicateKeyError) as error:
            if not (isinstance(error, Outdated) or is_duplicate(error)):
                raise
        else:
            return result

        async def operation(session: Session) -> CountingResult:
            context, _ = await self._load_context(views, session)
            result = count_views(views, context, now())
            await self._write(result, context, truncate_to_ms(now()), session)
            return result

        async with self._writing:
            return await transaction_retrying_duplicates(self._mongo, operation)

    async def marks(
        self, user_ids: Iterable[str], since: datetime | None = None
    ) -> tuple[Mapping[str, datetime], Mapping[str, datetime]]:
        """The times of erasure of these users from `since` on, and until when their view history was off."""
        people = set(user_ids)
        if not people:
            return {}, {}
        fields = {"view_history": 1, "off_until": 1}
        erased, privacy = await asyncio.gather(
            self._erased(people, since),
            self._mongo[PRIVACY].find({"_id": {"$in": list(people)}}, fields).to_list(None),
        )
        return _marks(erased, privacy)

    async def erase_viewer(self, user_id: str, until: datetime) -> None:
        """Delete a user's plays up to a time, the rows left without plays, and their counts."""
        last, found = "", [""]
        while found:
            query = {"_id": viewings_of(user_id, last)}
            rows = self._rows.find(query, {"story_id": 1}, sort=[("_id", ASCENDING)], limit=ERASE_BATCH)
            found = [row["story_id"] for row in await rows.to_list(None)]
            for story_id in found:
                await self._uncount(story_id, user_id, until)
            last = viewing_id(found[-1], user_id) if found else last

    async def unlist(self, user_id: str, until: datetime) -> None:
        """Unlist all rows of a user whose first view is up to a time."""
        after: str | None = ""
        while after is not None:
            after = await self.unlist_some(user_id, until, after)

    async def unlist_some(self, user_id: str, until: datetime, after: str) -> str | None:
        """Unlist a batch of a user's rows; the position that was reached, None where no more are left."""
        query = {"_id": viewings_of(user_id, after)}
        found = self._rows.find(query, {"_id": 1}, sort=[("_id", ASCENDING)], limit=UNLIST_BATCH)
        ids = [row["_id"] for row in await found.to_list(None)]
        if ids:
            stay_off = {"_id": {"$in": ids}, "listed": True, "at": {"$lte": until}}
            await self._rows.update_many(stay_off, {"$set": {"listed": False}})
        return ids[-1] if len(ids) == UNLIST_BATCH else None

    async def page(self, story_id: str, after: Position | None, limit: int, excluded: Set[str]) -> ViewerPage:
        """Listed viewers, newest first, without excluded ones, and the totals, in one snapshot."""

        async def operation(session: Session) -> tuple[int, int, list[Document]]:
            counter = await self._views.find_one({"_id": story_id}, {"viewers": 1}, session=session)
            hidden = await self._rows.count_documents({"story_id": story_id, "listed": False}, session=session)
            query: Document = {"story_id": story_id, "listed": True, **rows_after(after, "at", "viewer_id")}
            if excluded:
                excluded_rows = {
                    "_id": {"$in": [viewing_id(story_id, user_id) for user_id in excluded]},
                    "listed": True,
                }
                hidden += await self._rows.count_documents(excluded_rows, session=session)
                query["viewer_id"] = {"$nin": sorted(excluded)}
            found = self._rows.find(
                query,
                {"viewer_id": 1, "at": 1, "count": 1},
                sort=[("at", DESCENDING), ("viewer_id", DESCENDING)],
                limit=limit,
                session=session,
            )
            return (counter or {}).get("viewers", 0), hidden, await found.to_list(None)

        total, hidden, rows = await self._mongo.transaction(operation)
        ids = [row_id(story_id, row["viewer_id"]) for row in rows]
        reactions = await self._mongo[REACTIONS].find({"_id": {"$in": ids}}).to_list(None)
        emoji = {reaction["viewer_id"]: reaction["emoji"] for reaction in reactions}
        viewers = [Viewer(row["viewer_id"], row["at"], row["count"], emoji.get(row["viewer_id"])) for row in rows]
        return ViewerPage(viewers, total, hidden)

    async def total(self, story_id: str) -> int:
        """How many viewers a story has."""
        counter = await self._views.find_one({"_id": story_id}, {"viewers": 1})
        return int(counter["viewers"]) if counter else 0

    async def _load_context(self, views: Sequence[View], session: Session | None) -> tuple[CountingContext, bytes]:
        """Read the context, and its rows as bytes: in a session one query after the other, otherwise concurrently."""

        async def found(collection: str, ids: Iterable[str], *fields: str) -> list[Document]:
            query = {"_id": {"$in": list(ids)}}
            return await self._mongo[collection].find(query, dict.fromkeys(fields, 1), session=session).to_list(None)

        stories, viewers = list(dict.fromkeys(view.story_id for view in views)), {view.viewer_id for view in views}
        queries: list[Any] = [
            found(STORIES, stories, "view_list"),
            found(VIEWS, stories, "author_id", "expires_at", "ended"),
            self._raw_rows({view.key for view in views}, session),
            self._erased(viewers, min(view.play.at for view in views), session),
            found(PRIVACY, viewers, "view_history", "off_until"),
        ]
        answers = await asyncio.gather(*queries) if session is None else [await query for query in queries]
        lists, counter_documents, raw, erased, privacy = answers
        listing = {story["_id"]: story["view_list"] for story in lists}
        counters = {
            f["_id"]: StoryCounter(f["author_id"], f["expires_at"], f["ended"] is not None, listing.get(f["_id"], True))
            for f in counter_documents
        }
        erased_at, unlisted_until = _marks(erased, privacy)
        authors = {story_id: counter.author_id for story_id, counter in counters.items() if counter.author_id}
        pairs = {(authors.get(view.story_id) or view.author_id, view.viewer_id) for view in views}
        blocks = await self._blocks({(author, viewer) for author, viewer in pairs if author is not None}, session)
        rows: list[Document] = decode_all(raw, self._rows.codec_options)
        context = CountingContext(
            counters=counters,
            rows={(row["story_id"], row["viewer_id"]): row_of(row) for row in rows},
            erased=erased_at,
            blocks={(b["user_id"], b["target_id"]): Block(b["since"], b.get("lifted_at")) for b in blocks},
            unlisted_until=unlisted_until,
        )
        return context, raw

    async def _raw_rows(self, keys: Iterable[tuple[str, str]], session: Session | None) -> bytes:
        """Rows as BSON in the order of their ids: two reads are compared without decoding the second one."""
        query = {"_id": {"$in": [viewing_id(*key) for key in keys]}}
        found: Any = self._rows.find_raw_batches(
            query, dict.fromkeys(ROW_FIELDS, 1), sort=[("_id", 1)], session=session
        )
        return b"".join([batch async for batch in found])

    async def _erased(self, people: Set[str], since: datetime | None, session: Session | None = None) -> list[Document]:
        """Marks of erasures since a time: there are few since the views of a batch, so they are looked up by time."""
        marks = self._mongo[ERASED_USERS]
        if since is not None:
            found = await marks.find({"at": {"$gte": since}}, {"at": 1}, limit=FEW, session=session).to_list(None)
            if len(found) < FEW:
                return [mark for mark in found if mark["_id"] in people]
        return await marks.find({"_id": {"$in": list(people)}}, {"at": 1}, session=session).to_list(None)

    async def _blocks(self, pairs: Set[tuple[str, str]], session: Session | None) -> list[Document]:
        """Blocks between authors and viewers: all of the authors' if they have few, else those of these pairs."""
        if not pairs:
            return []
        authors, found = list({author for author, _ in pairs}), list[Document]()
        for side in ("user_id", "target_id"):
            query = {side: {"$in": authors}}
            some = await self._mongo[BLOCKS].find(query, BLOCK_FIELDS, limit=FEW, session=session).to_list(None)
            if len(some) == FEW:
                break
            found += some
        else:
            return found
        sides = [row_id(*side) for author, viewer in pairs for side in ((author, viewer), (viewer, author))]
        exactly = {"_id": {"$in": sides}}
        return await self._mongo[BLOCKS].find(exactly, BLOCK_FIELDS, session=session).to_list(None)

    async def _insert(self, rows: Iterable[ViewerRow], session: Session) -> None:
        """Insert rows by one bare command: the driver's own insert costs twice. Raises a duplicate key error."""
        documents = [document_of(row) for row in rows]
        answer = await self._mongo.database.command("insert", VIEWERS, documents=documents, session=session)
        if "writeErrors" in answer:
            raise BulkWriteError(answer)

    async def _write(self, result: CountingResult, context: CountingContext, now: datetime, session: Session) -> None:
        """Write the result. Raises `Outdated` or a duplicate key error where a story or row has changed since."""
        counters: list[Any] = []
        for story_id, step in sorted(result.steps.items()):
            counter, more = context.counters.get(story_id), step.increments()
            if counter is not None:
                as_counted = {"_id": story_id, "ended": None, "author_id": counter.author_id}
                counters.append(UpdateOne(as_counted, {"$inc": more}))
            else:
                new = {"author_id": step.author_id, "expires_at": None, "since": now, "ended": None}
                counters.append(InsertOne({"_id": story_id, **nested(more), **new}))
        if counters:
            written = await self._views.bulk_write(counters, session=session)
            if written.matched_count + written.inserted_count < len(counters):
                raise Outdated
        if result.added:
            await self._insert(result.added.values(), session)
        updates: list[Document] = []
        for key, plays in result.plays.items():
            change: Document = {"$set": {f"plays.{play_id}": list(play) for play_id, play in plays.items()}}
            if added_plays := result.added_plays.get(key):
                change["$inc"] = {"count": added_plays}
            updates.append({"q": {"_id": viewing_id(*key)}, "u": change})
        if updates:
            answer = await self._mongo.database.command("update", VIEWERS, updates=updates, session=session)
            if "writeErrors" in answer:
                raise BulkWriteError(answer)

    async def _uncount(self, story_id: str, user_id: str, until: datetime) -> None:
        async def operation(session: Session) -> None:
            document = await self._rows.find_one({"_id": viewing_id(story_id, user_id)}, session=session)
            if document is None:
                return
            row = row_of(document)
            remaining = row.without(until)
            if remaining is not None and len(remaining.plays) == len(row.plays):
                return
            fewer = increments_of(remaining)
            fewer.subtract(increments_of(row))
            await self._views.update_one({"_id": story_id, "ended": None}, {"$inc": fewer}, session=session)
            if remaining is None:
                await self._rows.delete_one({"_id": document["_id"]}, session=session)
            else:
                await self._rows.replace_one({"_id": document["_id"]}, document_of(remaining), session=session)

        await transaction_retrying_duplicates(self._mongo, operation)


def nested(increments: Mapping[str, int]) -> Document:
    """The counters of a new document."""
    new: Document = {"sums": {}}
    for path, by in increments.items():
        name, _, inner = path.partition(".")
        new[name] = {**new[name], inner: by} if inner else by
    return new


def document_of(row: ViewerRow) -> Document:
    """The document of a row."""
    return {
        "_id": viewing_id(*row.key),
        "story_id": row.story_id,
        "viewer_id": row.viewer_id,
        "at": row.viewed_at,
        "listed": row.listed,
        "follower": row.follower,
        "count": len(row.plays),
        "plays": {play_id: list(play) for play_id, play in row.plays.items()},
    }


def row_of(document: Document) -> ViewerRow:
    """The row in a document."""
    plays = {play_id: Play._make(fields) for play_id, fields in document["plays"].items()}
    story_id, viewer_id, follower = document["story_id"], document["viewer_id"], document.get("follower", False)
    return ViewerRow(story_id, viewer_id, document["at"], document["listed"], plays, follower)


def _marks(erased: list[Document], privacy: list[Document]) -> tuple[dict[str, datetime], dict[str, datetime]]:
    unlisted = {p["_id"]: p.get("off_until") if p["view_history"] else FAR for p in privacy}
    return {e["_id"]: e["at"] for e in erased}, {user_id: at for user_id, at in unlisted.items() if at is not None}
