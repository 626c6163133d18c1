"""Stories, records of ended ones, and quotas in MongoDB: each transition is one transaction."""

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Collection as Ids
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakValueDictionary

from pymongo import DESCENDING
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events.ids import deterministic_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import DataLoader, Document, Mongo, Session
from stories_shared.mongo.outbox import pending_mark

from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.quota import Quota
from stories_ingest.domain.story import Ended, EndReason, State, Story
from stories_ingest.domain.transitions import StoryChange, StorySnapshot, Transition
from stories_ingest.store.archive import archive_document
from stories_ingest.store.documents import (
    ARCHIVE,
    ENDED,
    QUOTAS,
    STORIES,
    ended_document,
    ended_of,
    quota_document,
    quota_of,
    story_document,
    story_of,
)
from stories_ingest.usecases.event_mapping import story_deleted, story_posted, users_mentioned


class KeyedLock:
    """A lock per name within this process, which avoids transaction conflicts between its requests."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: str) -> asyncio.Lock:
        """The lock of this name; it exists while it is in use."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock


@dataclass(frozen=True, slots=True)
class MongoStories:
    """Story repository. Transactions on stories of one author are serialized."""

    mongo: Mongo
    now: Clock
    authors: KeyedLock = field(default_factory=KeyedLock)
    _states: DataLoader = field(init=False)

    def __post_init__(self) -> None:
        states = DataLoader(self.mongo[STORIES], {"state": 1, "posted.revision": 1})
        object.__setattr__(self, "_states", states)

    async def find(self, story_id: str) -> Story | None:
        """The story, unless it has ended."""
        document = await self.mongo[STORIES].find_one({"_id": story_id})
        return story_of(document) if document else None

    async def state(self, story_id: str) -> State | None:
        """Only its state, None when it has ended."""
        document = await self._states.get(story_id)
        return State(document["state"]) if document else None

    async def revision(self, story_id: str) -> int | None:
        """The revision of a live story."""
        posted = (await self._states.get(story_id) or {}).get("posted")
        return posted["revision"] if posted else None

    async def ended(self, story_id: str) -> Ended | None:
        """The record of an ended story."""
        document = await self.mongo[ENDED].find_one({"_id": story_id})
        return ended_of(document) if document else None

    async def part_ids(self, series_ids: Ids[str]) -> dict[str, list[str]]:
        """The ids of the live parts of each series, in order."""
        query = {"posted.series_id": {"$in": list(series_ids)}}
        in_order = [("posted.series_id", 1), ("posted.part", 1)]
        found: dict[str, list[str]] = {}
        async for part in self.mongo[STORIES].find(query, {"posted.series_id": 1}, sort=in_order):
            found.setdefault(part["posted"]["series_id"], []).append(part["_id"])
        return found

    async def ended_parts(self, series_id: str) -> list[Ended]:
        """The records of a series' ended parts."""
        found = self.mongo[ENDED].find({"series_id": series_id})
        return [ended_of(document) for document in await found.to_list(None)]

    async def page(
        self, author_id: str, state: State | None, before: str | None, now: datetime, limit: int
    ) -> list[Story]:
        """An author's stories, newest first, older than the id `before`, without expired ones."""
        query: Document = {
            "author_id": author_id,
            "posted.expires_at": {"$not": {"$lte": now}},
            "vanishes_at": {"$not": {"$lte": now}},
        }
        if state is not None:
            query["state"] = str(state)
        if state is State.PROCESSING:
            query["publish_at"] = None
        if state is State.SCHEDULED:
            query |= {"state": {"$in": [str(State.PROCESSING), str(state)]}, "publish_at": {"$ne": None}}
        if before is not None:
            query["_id"] = {"$lt": before}
        found = self.mongo[STORIES].find(query, sort=[("_id", DESCENDING)], limit=limit)
        return [story_of(document) for document in await found.to_list(None)]

    async def quota(self, author_id: str) -> Quota:
        """The author's quota, including expired slots."""
        return quota_of(await self.mongo[QUOTAS].find_one({"_id": author_id}))

    async def create(self, draft: Story, admit: Callable[[Quota], Quota]) -> None:
        """Store a draft and the quota that `admit` returns in one transaction; an existing draft is kept.

        Raises NoSuchStory for the id of an ended story, and any error that `admit` raises.
        """

        async def write(session: Session) -> None:
            if await self.mongo[ENDED].find_one({"_id": draft.id}, {"_id": 1}, session=session):
                raise NoSuchStory(draft.id)
            if await self.mongo[STORIES].find_one({"_id": draft.id}, {"_id": 1}, session=session):
                return
            if draft.reposted_from is not None:
                await self._count_repost(draft.reposted_from.story_id, session)
            quota = admit(quota_of(await self.mongo[QUOTAS].find_one({"_id": draft.author_id}, session=session)))
            await self._write_quota(draft.author_id, quota, session)
            await self.mongo[STORIES].insert_one({"_id": draft.id, **story_document(draft)}, session=session)

        async with self.authors.of(draft.author_id):
            await self.mongo.transaction(write)

    async def transact(self, story_id: str, transition: Transition) -> StoryChange:
        """Apply the transition to the current snapshot and write its changes in one transaction.

        The transition is called again after a write conflict. Raises NoSuchStory, and what the transition raises.
        """

        async def write(session: Session) -> StoryChange:
            snapshot = await self._snapshot(story_id, session)
            changes = transition(snapshot)
            await self._write(snapshot, changes, session)
            return changes

        owner = await self.mongo[STORIES].find_one({"_id": story_id}, {"author_id": 1})
        if owner is None:
            raise NoSuchStory(story_id)
        async with self.authors.of(owner["author_id"]):
            return await self.mongo.transaction(write)

    async def _count_repost(self, story_id: str, session: Session) -> None:
        """Write to the original, so that its deletion either finds the repost or prevents it.

        Raises NoSuchStory once it has ended.
        """
        original = {"_id": story_id, "state": str(State.LIVE)}
        written = await self.mongo[STORIES].update_one(original, {"$inc": {"reposts": 1}}, session=session)
        if not written.matched_count:
            raise NoSuchStory(story_id)

    async def reposts(self, story_id: str, limit: int) -> list[str]:
        """Ids of the stories in any state that copy this one."""
        found = self.mongo[STORIES].find({"reposted_from.story_id": story_id}, {"_id": 1}, limit=limit)
        return [document["_id"] for document in await found.to_list(None)]

    async def _snapshot(self, story_id: str, session: Session) -> StorySnapshot:
        document = await self.mongo[STORIES].find_one({"_id": story_id}, session=session)
        if document is None:
            raise NoSuchStory(story_id)
        story = story_of(document)
        quota = quota_of(await self.mongo[QUOTAS].find_one({"_id": story.author_id}, session=session))
        if story.posted is None or story.posted.series_id is None:
            return StorySnapshot(story, (story,), quota)
        series = {"posted.series_id": story.posted.series_id}
        found = self.mongo[STORIES].find(series, sort=[("posted.part", 1)], session=session)
        return StorySnapshot(story, tuple(story_of(part) for part in await found.to_list(None)), quota)

    async def _write(self, snapshot: StorySnapshot, changes: StoryChange, session: Session) -> None:
        if not changes.upserts and not changes.ended and changes.quota == snapshot.quota:
            return
        # Written even when unchanged, so that concurrent transactions on parts of one series conflict.
        await self._write_quota(snapshot.story.author_id, changes.quota, session)
        for story in changes.upserts:
            fields = story_document(story)
            if changes.publish and story.posted is not None:
                fields["pending"] = pending_mark(story.posted.revision, truncate_to_ms(self.now()))
            await self.mongo[STORIES].update_one({"_id": story.id}, {"$set": fields}, upsert=True, session=session)
        for kept in changes.archived:
            document = archive_document(kept, truncate_to_ms(self.now()))
            await self.mongo[ARCHIVE].replace_one({"_id": kept.id}, document, upsert=True, session=session)
        for ended in changes.ended:
            document = ended_document(ended)
            if changes.publish and ended.how is EndReason.DELETED:
                document["pending"] = pending_mark(1, truncate_to_ms(self.now()))
            await self.mongo[STORIES].delete_one({"_id": ended.id}, session=session)
            await self.mongo[ENDED].replace_one({"_id": ended.id}, document, upsert=True, session=session)

    async def _write_quota(self, author_id: str, quota: Quota, session: Session) -> None:
        written = {"$set": quota_document(quota), "$inc": {"writes": 1}}
        await self.mongo[QUOTAS].update_one({"_id": author_id}, written, upsert=True, session=session)


def posted_events(document: Document) -> Sequence[OutgoingEvent]:
    """The events of a story's document. Mentions have the same ids in each revision: they are published once more."""
    story = story_of(document)
    if story.posted is None:
        return []
    mentions = [
        OutgoingEvent(event, deterministic_id(f"user-mentioned/{event.story_id}/{event.user_id}"), event.at)
        for event in users_mentioned(story)
    ]
    return [OutgoingEvent(story_posted(story)), *mentions]


def deleted_events(document: Document) -> Sequence[OutgoingEvent]:
    """The event of an ended story's document; its id and time are the same on each retry."""
    ended = ended_of(document)
    return [OutgoingEvent(story_deleted(ended), event_id=ended.event_id, at=ended.at)]
