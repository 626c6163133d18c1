"""Seen marks in MongoDB: one document for each viewer and six-hour span, deleted when its stories have ended.

It holds the seen keys of stories, not their ids. A story's key is stored only in the story's document and erased with
it. After that no document says which viewers saw the story.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import IndexModel, UpdateOne
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.data_loader import DataLoader, Requested

from stories_feed.usecases.ports import Seen

SEEN = "seen"
SPAN = timedelta(hours=6)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def ensure(mongo: Mongo) -> None:
    """Create the collection and its index."""
    await mongo.ensure(SEEN, IndexModel([("until", 1)], name="ttl", expireAfterSeconds=0))


class MongoSeenMarks:
    """`SeenRepository` in MongoDB. The maximum lifetime of a story bounds the spans to read."""

    def __init__(self, mongo: Mongo, max_lifetime: timedelta) -> None:
        self._seen = mongo[SEEN]
        self._max_lifetime = max_lifetime
        self._loader = DataLoader(self._seen, {"keys": 1})
        self._spans = EPOCH, EPOCH
        self._span_names: Sequence[str] = ()

    async def mark(self, marks: Collection[Seen]) -> None:
        grouped: dict[tuple[str, datetime], list[int]] = defaultdict(list)
        for mark in marks:
            grouped[mark.viewer_id, span_end(mark.until)].append(mark.seen_key)
        writes = [
            UpdateOne(
                {"_id": document_id(viewer, end)},
                {"$addToSet": {"keys": {"$each": keys}}, "$setOnInsert": {"until": end}},
                upsert=True,
            )
            for (viewer, end), keys in grouped.items()
        ]
        if writes:
            await self._seen.bulk_write(writes, ordered=False)

    def seen(self, viewer_id: str, now: datetime) -> "KeysOf":
        return KeysOf(self._loader.request([f"{viewer_id}/{name}" for name in self._names(now)]))

    async def versions(self, viewers: Collection[str], now: datetime) -> Mapping[str, int]:
        ids = [f"{viewer}/{name}" for viewer in viewers for name in self._names(now)]
        counts: Counter[str] = Counter()
        async for document in self._seen.find({"_id": {"$in": ids}}, {"marks": {"$size": {"$ifNull": ["$keys", []]}}}):
            counts[document["_id"].partition("/")[0]] += document["marks"]
        return counts

    def _names(self, now: datetime) -> Sequence[str]:
        """The names of the spans in which live stories may end. They change a few times a day."""
        first, last = span_end(now), span_end(now + self._max_lifetime)
        if (first, last) != self._spans:
            self._spans = first, last
            self._span_names = [span_name(first + number * SPAN) for number in range((last - first) // SPAN + 1)]
        return self._span_names


class KeysOf:
    """The keys in requested marks."""

    def __init__(self, marks: Requested) -> None:
        self._marks = marks

    def __await__(self) -> Generator[Any, None, frozenset[int]]:
        found = yield from self._marks.__await__()
        return frozenset(key for document in found.values() for key in document.get("keys", ()))


def span_end(until: datetime) -> datetime:
    """The end of the six-hour span in which a story ends."""
    return EPOCH + -((EPOCH - until) // SPAN) * SPAN


def document_id(viewer_id: str, end: datetime) -> str:
    """The id of a viewer's document for a span. No user id contains a slash."""
    return f"{viewer_id}/{span_name(end)}"


def span_name(end: datetime) -> str:
    """The name of a span: its end."""
    return f"{end:%Y%m%d%H}"
