"""Stories, records of ended ones, and quotas in MongoDB: each transition is one transaction."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Ids
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from pymongo import DESCENDING, DeleteOne, ReplaceOne, UpdateOne
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events.ids import deterministic_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import Document, Mongo, Session
from stories_shared.mongo.data_loader import DataLoader
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
    """The `StoryRepository`. Transactions on stories of one author are serialized."""

    mongo: Mongo
    now: Clock
    authors: KeyedLock = field(default_factory=KeyedLock)
    _states: DataLoader = field(init=False)

    def __post_init__(self) -> None:
        states = DataLoader(self.mongo[STORIES], {"state": 1, "posted.revision": 1})
        object.__setattr__(self, "_states", states)

    async def find(self, story_id: str) -> Story | None:
        document = await self.mongo[STORIES].find_one({"_id": story_id})
        return story_of(document) if document else None

    async def state(self, story_id: str) -> State | None:
        document = await self._states.get(story_id)
        return State(document["state"]) if document else None

    async def revision(self, story_id: str) -> int | None:
        posted = (await self._states.get(story_id) or {}).get("posted")
        return posted["revision"] if posted else None

    async def ended(self, story_id: str) -> Ended | None:
        document = await self.mongo[ENDED].find_one({"_id": story_id})
        return ended_of(document) if document else None

    async def part_ids(self, series_ids: Ids[str]) -> dict[str, list[str]]:
        query = {"posted.series_id": {"$in": list(series_ids)}}
        in_order = [("posted.series_id", 1), ("posted.part", 1)]
        found: dict[str, list[str]] = {}
        async for part in self.mongo[STORIES].find(query, {"posted.series_id": 1}, sort=in_order):
            found.setdefault(part["posted"]["series_id"], []).append(part["_id"])
        return found

    async def ended_parts(self, series_id: str) -> list[Ended]:
        found = self.mongo[ENDED].find({"series_id": series_id})
        return [ended_of(document) for document in await found.to_list(None)]

    async def delete_expired(self, deleted: Ended) -> None:
        document = ended_document(deleted)
        fields = {name: document[name] for name in ("how", "by", "event_id", "at")}
        fields["pending"] = pending_mark(1, truncate_to_ms(self.now()))
        expired = {"_id": deleted.id, "how": str(EndReason.EXPIRED)}
        await self.mongo[ENDED].update_one(expired, {"$set": fields})

    async def page(
        self, author_id: str, state: State | None, before: str | None, now: datetime, limit: int
    ) -> list[Story]:
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
            await self.mongo[QUOTAS].bulk_write([quota_write(draft.author_id, quota)], session=session)
            await self.mongo[STORIES].insert_one({"_id": draft.id, **story_document(draft)}, session=session)

        async with self.authors.of(draft.author_id):
            await self.mongo.transaction(write)

    async def transact(self, story_id: str, transition: Transition) -> StoryChange:
        """Apply the transition to the current snapshot and write its changes in one transaction.

        The transition is called again after a write conflict. Raises NoSuchStory, and what the transition raises.
        """

        changes = await self.transact_all({story_id: transition})
        if story_id not in changes:
            raise NoSuchStory(story_id)
        return changes[story_id]

    async def transact_all(self, transitions: Mapping[str, Transition]) -> dict[str, StoryChange]:
        async def write(session: Session) -> dict[str, StoryChange]:
            stories, quotas = await self._load(list(transitions), session)
            changes: dict[str, StoryChange] = {}
            written: list[tuple[StorySnapshot, StoryChange]] = []
            for story_id, transition in transitions.items():
                if (story := stories.get(story_id)) is None:
                    continue
                snapshot = StorySnapshot(story, parts_of(story, stories), quotas.get(story.author_id, Quota()))
                changes[story_id] = change = transition(snapshot)
                written.append((snapshot, change))
                quotas[story.author_id] = change.quota
                stories |= {each.id: each for each in change.upserts}
                for ended in change.ended:
                    stories.pop(ended.id, None)
            await self._write(written, session)
            return changes

        owners = self.mongo[STORIES].find({"_id": {"$in": list(transitions)}}, {"author_id": 1})
        authors = sorted({owner["author_id"] for owner in await owners.to_list(None)})
        if not authors:
            return {}
        async with AsyncExitStack() as locks:
            for author_id in authors:  # in the same order everywhere, so that none waits for the other
                await locks.enter_async_context(self.authors.of(author_id))
            return await self.mongo.transaction(write)

    async def _count_repost(self, story_id: str, session: Session) -> None:
        """Write to the original, so that its deletion either finds the repost or prevents it.

        Raises NoSuchStory once it has ended.
        """
        original = {"_id": story_id, "state": str(State.LIVE)}
        written = await self.mongo[STORIES].update_one(original, {"$inc": {"reposts": 1}}, session=session)
        if not written.matched_count:
            raise NoSuchStory(story_id)

    async def reposts(self, story_ids: Ids[str], limit: int) -> list[str]:
        query = {"reposted_from.story_id": {"$in": list(story_ids)}}
        found = self.mongo[STORIES].find(query, {"_id": 1}, limit=limit)
        return [document["_id"] for document in await found.to_list(None)]

    async def _load(self, story_ids: list[str], session: Session) -> tuple[dict[str, Story], dict[str, Quota]]:
        """The stories with all live parts of their series, and their authors' quotas."""
        found = await self.mongo[STORIES].find({"_id": {"$in": story_ids}}, session=session).to_list(None)
        stories = {document["_id"]: story_of(document) for document in found}
        series = {story.posted.series_id for story in stories.values() if story.posted and story.posted.series_id}
        if series:
            query = {"posted.series_id": {"$in": sorted(series)}}
            parts = await self.mongo[STORIES].find(query, session=session).to_list(None)
            stories |= {document["_id"]: story_of(document) for document in parts}
        authors = {"_id": {"$in": list({story.author_id for story in stories.values()})}}
        quotas = await self.mongo[QUOTAS].find(authors, session=session).to_list(None)
        return stories, {document["_id"]: quota_of(document) for document in quotas}

    async def _write(self, changes: Sequence[tuple[StorySnapshot, StoryChange]], session: Session) -> None:
        now = truncate_to_ms(self.now())
        writes: dict[str, list[Any]] = defaultdict(list)
        for snapshot, change in changes:
            if not change.upserts and not change.ended and change.quota == snapshot.quota:
                continue
            # Written even when unchanged, so that concurrent transactions on parts of one series conflict.
            writes[QUOTAS].append(quota_write(snapshot.story.author_id, change.quota))
            for story in change.upserts:
                fields = story_document(story)
                if change.publish and story.posted is not None:
                    fields["pending"] = pending_mark(story.posted.revision, now)
                writes[STORIES].append(UpdateOne({"_id": story.id}, {"$set": fields}, upsert=True))
            for kept in change.archived:
                writes[ARCHIVE].append(ReplaceOne({"_id": kept.id}, archive_document(kept, now), upsert=True))
            for ended in change.ended:
                document = ended_document(ended)
                if change.publish and ended.how is EndReason.DELETED:
                    document["pending"] = pending_mark(1, now)
                writes[STORIES].append(DeleteOne({"_id": ended.id}))
                writes[ENDED].append(ReplaceOne({"_id": ended.id}, document, upsert=True))
        for name, operations in writes.items():
            await self.mongo[name].bulk_write(operations, session=session)


def parts_of(story: Story, stories: Mapping[str, Story]) -> tuple[Story, ...]:
    """The live parts of the story's series, in order; the story alone without a series."""
    if story.posted is None or story.posted.series_id is None:
        return (story,)
    series = [(each.posted, each) for each in stories.values() if each.posted]
    parts = [(posted.part, each) for posted, each in series if posted.series_id == story.posted.series_id]
    return tuple(part for _, part in sorted(parts, key=lambda numbered: numbered[0]))


def quota_write(author_id: str, quota: Quota) -> UpdateOne:
    """The update that stores an author's quota."""
    return UpdateOne({"_id": author_id}, {"$set": quota_document(quota), "$inc": {"writes": 1}}, upsert=True)


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
