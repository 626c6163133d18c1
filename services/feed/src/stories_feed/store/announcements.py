"""Announcements of stories in MongoDB: in each story's document, to whom it is announced so far."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from stories_shared.events import StoryPosted
from stories_shared.mongo.client import Document, Mongo

from stories_feed.domain.edges import EdgeListPosition
from stories_feed.store.story_documents import STORIES
from stories_feed.usecases.notifications import Announcement, NextBatch


class MongoAnnouncements:
    """`AnnouncementRepository` in MongoDB."""

    def __init__(self, mongo: Mongo) -> None:
        self._stories = mongo[STORIES]

    async def unannounced(self, limit: int) -> Sequence[Announcement]:
        found = self._stories.find(
            {"announce.since": {"$exists": True}},
            {"author_id": 1, "announce": 1},
            sort=[("announce.since", 1)],
            limit=limit,
        )
        return [announcement_from(document) async for document in found]

    async def advance(
        self, announcement: Announcement, to: EdgeListPosition | None, now: datetime, batch: NextBatch | None = None
    ) -> bool:
        if to is None and batch is None:
            change: Document = {"$unset": {"announce": ""}}
        else:
            at, user = to or (None, None)
            position: Document = {"since": now, "at": at, "user": user, "last": to is None}
            if batch is not None:
                position["batch"] = {"id": batch.id, "users": list(batch.users), "at": batch.at}
            change = {"$set": {"announce": position}}
        unchanged = position_filter(announcement) | {"announce.batch": {"$exists": False}}
        return bool((await self._stories.update_one(unchanged, change)).matched_count)

    async def published(self, announcement: Announcement) -> None:
        if announcement.batch is not None:
            cleared = {"announce": ""} if announcement.last else {"announce.batch": ""}
            published = position_filter(announcement) | {"announce.batch.id": announcement.batch.id}
            await self._stories.update_one(published, {"$unset": cleared})


def announcement_of(story: StoryPosted, stored: Mapping[str, int]) -> Document:
    """The field that has a new story announced."""
    if story.part > 1 or stored.get(story.story_id, 0) > 0:
        return {}
    return {"announce": {"since": story.posted_at, "at": None, "user": None}}


def announcement_from(document: Document) -> Announcement:
    """The announcement in a story's document."""
    saved = document["announce"]
    after = None if saved["at"] is None else (saved["at"], saved["user"])
    batch = saved.get("batch")
    return Announcement(
        document["_id"],
        document["author_id"],
        after,
        NextBatch(batch["id"], tuple(batch["users"]), batch["at"]) if batch else None,
        saved.get("last", False),
    )


def position_filter(announcement: Announcement) -> Document:
    """Filter for a story's document while its position is unchanged."""
    at, user = announcement.after or (None, None)
    position = {"announce.at": at, "announce.user": user}
    return {"_id": announcement.story_id, "announce.since": {"$exists": True}, **position}
