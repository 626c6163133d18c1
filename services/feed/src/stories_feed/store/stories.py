"""Stories in MongoDB: one document each while they live, an ended mark after that."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import IndexModel, InsertOne, UpdateOne
from pymongo.errors import BulkWriteError
from stories_shared.clock import Clock
from stories_shared.events import StoryPosted, encode
from stories_shared.mongo.client import DataLoader, Document, Mongo
from stories_shared.runtime.logging import logger

from stories_feed.domain.live import LiveStory
from stories_feed.usecases.endings import Ending
from stories_feed.usecases.items import StoredStory, StoryContent
from stories_feed.usecases.seen import Engagement, SeenKey
from stories_feed.usecases.trays import Preview

log = logger(__name__)

STORIES, ENDED = "stories", "ended"
# Longer than any record about a story can live in a topic, so that no replay finds its mark gone.
MARK_RETENTION = timedelta(days=30)
# A document whose end was never heard goes by itself, as a last resort.
TTL_GRACE = timedelta(hours=1)
MAX_CACHED_PREVIEWS = 100_000
# Of what users wrote, in each replica: some 50,000 stories of usual size.
READ_BYTES_HELD = 64 * 2**20
DUPLICATE_KEY = 11_000
TRIES = 3
INDEXED = {
    "author_id": 1,
    "posted_at": 1,
    "expires_at": 1,
    "audience": 1,
    "hide_from": 1,
    "series_id": 1,
    "part": 1,
    "revision": 1,
    "size": 1,
    "seen_key": 1,
}
CARD = {"revision": 1, "poster_key": 1, "audience": 1, "seen_key": 1}
decode = msgspec.json.Decoder(StoryContent).decode


async def ensure(mongo: Mongo) -> None:
    """Make the collections and their indexes."""
    await mongo.ensure(
        STORIES,
        IndexModel([("expires_at", 1)], name="last_resort", expireAfterSeconds=int(TTL_GRACE.total_seconds())),
        IndexModel([("author_id", 1)], name="author"),
    )
    await mongo.ensure(
        ENDED,
        IndexModel([("marked_at", 1)], name="kept", expireAfterSeconds=int(MARK_RETENTION.total_seconds())),
        IndexModel([("how", 1), ("marked_at", 1)], name="deleted", partialFilterExpression={"how": "deleted"}),
    )


class MongoStories:
    """Documents of stories, ended marks, and what is kept of engagement.

    A document holds the event as the bytes it was published as, since BSON gives some of what users may write a meaning
    (a DBRef, say) or refuses it, and beside them what is asked for. A story that was viewed before its event was
    consumed has its seen key alone.

    Args:
        mongo: where.
        now: the clock.
        on_unreadable: is called for each document that cannot be read and is left out.
    """

    def __init__(self, mongo: Mongo, now: Clock, on_unreadable: Callable[[], None] = lambda: None) -> None:
        self._stories = mongo[STORIES]
        self._ended = mongo[ENDED]
        self._now = now
        self._on_unreadable = on_unreadable
        self._contents = DataLoader(self._stories, {"body": 1, "seen_key": 1})
        self._cards = DataLoader(self._stories, CARD)
        self._known: OrderedDict[str, Preview] = OrderedDict()
        self._read: OrderedDict[str, tuple[StoredStory, int]] = OrderedDict()
        self._read_bytes = 0

    async def put(self, stories: Sequence[StoryPosted]) -> None:
        """Keep each story, unless it has ended or is held in the same or a newer revision.

        The ended marks are looked at again after the write: an end writes its mark first and erases then, so
        whichever of the two comes second sees the other.
        """
        newest: dict[str, StoryPosted] = {}
        for story in stories:
            held = newest.get(story.story_id)
            if held is None or held.revision < story.revision:
                newest[story.story_id] = story
        ended, kept = await asyncio.gather(self._ended_among(newest), self._revisions_of(newest))
        wanted = [s for s in newest.values() if s.story_id not in ended and kept.get(s.story_id, 0) < s.revision]
        for story in wanted:
            self.forget(story.story_id)
        for _ in range(TRIES):
            if not wanted:
                return
            refused = await self._write(wanted)
            ended = await self._ended_among([story.story_id for story in wanted])
            if ended:
                await self._stories.delete_many({"_id": {"$in": list(ended)}})
            # A refusal means that it is held in a newer revision, or that another writer was there in between.
            wanted = [story for story in refused if story.story_id not in ended]

    async def end(self, endings: Sequence[Ending]) -> None:
        """Leave the mark of each ending, the first one for good, and erase the documents."""
        now = self._now()
        marks = {end.story_id: {"_id": end.story_id, "at": end.at, "how": end.how, "marked_at": now} for end in endings}
        known = await self._ended_among(marks)
        missing = [InsertOne(mark) for story_id, mark in marks.items() if story_id not in known]
        if missing:
            await bulk_but_duplicates(self._ended, missing)
        await self._stories.delete_many({"_id": {"$in": list(marks)}})
        for story_id in marks:
            self.forget(story_id)

    async def contents(self, story_ids: Collection[str]) -> Mapping[str, StoredStory]:
        """What those stories show whose documents are there and can be read."""
        found = await self._contents.get_many(story_ids)
        stored = {story_id: self._stored(document) for story_id, document in found.items() if "body" in document}
        return {story_id: each for story_id, each in stored.items() if each is not None}

    async def recent_contents(self, stories: Mapping[str, int]) -> Mapping[str, StoredStory]:
        """What those stories show whose documents are there, at no older revision than the one given.

        As for cards, what was once read is remembered until the index drops it: a revision never changes.
        """
        found: dict[str, StoredStory] = {}
        for story_id, revision in stories.items():
            read = self._read.get(story_id)
            if read is not None and read[0].content.revision >= revision:
                self._read.move_to_end(story_id)
                found[story_id] = read[0]
        if len(found) == len(stories):
            return found
        rest = await self.contents(stories.keys() - found.keys())
        return found | {name: each for name, each in rest.items() if each.content.revision >= stories[name]}

    def forget(self, story_id: str) -> None:
        """Keep nothing of a story in this process."""
        self._known.pop(story_id, None)
        if read := self._read.pop(story_id, None):
            self._read_bytes -= read[1]

    async def cards(self, stories: Mapping[str, int]) -> Mapping[str, Preview]:
        """The cards of stories whose documents are there, at no older revision than the one given.

        What was once seen is remembered: a document goes only when the story ends, which the index hears as well.
        """
        found: dict[str, Preview] = {}
        asking: list[str] = []
        for story_id, revision in stories.items():
            card = self._known.get(story_id)
            if card is not None and card.revision >= revision:
                self._known.move_to_end(story_id)
                found[story_id] = card
            else:
                asking.append(story_id)
        for story_id, document in (await self._cards.get_many(asking)).items() if asking else ():
            if "revision" not in document:
                continue
            card = Preview(document["revision"], document["poster_key"], document["audience"])
            self._remember(story_id, card)
            if card.revision >= stories[story_id]:
                found[story_id] = card
        return found

    async def known_keys(self, story_ids: Collection[str]) -> Mapping[str, int]:
        """The seen keys of those stories that have one."""
        found = await self._cards.get_many(story_ids)
        return {story_id: document["seen_key"] for story_id, document in found.items()}

    async def live(self, now: datetime) -> Sequence[LiveStory]:
        """Every story that is not over."""
        found = self._stories.find({"expires_at": {"$gt": now}}, INDEXED)
        return [as_live(document) async for document in found if "revision" in document]

    async def deleted_since(self, since: datetime) -> Sequence[tuple[str, datetime]]:
        """Ids of stories that were deleted, and when that was marked, since a time."""
        found = self._ended.find({"how": "deleted", "marked_at": {"$gte": since}}, {"marked_at": 1})
        return [(mark["_id"], mark["marked_at"]) async for mark in found]

    async def seen_keys(self, ends: Mapping[str, datetime]) -> Mapping[str, SeenKey]:
        """The keys of stories; of those not known yet one is made, for an end that is assumed. None of ended ones."""
        found, ended = await asyncio.gather(self._keys_of(ends), self._ended_among(ends))
        unknown = ends.keys() - found.keys() - ended
        if unknown:
            made = [
                UpdateOne(
                    {"_id": story_id},
                    {"$setOnInsert": {"seen_key": new_seen_key(), "expires_at": ends[story_id]}},
                    upsert=True,
                )
                for story_id in unknown
            ]
            await bulk_but_duplicates(self._stories, made)
            # As in `put`: an end that came in between has left its mark.
            if ended := await self._ended_among(unknown):
                await self._stories.delete_many({"_id": {"$in": list(ended)}})
            found |= await self._keys_of(unknown - ended)
        return {story_id: key for story_id, key in found.items() if story_id not in ended}

    async def keep(self, engagements: Collection[Engagement]) -> None:
        """Keep each total with its story, unless a newer one is held or the story has ended."""
        if engagements:
            await self._stories.bulk_write([engagement_write(each) for each in engagements], ordered=False)

    async def _write(self, stories: Sequence[StoryPosted]) -> list[StoryPosted]:
        """Write what is newer than what is held, and return what was refused."""
        writes = [
            UpdateOne(
                {"_id": story.story_id, "revision": {"$not": {"$gte": story.revision}}},
                {"$set": as_document(story), "$setOnInsert": {"seen_key": new_seen_key()}},
                upsert=True,
            )
            for story in stories
        ]
        return [stories[refused] for refused in await bulk_but_duplicates(self._stories, writes)]

    async def _ended_among(self, story_ids: Collection[str]) -> set[str]:
        found = self._ended.find({"_id": {"$in": list(story_ids)}}, {"_id": 1})
        return {mark["_id"] async for mark in found}

    async def _revisions_of(self, story_ids: Collection[str]) -> dict[str, int]:
        found = self._stories.find({"_id": {"$in": list(story_ids)}}, {"revision": 1})
        return {document["_id"]: document.get("revision", 0) async for document in found}

    async def _keys_of(self, story_ids: Collection[str]) -> dict[str, SeenKey]:
        found = self._stories.find({"_id": {"$in": list(story_ids)}}, {"seen_key": 1, "expires_at": 1})
        return {each["_id"]: SeenKey(each["seen_key"], each["expires_at"]) async for each in found}

    def _stored(self, document: Document) -> StoredStory | None:
        """What a document shows; None where it cannot be read: one document never fails the pages that it is on."""
        try:
            stored = StoredStory.of(decode(document["body"]), document["seen_key"])
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            self._on_unreadable()
            log.error("unreadable_story", story_id=document["_id"], error=str(error))
            return None
        if before := self._read.pop(document["_id"], None):
            self._read_bytes -= before[1]
        self._read[document["_id"]] = stored, len(document["body"])
        self._read_bytes += len(document["body"])
        while self._read_bytes > READ_BYTES_HELD:
            self._read_bytes -= self._read.popitem(last=False)[1][1]
        return stored

    def _remember(self, story_id: str, card: Preview) -> None:
        self._known[story_id] = card
        self._known.move_to_end(story_id)
        if len(self._known) > MAX_CACHED_PREVIEWS:
            self._known.popitem(last=False)


def new_seen_key() -> int:
    """A key that nobody can guess and that MongoDB keeps in eight bytes: 1 to 2^63 - 1."""
    return 1 + secrets.randbelow(2**63 - 1)


async def bulk_but_duplicates(collection: Any, writes: Sequence[Any]) -> list[int]:
    """Write in bulk and return the places of those that were refused because another document has their id.

    Raises:
        BulkWriteError: one was refused for another reason.
    """
    try:
        await collection.bulk_write(list(writes), ordered=False)
    except BulkWriteError as error:
        details = error.details or {}
        errors = details.get("writeErrors", [])
        if details.get("writeConcernErrors") or any(each["code"] != DUPLICATE_KEY for each in errors):
            raise
        return [each["index"] for each in errors]
    return []


def engagement_write(engagement: Engagement) -> UpdateOne:
    """The write of one total, if it is newer."""
    field = f"engaged.{engagement.kind}"
    older = {"$or": [{f"{field}.seq": {"$lt": engagement.seq}}, {field: {"$exists": False}}]}
    return UpdateOne(
        {"_id": engagement.story_id, **older}, {"$set": {field: {"total": engagement.total, "seq": engagement.seq}}}
    )


def as_document(story: StoryPosted) -> Document:
    """The fields that a story's document has beside its id."""
    body = encode(story)
    return {
        "author_id": story.author_id,
        "posted_at": story.posted_at,
        "expires_at": story.expires_at,
        "audience": story.audience,
        "hide_from": list(story.hide_from),
        "series_id": story.series_id,
        "part": story.part,
        "revision": story.revision,
        "poster_key": story.media.poster_key,
        "size": len(body),
        "body": body,
    }


def as_live(document: Document) -> LiveStory:
    """What the index keeps of a story."""
    return LiveStory(
        story_id=document["_id"],
        author_id=document["author_id"],
        posted_at=document["posted_at"],
        expires_at=document["expires_at"],
        audience=document["audience"],
        hide_from=frozenset(document["hide_from"]),
        series_id=document["series_id"],
        part=document["part"],
        revision=document["revision"],
        size=document["size"],
        seen_key=document["seen_key"],
    )
