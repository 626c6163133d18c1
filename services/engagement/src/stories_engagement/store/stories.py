"""Live stories, ended marks, and the erasure of a story's rows."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import msgspec
from pymongo import ASCENDING
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.concurrency import gather_limited
from stories_shared.events import StoryPosted, encode
from stories_shared.mongo.client import Document, Mongo, Session

from stories_engagement.domain.access_state import LiveStory
from stories_engagement.domain.views import increments_of
from stories_engagement.store.insights import MongoInsights
from stories_engagement.store.kinds import BREAKDOWNS, NO_ENGAGEMENTS, ROW_KINDS, of_stories
from stories_engagement.store.reports import copy_into_early_report
from stories_engagement.store.schema import CLAIMS, ENGAGEMENTS, EVENTS, STORIES, VIEWERS, VIEWS, viewing_id
from stories_engagement.store.sweeps import DELETE_BATCH, claim_oldest, delete_some
from stories_engagement.store.transactions import transaction_retrying_duplicates
from stories_engagement.store.views import row_of
from stories_engagement.usecases.stories import live_story_of

SNAPSHOT_BATCH = 1_000
"""Cursor batch of a starting replica."""


class MongoStories:
    """Stores stories. An ended mark prevents every later write."""

    def __init__(self, mongo: Mongo, now: Clock, insights: MongoInsights) -> None:
        self._mongo = mongo
        self._now = now
        self._insights = insights
        self._views = mongo[VIEWS]

    async def put(self, story: StoryPosted) -> None:
        """Store a story, unless it has ended or the same or a higher revision is stored."""
        story_id, live_story = story.story_id, live_story_of(story)
        fields = asdict(live_story) | {
            name: getattr(story, name) for name in ("posted_at", "series_id", "part", "parts")
        }
        fields["event"] = encode(story)  # its content as bytes: what users wrote is not interpreted by the database

        async def operation(session: Session) -> bool:
            counter = await self._views.find_one({"_id": story_id}, {"ended": 1, "expires_at": 1}, session=session)
            if counter is not None and counter["ended"]:
                return False
            if counter is not None and counter["expires_at"] is not None:
                older = {"_id": story_id, "revision": {"$lt": live_story.revision}}
                await self._mongo[STORIES].replace_one(older, fields, session=session)
                return True
            await self._mongo[STORIES].insert_one({"_id": story_id, **fields}, session=session)
            posted: Document = {"author_id": live_story.author_id, "expires_at": live_story.expires_at}
            if story.series_id is not None:
                posted |= {"series_id": story.series_id, "part": story.part}
            if counter is None:
                new = {"_id": story_id, "viewers": 0, "plays": 0, "ended": None, "since": truncate_to_ms(self._now())}
                await self._views.insert_one(new | posted, session=session)
            else:
                own = await self._delete_own_views(story_id, live_story.author_id, session)
                fewer = {path: -by for path, by in own.items()}
                change: Document = {"$set": posted, **({"$inc": fewer} if fewer else {})}
                await self._views.update_one({"_id": story_id}, change, session=session)
            return True

        if await transaction_retrying_duplicates(self._mongo, operation):
            await copy_into_early_report(self._mongo, story_id, fields["event"])

    async def end(self, story_ids: Collection[str], how: str) -> None:
        """Mark stories as ended, and seal the insights of those that expire, in one transaction.

        Counts and times stay as long as the mark. A deletion leaves no insights, also where the story had expired
        before.
        """
        ids, now = {"_id": {"$in": sorted(story_ids)}}, truncate_to_ms(self._now())
        fields = None if how == "expired" else {"ended": 1}

        async def operation(session: Session) -> int:
            views, engagements = [
                {each["_id"]: each for each in await self._mongo[name].find(ids, fields, session=session).to_list(None)}
                for name in (VIEWS, ENGAGEMENTS)
            ]
            sealed = 0
            if how == "expired":
                ending = [each for each in story_ids if each not in views or views[each]["ended"] is None]
                sealed = await self._insights.seal(ending, views, engagements, now, session)
            if how == "deleted":
                await self._insights.delete(story_ids, session)
            for name, counters, empty, ended, unset in (
                (VIEWS, views, NO_VIEWS, {"ended": now, "how": how}, ("sums", "series_id", "part")),
                (ENGAGEMENTS, engagements, NO_ENGAGEMENTS, {"ended": now}, ("pending", *BREAKDOWNS)),
            ):
                if new := [{"_id": each, **empty, **ended} for each in story_ids if each not in counters]:
                    await self._mongo[name].insert_many(new, session=session)
                if live := [each for each, counter in counters.items() if counter["ended"] is None]:
                    change = {"$set": ended, "$unset": dict.fromkeys(unset, "")}
                    await self._mongo[name].update_many({"_id": {"$in": live}}, change, session=session)
            await self._mongo[STORIES].delete_many(ids, session=session)
            return sealed

        if sealed := await transaction_retrying_duplicates(self._mongo, operation):
            self._insights.on_sealed(sealed)

    async def erase_small(self, story_ids: Collection[str]) -> set[str]:
        """Delete the rows of the stories that have few, of several with each command; the ids of the others."""
        viewers = await self._count_viewers(sorted(story_ids))
        small = [story_id for story_id in story_ids if viewers.get(story_id, 0) <= DELETE_BATCH]

        async def delete_viewers(group: Sequence[str]) -> None:
            await self._mongo[VIEWERS].delete_many({"story_id": {"$in": group}})

        await gather_limited(delete_viewers, grouped(small, viewers))
        written = {"_id": {"$in": small}, "seq": {"$gt": 0}}  # with the first row of any other kind
        engaged = [each["_id"] for each in await self._mongo[ENGAGEMENTS].find(written, {"_id": 1}).to_list(None)]
        steps = len(story_ids)
        for name, rows in rows_of(small, engaged):
            while await delete_some(self._mongo[name], rows, DELETE_BATCH) == DELETE_BATCH:
                steps -= 1
                if steps < 0:
                    return set(story_ids)
        return set(story_ids).difference(small)

    async def _count_viewers(self, story_ids: Sequence[str]) -> dict[str, int]:
        """The rows of each story's viewers, counted in an index up to one more than `DELETE_BATCH`."""
        most = len(story_ids) * DELETE_BATCH
        of_stories = {"$match": {"story_id": {"$in": story_ids}}}
        by_story = {"$group": {"_id": "$story_id", "rows": {"$sum": 1}}}
        found = await self._mongo.aggregate(self._mongo[VIEWERS], [of_stories, {"$limit": most + 1}, by_story])
        rows = {each["_id"]: each["rows"] for each in found}
        if sum(rows.values()) > most:
            for story_id in story_ids:
                few = {"story_id": story_id}
                rows[story_id] = await self._mongo[VIEWERS].count_documents(few, limit=DELETE_BATCH + 1)
        return rows

    async def erase(self, story_id: str, steps: int) -> bool:
        """Delete the rows of a story in at most `steps` steps; whether none is left.

        No row can be inserted after the ending, so one pass is enough.
        """
        for name, rows in [(VIEWERS, {"story_id": story_id}), *rows_of([story_id], [story_id])]:
            while True:
                if not steps:
                    return False
                if await delete_some(self._mongo[name], rows, DELETE_BATCH) < DELETE_BATCH:
                    break
                steps -= 1
        return True

    async def erase_later(self, story_id: str, now: datetime) -> None:
        """Leave the rest of an erasure to the background task."""
        await self._views.update_one({"_id": story_id}, {"$set": {"erase_at": now}})

    async def claim_erasure(self, now: datetime, until: datetime) -> str | None:
        """Lease the oldest pending erasure until `until`."""
        claimed = await claim_oldest(self._views, "erase_at", now, until)
        return claimed["_id"] if claimed else None

    async def erased(self, story_id: str) -> None:
        """Mark the erasure as complete."""
        await self._views.update_one({"_id": story_id}, {"$unset": {"erase_at": ""}})

    async def find_orphans(self, before: datetime, limit: int) -> list[str]:
        """Stories first viewed before a time and never posted."""
        query = {"expires_at": None, "ended": None, "since": {"$lt": before}}
        return [counter["_id"] for counter in await self._views.find(query, {"_id": 1}, limit=limit).to_list(None)]

    async def live(self) -> AsyncIterator[tuple[str, LiveStory]]:
        """All stored stories."""
        async for story in self._mongo[STORIES].find({}, {"event": 0}, batch_size=SNAPSHOT_BATCH):
            yield story["_id"], msgspec.convert(story, LiveStory)

    async def ended_since(self, since: datetime) -> AsyncIterator[tuple[str, datetime]]:
        """Stories that ended since a time, and when that was recorded, the oldest first."""
        found = self._views.find({"ended": {"$gte": since}}, {"ended": 1}, sort=[("ended", ASCENDING)])
        async for counter in found:
            yield counter["_id"], counter["ended"]

    async def _delete_own_views(self, story_id: str, author_id: str, session: Session) -> Counter[str]:
        """Delete the author's own views from before the author was known; what they added to the counters."""
        own = await self._mongo[VIEWERS].find_one_and_delete({"_id": viewing_id(story_id, author_id)}, session=session)
        return increments_of(row_of(own) if own else None)


def rows_of(story_ids: Sequence[str], engaged: Sequence[str]) -> Iterator[tuple[str, Document]]:
    """The collections with other rows than viewers, and their filters; only `engaged` stories have rows in most."""
    yield CLAIMS, {"resource_id": of_stories(story_ids)}
    if engaged:
        yield from ((kind.collection, kind.of_stories(engaged)) for kind in ROW_KINDS)
        yield EVENTS, {"story_id": {"$in": engaged}}


def grouped(story_ids: Iterable[str], rows: Mapping[str, int]) -> Iterator[list[str]]:
    """The stories in groups of about `DELETE_BATCH` rows."""
    group, number = list[str](), 0
    for story_id in story_ids:
        group.append(story_id)
        number += rows.get(story_id, 0)
        if number >= DELETE_BATCH:
            yield group
            group, number = [], 0
    if group:
        yield group


NO_VIEWS: Document = {"author_id": None, "expires_at": None, "viewers": 0, "plays": 0}
