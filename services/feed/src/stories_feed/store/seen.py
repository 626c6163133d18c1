"""Seen marks in MongoDB: one document a viewer and six hours, which goes when the stories in it have ended.

It holds the keys of stories and not their ids. A story's key is in its document alone and goes with it, so that nothing
here says what was seen of stories that have ended, however many viewers they had.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from pymongo import IndexModel, UpdateOne
from stories_shared.mongo.client import DataLoader, Mongo

from stories_feed.usecases.seen import Seen

SEEN = "seen"
SPAN = timedelta(hours=6)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def ensure(mongo: Mongo) -> None:
    """Make the collection and its index."""
    await mongo.ensure(SEEN, IndexModel([("until", 1)], name="kept", expireAfterSeconds=0))


class MongoSeenMarks:
    """What viewers have seen, as long as the stories live.

    Args:
        mongo: where.
        longest: the longest life of a story: how far ahead there can be marks.
    """

    def __init__(self, mongo: Mongo, longest: timedelta) -> None:
        self._seen = mongo[SEEN]
        self._longest = longest
        self._loader = DataLoader(self._seen, {"keys": 1})
        self._spans = EPOCH, EPOCH
        self._span_names: Sequence[str] = ()

    async def mark(self, marks: Collection[Seen]) -> None:
        """Set each mark, once."""
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

    async def seen(self, viewer_id: str, now: datetime) -> frozenset[int]:
        """Keys of the stories that the viewer has seen and that may still be live."""
        found = await self._loader.get_many([f"{viewer_id}/{name}" for name in self._names(now)])
        return frozenset(key for document in found.values() for key in document.get("keys", ()))

    def _names(self, now: datetime) -> Sequence[str]:
        """The names of the spans in which stories that are live now may end; they change a few times a day."""
        first, last = span_end(now), span_end(now + self._longest)
        if (first, last) != self._spans:
            self._spans = first, last
            self._span_names = [span_name(first + number * SPAN) for number in range((last - first) // SPAN + 1)]
        return self._span_names


def span_end(until: datetime) -> datetime:
    """The end of the span of time in which a story ends."""
    return EPOCH + -((EPOCH - until) // SPAN) * SPAN


def document_id(viewer_id: str, end: datetime) -> str:
    """The id of a viewer's document for a span; no user id holds a slash."""
    return f"{viewer_id}/{span_name(end)}"


def span_name(end: datetime) -> str:
    """Says when a span ends."""
    return f"{end:%Y%m%d%H}"
