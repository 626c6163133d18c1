"""Stories in MongoDB: one document each while they live, an ended mark after that."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pymongo import IndexModel, InsertOne, UpdateOne
from pymongo.errors import BulkWriteError
from stories_shared.clock import Clock
from stories_shared.events import StoryPosted
from stories_shared.mongo import Document, Loader, Mongo

from stories_feed.domain.live import LiveStory
from stories_feed.usecases.ending import End
from stories_feed.usecases.seeing import Engagement
from stories_feed.usecases.trays import Card

STORIES, ENDED = "stories", "ended"
# Longer than any record about a story can live in a topic, so that no replay finds its mark gone.
MARKS_KEPT = timedelta(days=30)
# A document whose end was never heard goes by itself, as a last resort.
LAST_RESORT = timedelta(hours=1)
CARDS_HELD = 100_000
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
}
CARD = {"revision": 1, "media.poster_key": 1, "audience": 1}


async def ensure(mongo: Mongo) -> None:
    """Make the collections and their indexes."""
    await mongo.ensure(
        STORIES,
        IndexModel([("expires_at", 1)], name="last_resort", expireAfterSeconds=int(LAST_RESORT.total_seconds())),
        IndexModel([("author_id", 1)], name="author"),
    )
    await mongo.ensure(
        ENDED, IndexModel([("marked_at", 1)], name="kept", expireAfterSeconds=int(MARKS_KEPT.total_seconds()))
    )


class StoryStore:
    """Documents of stories, ended marks, and what is kept of engagement."""

    def __init__(self, mongo: Mongo, now: Clock) -> None:
        self._stories = mongo[STORIES]
        self._ended = mongo[ENDED]
        self._now = now
        self._contents = Loader(self._stories, {"engaged": 0})
        self._cards = Loader(self._stories, CARD)
        self._known: OrderedDict[str, Card] = OrderedDict()

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
        for _ in range(TRIES):
            if not wanted:
                return
            refused = await self._write(wanted)
            ended = await self._ended_among([story.story_id for story in wanted])
            if ended:
                await self._stories.delete_many({"_id": {"$in": list(ended)}})
            # A refusal means that it is held in a newer revision, or that another writer was there in between.
            wanted = [story for story in refused if story.story_id not in ended]

    async def end(self, endings: Sequence[End]) -> None:
        """Leave the mark of each ending, the first one for good, and erase the documents."""
        now = self._now()
        marks = {end.story_id: {"_id": end.story_id, "at": end.at, "how": end.how, "marked_at": now} for end in endings}
        known = await self._ended_among(marks)
        missing = [InsertOne(mark) for story_id, mark in marks.items() if story_id not in known]
        if missing:
            await bulk_but_duplicates(self._ended, missing)
        await self._stories.delete_many({"_id": {"$in": list(marks)}})
        for story_id in marks:
            self._known.pop(story_id, None)

    async def contents(self, story_ids: Collection[str]) -> Mapping[str, StoryPosted]:
        """What those stories show whose documents are there."""
        found = await self._contents.get_many(story_ids)
        return {story_id: as_story(document) for story_id, document in found.items()}

    async def cards(self, stories: Mapping[str, int]) -> Mapping[str, Card]:
        """The cards of stories whose documents are there, at no older revision than the one given.

        What was once seen is remembered: a document goes only when the story ends, which the index hears as well.
        """
        found: dict[str, Card] = {}
        asking: list[str] = []
        for story_id, revision in stories.items():
            card = self._known.get(story_id)
            if card is not None and card.revision >= revision:
                found[story_id] = card
            else:
                asking.append(story_id)
        for story_id, document in (await self._cards.get_many(asking)).items() if asking else ():
            card = Card(document["revision"], document["media"]["poster_key"], document["audience"])
            self._remember(story_id, card)
            if card.revision >= stories[story_id]:
                found[story_id] = card
        return found

    async def live(self, now: datetime) -> Sequence[LiveStory]:
        """Every story that is not over."""
        return [as_live(document) async for document in self._stories.find({"expires_at": {"$gt": now}}, INDEXED)]

    async def ended_since(self, since: datetime) -> Sequence[tuple[str, datetime]]:
        """Ids of stories that ended, and when that was marked, since a time."""
        found = self._ended.find({"marked_at": {"$gte": since}}, {"marked_at": 1})
        return [(mark["_id"], mark["marked_at"]) async for mark in found]

    async def ends(self, story_ids: Collection[str]) -> Mapping[str, datetime]:
        """When the stories that are known end or have ended."""
        found = await self._stories.find({"_id": {"$in": list(story_ids)}}, {"expires_at": 1}).to_list(None)
        ended = await self._ended_among(story_ids)
        return {document["_id"]: document["expires_at"] for document in found} | dict.fromkeys(ended, LONG_AGO)

    async def keep(self, engagements: Collection[Engagement]) -> None:
        """Keep each total with its story, unless a newer one is held or the story has ended."""
        if engagements:
            await self._stories.bulk_write([engagement_write(each) for each in engagements], ordered=False)

    async def _write(self, stories: Sequence[StoryPosted]) -> list[StoryPosted]:
        """Write what is newer than what is held, and return what was refused."""
        writes = [
            UpdateOne(
                {"_id": story.story_id, "revision": {"$lt": story.revision}}, {"$set": as_document(story)}, upsert=True
            )
            for story in stories
        ]
        return [stories[refused] for refused in await bulk_but_duplicates(self._stories, writes)]

    async def _ended_among(self, story_ids: Collection[str]) -> set[str]:
        found = self._ended.find({"_id": {"$in": list(story_ids)}}, {"_id": 1})
        return {mark["_id"] async for mark in found}

    async def _revisions_of(self, story_ids: Collection[str]) -> dict[str, int]:
        found = self._stories.find({"_id": {"$in": list(story_ids)}}, {"revision": 1})
        return {document["_id"]: document["revision"] async for document in found}

    def _remember(self, story_id: str, card: Card) -> None:
        self._known[story_id] = card
        self._known.move_to_end(story_id)
        if len(self._known) > CARDS_HELD:
            self._known.popitem(last=False)


LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


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
    fields: Document = msgspec.to_builtins(story, builtin_types=(datetime,))
    del fields["story_id"]
    return fields


def as_story(document: Document) -> StoryPosted:
    """The story as it was posted."""
    return msgspec.convert({**document, "story_id": document["_id"]}, StoryPosted)


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
    )
