"""Live stories, ended marks, and the erasure of a story's rows."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime

from pymongo import ASCENDING
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import StoryPosted, encode
from stories_shared.mongo.client import Document, Mongo, Session

from stories_engagement.domain.access_state import LiveStory
from stories_engagement.domain.answers import layers_from
from stories_engagement.domain.views import increments_of
from stories_engagement.store.insights import MongoInsights
from stories_engagement.store.kinds import BREAKDOWNS, NO_ENGAGEMENTS, ROW_KINDS
from stories_engagement.store.reports import copy_into_early_report
from stories_engagement.store.schema import (
    CLAIMS,
    ENGAGEMENTS,
    EVENTS,
    STORIES,
    VIEWERS,
    VIEWS,
    transaction_retrying_duplicates,
    viewing_id,
)
from stories_engagement.store.views import row_of
from stories_engagement.usecases.stories import live_story_of

DELETE_BATCH = 1_000
"""Rows that one command deletes: about thirty milliseconds of the server."""

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

    async def end(self, story_id: str, how: str) -> None:
        """Mark a story as ended, and seal the insights of one that expires. Counts and times stay as long as the mark.

        A deletion leaves no insights, also where the story had expired before.
        """
        now = truncate_to_ms(self._now())

        async def operation(session: Session) -> bool:
            views = await self._views.find_one({"_id": story_id}, session=session)
            engagements = await self._mongo[ENGAGEMENTS].find_one({"_id": story_id}, session=session)
            ending = views is None or views["ended"] is None
            sealed = False
            if ending and how == "expired":
                sealed = await self._insights.seal(story_id, views, engagements, now, session)
            if how == "deleted":
                await self._insights.delete(story_id, session)
            for name, counter, empty, ended, unset in (
                (VIEWS, views, NO_VIEWS, {"ended": now, "how": how}, ("sums", "series_id", "part")),
                (ENGAGEMENTS, engagements, NO_ENGAGEMENTS, {"ended": now}, ("pending", *BREAKDOWNS)),
            ):
                if counter is None:
                    await self._mongo[name].insert_one({"_id": story_id, **empty, **ended}, session=session)
                elif counter["ended"] is None:
                    change = {"$set": ended, "$unset": dict.fromkeys(unset, "")}
                    await self._mongo[name].update_one({"_id": story_id}, change, session=session)
            await self._mongo[STORIES].delete_one({"_id": story_id}, session=session)
            return sealed

        if await transaction_retrying_duplicates(self._mongo, operation):
            self._insights.on_sealed()

    async def erase(self, story_id: str, steps: int) -> bool:
        """Delete the rows of a story in at most `steps` steps; whether none is left.

        No row can be inserted after the ending, so one pass is enough.
        """
        of_story = {"$gte": f"{story_id}/", "$lt": f"{story_id}0"}
        counted = [(kind.collection, kind.of_story(story_id)) for kind in ROW_KINDS]
        for name, rows in [
            (VIEWERS, {"story_id": story_id}),
            *counted,
            (CLAIMS, {"resource_id": of_story}),
            (EVENTS, {"story_id": story_id}),
        ]:
            while True:
                if not steps:
                    return False
                found = await self._mongo[name].find(rows, {"_id": 1}, limit=DELETE_BATCH).to_list(None)
                if found:
                    await self._mongo[name].delete_many({"_id": {"$in": [row["_id"] for row in found]}})
                if len(found) < DELETE_BATCH:
                    break
                steps -= 1
        return True

    async def erase_later(self, story_id: str, now: datetime) -> None:
        """Leave the rest of an erasure to the background task."""
        await self._views.update_one({"_id": story_id}, {"$set": {"erase_at": now}})

    async def claim_erasure(self, now: datetime, until: datetime) -> str | None:
        """Lease the oldest pending erasure until `until`."""
        claimed = await self._views.find_one_and_update(
            {"erase_at": {"$lte": now}}, {"$set": {"erase_at": until}}, {"_id": 1}, sort=[("erase_at", ASCENDING)]
        )
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
            yield story["_id"], live_story_from(story)

    async def ended_since(self, since: datetime) -> AsyncIterator[tuple[str, datetime]]:
        """Stories that ended since a time, and when that was recorded, the oldest first."""
        found = self._views.find({"ended": {"$gte": since}}, {"ended": 1}, sort=[("ended", ASCENDING)])
        async for counter in found:
            yield counter["_id"], counter["ended"]

    async def _delete_own_views(self, story_id: str, author_id: str, session: Session) -> Counter[str]:
        """Delete the author's own views from before the author was known; what they added to the counters."""
        own = await self._mongo[VIEWERS].find_one_and_delete({"_id": viewing_id(story_id, author_id)}, session=session)
        return increments_of(row_of(own) if own else None)


NO_VIEWS: Document = {"author_id": None, "expires_at": None, "viewers": 0, "plays": 0}


def live_story_from(document: Document) -> LiveStory:
    """The story in a document."""
    return LiveStory(
        author_id=document["author_id"],
        expires_at=document["expires_at"],
        revision=document["revision"],
        access_revision=document["access_revision"],
        comments=document["comments"],
        reactions=document["reactions"],
        sharing=document["sharing"],
        view_list=document["view_list"],
        layers=layers_from(document.get("layers", ())),
    )
