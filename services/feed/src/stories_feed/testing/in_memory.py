"""In-memory implementations of the feed's ports. One contract suite runs over these and over the real stores."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count

import msgspec
from stories_shared.clock import Clock
from stories_shared.events import Event, StoryEngaged, StoryPosted, encode
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.testing.erased_users import MemoryErasedUsers

from stories_feed.domain.edges import (
    EdgeChange,
    EdgeKey,
    EdgeListEntry,
    EdgeListPosition,
    EdgeSet,
    FollowList,
    Kind,
    NotifyChoice,
    dependencies_of,
)
from stories_feed.domain.live import LiveStory
from stories_feed.domain.visibility import Relation
from stories_feed.usecases.contents import Poster, StoredStory, StoryContent
from stories_feed.usecases.endings import Ending
from stories_feed.usecases.notifications import Announcement, NextBatch
from stories_feed.usecases.ports import KnownStories, Seen, SignedUrl
from stories_feed.usecases.seen import SeenKey
from stories_feed.usecases.stories import live_story_from_event


class MemoryStories:
    """Stories, ended marks and engagement."""

    def __init__(self, now: Clock) -> None:
        self.now = now
        self.stories: dict[str, StoryPosted] = {}
        self.marks: dict[str, tuple[Ending, datetime]] = {}
        self.engaged: dict[tuple[str, str], StoryEngaged] = {}
        self.keys: dict[str, SeenKey] = {}
        self.numbers = count(1)
        self.unannounced_ids: dict[str, EdgeListPosition | None] = {}
        self.batches: dict[str, tuple[NextBatch, bool]] = {}

    async def known(self, story_ids: Collection[str]) -> KnownStories:
        stored = {story_id: self.stories[story_id].revision for story_id in story_ids if story_id in self.stories}
        return KnownStories(self.marks.keys() & set(story_ids), stored)

    async def put(self, stories: Sequence[StoryPosted], _known: KnownStories | None = None) -> None:
        for story in stories:
            known = self.stories.get(story.story_id)
            if story.story_id not in self.marks and (known is None or known.revision < story.revision):
                if known is None and story.part == 1:
                    self.unannounced_ids[story.story_id] = None
                self.stories[story.story_id] = story
                key = self.keys.get(story.story_id)
                self.keys[story.story_id] = SeenKey(key.key if key else next(self.numbers), story.expires_at)

    async def end(self, endings: Sequence[Ending]) -> None:
        for end in endings:
            self.marks.setdefault(end.story_id, (end, self.now()))
            self.stories.pop(end.story_id, None)
            self.unannounced_ids.pop(end.story_id, None)
            self.batches.pop(end.story_id, None)
            self.keys.pop(end.story_id, None)

    async def unannounced(self, limit: int) -> Sequence[Announcement]:
        waiting = list(self.unannounced_ids.items())[:limit]
        return [
            Announcement(story_id, self.stories[story_id].author_id, after, *self.batches.get(story_id, ()))
            for story_id, after in waiting
        ]

    async def advance(
        self,
        announcement: Announcement,
        to: EdgeListPosition | None,
        now: datetime,  # noqa: ARG002
        batch: NextBatch | None = None,
    ) -> bool:
        story_id = announcement.story_id
        is_unchanged = self.unannounced_ids.get(story_id, "") == announcement.after
        if story_id not in self.unannounced_ids or not is_unchanged or story_id in self.batches:
            return False
        del self.unannounced_ids[story_id]
        if to is not None or batch is not None:
            self.unannounced_ids[story_id] = to
        if batch is not None:
            self.batches[story_id] = (batch, to is None)
        return True

    async def published(self, announcement: Announcement) -> None:
        if self.batches.pop(announcement.story_id, None) and announcement.last:
            self.unannounced_ids.pop(announcement.story_id, None)

    async def contents(self, story_ids: Collection[str]) -> Mapping[str, StoredStory]:
        found = {story_id: self.stories[story_id] for story_id in story_ids if story_id in self.stories}
        return {
            story_id: StoredStory.of(msgspec.json.decode(encode(story), type=StoryContent), self.keys[story_id].key)
            for story_id, story in found.items()
        }

    def cached_poster(self, story_id: str) -> Poster | None:
        story = self.stories.get(story_id)
        return None if story is None else Poster(story.revision, story.media.poster_key, story.audience)

    async def posters(self, stories: Mapping[str, int]) -> Mapping[str, Poster]:
        found = {story_id: self.cached_poster(story_id) for story_id in stories}
        return {name: each for name, each in found.items() if each is not None and each.revision >= stories[name]}

    async def recent_contents(self, stories: Mapping[str, int]) -> Mapping[str, StoredStory]:
        found = await self.contents(stories)
        return {story_id: each for story_id, each in found.items() if each.content.revision >= stories[story_id]}

    def evict(self, story_id: str) -> None:
        """Nothing is cached."""

    async def known_keys(self, story_ids: Collection[str]) -> Mapping[str, int]:
        return {story_id: self.keys[story_id].key for story_id in story_ids if story_id in self.keys}

    async def live(self, now: datetime) -> Sequence[LiveStory]:
        return [live_story_from_event(story) for story in self.stories.values() if story.expires_at > now]

    async def deleted_since(self, since: datetime) -> Sequence[tuple[str, datetime]]:
        marks = ((story_id, at) for story_id, (end, at) in self.marks.items() if end.how == "deleted")
        return [(story_id, at) for story_id, at in marks if at >= since]

    async def seen_keys(self, ends: Mapping[str, datetime]) -> Mapping[str, SeenKey]:
        return {
            story_id: self.keys.setdefault(story_id, SeenKey(next(self.numbers), end))
            for story_id, end in ends.items()
            if story_id not in self.marks
        }

    async def save_engagement(self, events: Collection[StoryEngaged]) -> None:
        for each in events:
            known = self.engaged.get((each.story_id, each.kind))
            if each.story_id in self.stories and (known is None or known.seq < each.seq):
                self.engaged[each.story_id, each.kind] = each


class MemoryEdges:
    """Edges, and how often those of each user changed."""

    def __init__(self) -> None:
        self.latest: dict[EdgeKey, EdgeChange] = {}
        self.erased_users = MemoryErasedUsers()
        self.changes: Counter[str] = Counter()
        self.notified: dict[EdgeKey, str | None] = {}
        """The country of each follower who is notified."""

    @property
    def erased(self) -> dict[str, datetime]:
        """Until when users were erased."""
        return {user_id: mark.until for user_id, mark in self.erased_users.marks.items()}

    async def change(
        self,
        keys: Collection[EdgeKey],
        update: Callable[[EdgeSet], None],
        *,
        publish: bool,  # noqa: ARG002
        since: datetime | None = None,  # noqa: ARG002
    ) -> None:
        loaded = dependencies_of(keys)
        graph = EdgeSet({key: change for key, change in self.latest.items() if key in loaded}, self.erased)
        update(graph)
        for change in graph.changes():
            self.latest[change.key] = change.latest
            if not change.in_force:
                self.notified.pop(change.key, None)
            self.changes[change.key.user] += 1
            is_friend = change.key.kind is Kind.FOLLOW and self.in_force(change.key.reversed)
            if is_friend or change.key.kind not in {Kind.FOLLOW, Kind.MUTE}:
                self.changes[change.key.target] += 1

    async def set_notify(self, key: EdgeKey, choice: NotifyChoice) -> None:
        self.notified.pop(key, None)
        if choice.notify and self.in_force(key):
            self.notified[key] = choice.country

    async def notified_followers(
        self, author_id: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """In the order of their follows."""
        found = [
            EdgeListEntry(key.user, self.latest[key].at, notify=True, country=country)
            for key, country in self.notified.items()
            if key.target == author_id and self.in_force(key)
        ]
        ordered = sorted(found, key=lambda each: each.position)
        return [each for each in ordered if after is None or each.position > after][:limit]

    def in_force(self, key: EdgeKey) -> bool:
        return EdgeSet(self.latest).in_force(key)

    async def relations(
        self,
        viewer_id: str,
        authors: Mapping[str, Collection[Kind]],
        follow_list: FollowList | None = None,  # noqa: ARG002
    ) -> Mapping[str, Relation]:
        return {author: self._relation(viewer_id, author) for author in authors}

    def _relation(self, viewer: str, author: str) -> Relation:
        block = EdgeKey(Kind.BLOCK, viewer, author)
        return Relation(
            follows=self.in_force(EdgeKey(Kind.FOLLOW, viewer, author)),
            followed=self.in_force(EdgeKey(Kind.FOLLOW, author, viewer)),
            close=self.in_force(EdgeKey(Kind.CLOSE_FRIEND, author, viewer)),
            blocked=self.in_force(block) or self.in_force(block.reversed),
            hidden=self.in_force(EdgeKey(Kind.HIDE, author, viewer)),
            muted=self.in_force(EdgeKey(Kind.MUTE, viewer, author)),
        )

    async def follow_list(self, viewer_id: str) -> FollowList:
        return FollowList(
            [key.target for key in self._listed(Kind.FOLLOW, user=viewer_id)],
            frozenset(key.target for key in self._listed(Kind.MUTE, user=viewer_id)),
            frozenset(key.user for key in self._listed(Kind.HIDE, target=viewer_id)),
        )

    def _listed(self, kind: Kind, user: str | None = None, target: str | None = None) -> list[EdgeKey]:
        """The edges of a kind in force, of a user or to a target."""
        return [
            key
            for key in self.latest
            if key.kind is kind and (key.user == user or key.target == target) and self.in_force(key)
        ]

    async def versions(self, viewers: Collection[str]) -> Mapping[str, int]:
        return {viewer: self.changes[viewer] for viewer in viewers if viewer in self.changes}

    async def targets(
        self, kind: Kind, user: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        entries = [EdgeListEntry(key.target, self.latest[key].at) for key in self._listed(kind, user=user)]
        return page_of(entries, after, limit)

    async def users(
        self, kind: Kind, target: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        entries = [EdgeListEntry(key.user, self.latest[key].at) for key in self._listed(kind, target=target)]
        return page_of(entries, after, limit)


def page_of(entries: Iterable[EdgeListEntry], after: EdgeListPosition | None, limit: int) -> list[EdgeListEntry]:
    """A page of a list, newest first."""
    ranked = sorted((-entry.since.timestamp(), entry.user_id, entry) for entry in entries)
    begin = () if after is None else (-after[0].timestamp(), after[1])
    return [entry for at, user_id, entry in ranked if (at, user_id) > begin][:limit]


class MemorySeen:
    """Seen marks."""

    def __init__(self) -> None:
        self.marks: set[Seen] = set()

    async def mark(self, marks: Collection[Seen]) -> None:
        self.marks |= set(marks)

    def seen(self, viewer_id: str, now: datetime) -> Awaitable[frozenset[int]]:
        found: asyncio.Future[frozenset[int]] = asyncio.get_running_loop().create_future()
        found.set_result(frozenset(m.seen_key for m in self.marks if m.viewer_id == viewer_id and m.until > now))
        return found

    async def versions(self, viewers: Collection[str], now: datetime) -> Mapping[str, int]:
        return Counter(mark.viewer_id for mark in self.marks if mark.viewer_id in viewers and mark.until > now)


class MemoryUserData:
    """Erased users, and the other stores, from which they are erased."""

    def __init__(self, stories: MemoryStories, edges: MemoryEdges, seen: MemorySeen) -> None:
        self.stories, self.edges, self.seen = stories, edges, seen

    async def erased(self, users: Collection[str]) -> Mapping[str, datetime]:
        return {user: self.edges.erased[user] for user in users if user in self.edges.erased}

    async def erase(self, user_id: str, at: datetime) -> None:
        latest = self.edges.latest
        for key in [key for key in latest if user_id in {key.user, key.target} and latest[key].at <= at]:
            del latest[key]
        own = [s for s in self.stories.stories.values() if s.author_id == user_id and s.posted_at <= at]
        await self.stories.end([Ending(story.story_id, at, "deleted") for story in own])
        self.seen.marks = {mark for mark in self.seen.marks if mark.viewer_id != user_id}


class RecordingPublisher:
    """Records published events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ids: list[str | None] = []

    async def publish(self, event: Event) -> None:
        self.events.append(event)

    async def publish_all(self, events: Iterable[OutgoingEvent]) -> None:
        events = list(events)
        self.events += [outgoing.event for outgoing in events]
        self.ids += [outgoing.event_id for outgoing in events]


class MemoryRelay:
    """Records what is published at once."""

    def __init__(self) -> None:
        self.confirmed: list[str] = []

    async def publish_now(self, document_id: str) -> None:
        self.confirmed.append(document_id)

    def wake(self) -> None:
        """Do nothing."""


class FakeSigner:
    """URLs that contain the arguments of their signature."""

    def url(
        self, key: str, ttl: timedelta, expires_at: datetime, now: datetime, download_as: str | None = None
    ) -> SignedUrl:
        """A URL of the key and its seconds. Raises ValueError for less than one, as the real signer does."""
        seconds = int(min(ttl, expires_at - now).total_seconds())
        if seconds < 1:
            raise ValueError(f"{seconds} s")
        suffix = f"&as={download_as}" if download_as else ""
        lifetime = timedelta(seconds=seconds)
        return SignedUrl(f"s3://{key}?seconds={seconds}{suffix}", now + lifetime, now + lifetime / 2)


class FakeLogStatus:
    """A log status in which the stories in ``stale_ids`` are stale."""

    def __init__(self) -> None:
        self.stale_ids: set[str] = set()
        self.ready = True

    def any_stale(self) -> bool:
        return bool(self.stale_ids)

    def stale(self, key: str) -> bool:
        return key in self.stale_ids
