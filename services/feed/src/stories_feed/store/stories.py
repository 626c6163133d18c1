"""Stories in MongoDB: one document for each live story, and an ended mark after its end."""

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
from stories_shared.events import StoryEngaged, StoryPosted
from stories_shared.kafka.topics import MARK_RETENTION
from stories_shared.mongo.client import Document, Mongo
from stories_shared.mongo.data_loader import DataLoader
from stories_shared.runtime.logging import logger

from stories_feed.domain.live import LiveStory
from stories_feed.store.announcements import announcement_of
from stories_feed.store.story_documents import LIVE_FIELDS, STORIES, as_document, live_story_from_document
from stories_feed.usecases.contents import Poster, StoredStory, StoryContent
from stories_feed.usecases.endings import Ending
from stories_feed.usecases.ports import KnownStories
from stories_feed.usecases.seen import SeenKey

log = logger(__name__)

ENDED = "ended"
# Fallback for a story whose end was never consumed.
TTL_GRACE = timedelta(hours=1)
MAX_CACHED_POSTERS = 100_000
# Of stored content and of items made of it, in each replica: about 30,000 stories of usual size.
MAX_CACHED_CONTENT_BYTES = 128 * 2**20
# Of an item beside the content: URLs, names of fields, objects.
READY_ITEM_BYTES = 2_000
# Documents at once while the index is loaded: what they leave in memory is used again for the next ones.
LOAD_BATCH = 1_000
DUPLICATE_KEY = 11_000
MAX_ATTEMPTS = 3
POSTER_FIELDS = {"revision": 1, "poster_key": 1, "audience": 1, "seen_key": 1}
decode = msgspec.json.Decoder(StoryContent).decode


async def ensure(mongo: Mongo) -> None:
    """Create the collections and their indexes."""
    await mongo.ensure(
        STORIES,
        IndexModel([("expires_at", 1)], name="ttl", expireAfterSeconds=int(TTL_GRACE.total_seconds())),
        IndexModel([("author_id", 1)], name="author"),
        IndexModel([("announce.since", 1)], name="unannounced", sparse=True),
    )
    await mongo.ensure(
        ENDED,
        IndexModel([("marked_at", 1)], name="ttl", expireAfterSeconds=int(MARK_RETENTION.total_seconds())),
        IndexModel([("how", 1), ("marked_at", 1)], name="deleted", partialFilterExpression={"how": "deleted"}),
    )


class MongoStories:
    """`StoryRepository` in MongoDB, with ended marks and engagement totals.

    A document holds the event as the published bytes, because BSON interprets or refuses some content that users may
    write (a DBRef, for instance). Queried fields are stored beside it. A story that was viewed before its event was
    consumed has a document with its seen key only.

    Args:
        mongo: the client.
        now: the clock.
        on_unreadable: called for each document that cannot be decoded and is left out.
    """

    def __init__(self, mongo: Mongo, now: Clock, on_unreadable: Callable[[], None] = lambda: None) -> None:
        self._stories = mongo[STORIES]
        self._ended = mongo[ENDED]
        self._now = now
        self._on_unreadable = on_unreadable
        self._content_loader = DataLoader(self._stories, {"body": 1, "seen_key": 1})
        self._poster_loader = DataLoader(self._stories, POSTER_FIELDS)
        self._poster_cache: OrderedDict[str, Poster] = OrderedDict()
        self._content_cache: OrderedDict[str, tuple[StoredStory, int]] = OrderedDict()
        self._content_cache_bytes = 0

    async def known(self, story_ids: Collection[str]) -> KnownStories:
        return KnownStories(*await asyncio.gather(self._ended_among(story_ids), self._revisions_of(story_ids)))

    async def put(self, stories: Sequence[StoryPosted], known: KnownStories | None = None) -> None:
        """The ended marks are read again after the write.

        `end` writes its mark first and erases then, so the later of the two always sees the other.
        """
        newest = {story.story_id: story for story in sorted(stories, key=lambda story: story.revision)}
        known = known or await self.known(newest)
        stored = known.revisions
        pending = [
            story
            for story_id, story in newest.items()
            if story_id not in known.ended and stored.get(story_id, 0) < story.revision
        ]
        for story in pending:
            self.evict(story.story_id)
        for _ in range(MAX_ATTEMPTS):
            if not pending:
                return
            refused = await self._write(pending, stored)
            # Trays that wait for a document need not read it, as they would at once and many at a time.
            for story in pending:
                if story not in refused:
                    poster = Poster(story.revision, story.media.poster_key, story.audience)
                    self._cache_poster(story.story_id, poster)
            ended = await self._ended_among([story.story_id for story in pending])
            if ended:
                await self._stories.delete_many({"_id": {"$in": list(ended)}})
                for story_id in ended:
                    self.evict(story_id)
            # A write is refused if a newer revision is stored, or by a concurrent writer.
            pending = [story for story in refused if story.story_id not in ended]

    async def end(self, endings: Sequence[Ending]) -> None:
        """Set the ended mark of each story, of which the first one stays, and erase the documents."""
        now = self._now()
        marks = {end.story_id: {"_id": end.story_id, "at": end.at, "how": end.how, "marked_at": now} for end in endings}
        marked = await self._ended_among(marks)
        missing = [InsertOne(mark) for story_id, mark in marks.items() if story_id not in marked]
        if missing:
            await bulk_write_ignoring_duplicates(self._ended, missing)
        await self._stories.delete_many({"_id": {"$in": list(marks)}})
        for story_id in marks:
            self.evict(story_id)

    async def contents(self, story_ids: Collection[str]) -> Mapping[str, StoredStory]:
        """The content of the stories that have a readable document."""
        found = await self._content_loader.get_many(story_ids)
        stored = {story_id: self._decode(document) for story_id, document in found.items() if "body" in document}
        return {story_id: each for story_id, each in stored.items() if each is not None}

    async def recent_contents(self, stories: Mapping[str, int]) -> Mapping[str, StoredStory]:
        """Content is cached until the index drops the story: a revision never changes."""
        found: dict[str, StoredStory] = {}
        for story_id, revision in stories.items():
            cached = self._content_cache.get(story_id)
            if cached is not None and cached[0].content.revision >= revision:
                self._content_cache.move_to_end(story_id)
                found[story_id] = cached[0]
        if len(found) == len(stories):
            return found
        missing = await self.contents(stories.keys() - found.keys())
        return found | {name: each for name, each in missing.items() if each.content.revision >= stories[name]}

    def evict(self, story_id: str) -> None:
        self._poster_cache.pop(story_id, None)
        if cached := self._content_cache.pop(story_id, None):
            self._content_cache_bytes -= cached[1]

    async def posters(self, stories: Mapping[str, int]) -> Mapping[str, Poster]:
        """Posters are cached until the index drops the story."""
        found: dict[str, Poster] = {}
        missing: list[str] = []
        for story_id, revision in stories.items():
            poster = self._poster_cache.get(story_id)
            if poster is not None and poster.revision >= revision:
                self._poster_cache.move_to_end(story_id)
                found[story_id] = poster
            else:
                missing.append(story_id)
        for story_id, document in (await self._poster_loader.get_many(missing)).items() if missing else ():
            if "revision" not in document:
                continue
            poster = Poster(document["revision"], document["poster_key"], document["audience"])
            self._cache_poster(story_id, poster)
            if poster.revision >= stories[story_id]:
                found[story_id] = poster
        return found

    def cached_poster(self, story_id: str) -> Poster | None:
        return self._poster_cache.get(story_id)

    async def known_keys(self, story_ids: Collection[str]) -> Mapping[str, int]:
        found = await self._poster_loader.get_many(story_ids)
        return {story_id: document["seen_key"] for story_id, document in found.items()}

    async def live(self, now: datetime) -> Sequence[LiveStory]:
        found = self._stories.find({"expires_at": {"$gt": now}}, LIVE_FIELDS, batch_size=LOAD_BATCH)
        return [live_story_from_document(document) async for document in found if "revision" in document]

    async def deleted_since(self, since: datetime) -> Sequence[tuple[str, datetime]]:
        found = self._ended.find({"how": "deleted", "marked_at": {"$gte": since}}, {"marked_at": 1})
        return [(mark["_id"], mark["marked_at"]) async for mark in found]

    async def seen_keys(self, ends: Mapping[str, datetime]) -> Mapping[str, SeenKey]:
        """The keys of stories that have not ended; an unknown story gets a key with the given end."""
        found, ended = await asyncio.gather(self._keys_of(ends), self._ended_among(ends))
        missing = ends.keys() - found.keys() - ended
        if missing:
            writes = [
                UpdateOne(
                    {"_id": story_id},
                    {"$setOnInsert": {"seen_key": new_seen_key(), "expires_at": ends[story_id]}},
                    upsert=True,
                )
                for story_id in missing
            ]
            await bulk_write_ignoring_duplicates(self._stories, writes)
            # As in `put`: a concurrent end has set its mark.
            if ended := await self._ended_among(missing):
                await self._stories.delete_many({"_id": {"$in": list(ended)}})
            found |= await self._keys_of(missing - ended)
        return {story_id: key for story_id, key in found.items() if story_id not in ended}

    async def save_engagement(self, events: Collection[StoryEngaged]) -> None:
        """Store each total in its story's document, unless a newer one is stored or the story has ended."""
        if events:
            await self._stories.bulk_write([engagement_write(each) for each in events], ordered=False)

    async def _write(self, stories: Sequence[StoryPosted], stored: Mapping[str, int]) -> list[StoryPosted]:
        """Write stories that are newer than the stored revision, and return those that were refused.

        A story that was not stored is to be announced; of a series its first part.
        """
        writes = [
            UpdateOne(
                {"_id": story.story_id, "revision": {"$not": {"$gte": story.revision}}},
                {
                    "$set": as_document(story) | announcement_of(story, stored),
                    "$setOnInsert": {"seen_key": new_seen_key()},
                },
                upsert=True,
            )
            for story in stories
        ]
        return [stories[refused] for refused in await bulk_write_ignoring_duplicates(self._stories, writes)]

    async def _ended_among(self, story_ids: Collection[str]) -> set[str]:
        found = self._ended.find({"_id": {"$in": list(story_ids)}}, {"_id": 1})
        return {mark["_id"] async for mark in found}

    async def _revisions_of(self, story_ids: Collection[str]) -> dict[str, int]:
        found = self._stories.find({"_id": {"$in": list(story_ids)}}, {"revision": 1})
        return {document["_id"]: document.get("revision", 0) async for document in found}

    async def _keys_of(self, story_ids: Collection[str]) -> dict[str, SeenKey]:
        found = self._stories.find({"_id": {"$in": list(story_ids)}}, {"seen_key": 1, "expires_at": 1})
        return {each["_id"]: SeenKey(each["seen_key"], each["expires_at"]) async for each in found}

    def _decode(self, document: Document) -> StoredStory | None:
        """Decode and cache a document; None if that fails, so that one document never fails a whole page."""
        try:
            stored = StoredStory.of(decode(document["body"]), document["seen_key"])
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            self._on_unreadable()
            log.error("unreadable_story", story_id=document["_id"], error=str(error))
            return None
        if previous := self._content_cache.pop(document["_id"], None):
            self._content_cache_bytes -= previous[1]
        size = 2 * len(document["body"]) + READY_ITEM_BYTES
        self._content_cache[document["_id"]] = stored, size
        self._content_cache_bytes += size
        while self._content_cache_bytes > MAX_CACHED_CONTENT_BYTES:
            self._content_cache_bytes -= self._content_cache.popitem(last=False)[1][1]
        return stored

    def _cache_poster(self, story_id: str, poster: Poster) -> None:
        self._poster_cache[story_id] = poster
        self._poster_cache.move_to_end(story_id)
        if len(self._poster_cache) > MAX_CACHED_POSTERS:
            self._poster_cache.popitem(last=False)


def new_seen_key() -> int:
    """An unguessable key that fits into a BSON int64: 1 to 2^63 - 1."""
    return 1 + secrets.randbelow(2**63 - 1)


async def bulk_write_ignoring_duplicates(collection: Any, writes: Sequence[Any]) -> list[int]:
    """Write in bulk, and return the indexes of the writes that failed with a duplicate key.

    Raises:
        BulkWriteError: a write failed for another reason.
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


def engagement_write(event: StoryEngaged) -> UpdateOne:
    """The update with a total, if it is newer than the stored one."""
    field = f"engaged.{event.kind}"
    older = {"$or": [{f"{field}.seq": {"$lt": event.seq}}, {field: {"$exists": False}}]}
    return UpdateOne({"_id": event.story_id, **older}, {"$set": {field: {"total": event.total, "seq": event.seq}}})
