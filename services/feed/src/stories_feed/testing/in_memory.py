"""The feed's ports in memory. The same contract suite runs over these and over the real store."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count

import msgspec
from stories_shared.clock import Clock
from stories_shared.events import Event, StoryPosted, encode
from stories_shared.events.outgoing import OutgoingEvent

from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind, all_dependencies
from stories_feed.domain.live import LiveStory
from stories_feed.domain.visibility import Relation
from stories_feed.usecases.edges import EdgeListEntry, event_of
from stories_feed.usecases.endings import Ending
from stories_feed.usecases.items import SignedUrl, StoredStory, StoryContent
from stories_feed.usecases.seen import Engagement, Seen, SeenKey
from stories_feed.usecases.stories import as_live
from stories_feed.usecases.trays import FollowList, Preview


class MemoryStories:
    """Stories, ended marks and engagement."""

    def __init__(self, now: Clock) -> None:
        self.now = now
        self.stories: dict[str, StoryPosted] = {}
        self.marks: dict[str, tuple[Ending, datetime]] = {}
        self.engaged: dict[tuple[str, str], Engagement] = {}
        self.keys: dict[str, SeenKey] = {}
        self.numbers = count(1)

    async def put(self, stories: Sequence[StoryPosted]) -> None:
        """Keep each, unless ended or older than what is held."""
        for story in stories:
            held = self.stories.get(story.story_id)
            if story.story_id not in self.marks and (held is None or held.revision < story.revision):
                self.stories[story.story_id] = story
                key = self.keys.get(story.story_id)
                self.keys[story.story_id] = SeenKey(key.key if key else next(self.numbers), story.expires_at)

    async def end(self, endings: Sequence[Ending]) -> None:
        """Mark and erase."""
        for end in endings:
            self.marks.setdefault(end.story_id, (end, self.now()))
            self.stories.pop(end.story_id, None)
            self.keys.pop(end.story_id, None)

    async def contents(self, story_ids: Collection[str]) -> Mapping[str, StoredStory]:
        """Those that are there."""
        found = {story_id: self.stories[story_id] for story_id in story_ids if story_id in self.stories}
        return {
            story_id: StoredStory.of(msgspec.json.decode(encode(story), type=StoryContent), self.keys[story_id].key)
            for story_id, story in found.items()
        }

    async def cards(self, stories: Mapping[str, int]) -> Mapping[str, Preview]:
        """Those that are there, new enough."""
        found = {story_id: self.stories[story_id] for story_id in stories if story_id in self.stories}
        return {
            story_id: Preview(story.revision, story.media.poster_key, story.audience)
            for story_id, story in found.items()
            if story.revision >= stories[story_id]
        }

    async def recent_contents(self, stories: Mapping[str, int]) -> Mapping[str, StoredStory]:
        """Those that are there, new enough."""
        found = await self.contents(stories)
        return {story_id: each for story_id, each in found.items() if each.content.revision >= stories[story_id]}

    def forget(self, story_id: str) -> None:
        """Nothing is kept twice."""

    async def known_keys(self, story_ids: Collection[str]) -> Mapping[str, int]:
        """Those that there are."""
        return {story_id: self.keys[story_id].key for story_id in story_ids if story_id in self.keys}

    async def live(self, now: datetime) -> Sequence[LiveStory]:
        """Those that are not over."""
        return [as_live(story) for story in self.stories.values() if story.expires_at > now]

    async def deleted_since(self, since: datetime) -> Sequence[tuple[str, datetime]]:
        """Marks of deletions made since."""
        marks = ((story_id, at) for story_id, (end, at) in self.marks.items() if end.how == "deleted")
        return [(story_id, at) for story_id, at in marks if at >= since]

    async def seen_keys(self, ends: Mapping[str, datetime]) -> Mapping[str, SeenKey]:
        """The keys of all but the ended."""
        return {
            story_id: self.keys.setdefault(story_id, SeenKey(next(self.numbers), end))
            for story_id, end in ends.items()
            if story_id not in self.marks
        }

    async def keep(self, engagements: Collection[Engagement]) -> None:
        """Keep the newest."""
        for each in engagements:
            held = self.engaged.get((each.story_id, each.kind))
            if each.story_id in self.stories and (held is None or held.seq < each.seq):
                self.engaged[each.story_id, each.kind] = each


class MemoryEdges:
    """Edges, and what is said of them."""

    def __init__(self) -> None:
        self.words: dict[EdgeKey, EdgeChange] = {}
        self.said: list[Event] = []
        self.erased: dict[str, datetime] = {}

    async def change(self, pairs: Collection[EdgeKey], decide: Callable[[EdgeSet], None], *, publish: bool) -> None:
        """Decide on what is known."""
        needed = all_dependencies(pairs)
        graph = EdgeSet({pair: word for pair, word in self.words.items() if pair in needed}, self.erased)
        decide(graph)
        for change in graph.changes():
            self.words[change.pair] = change.word
            if publish and change.pair in pairs:
                self.said.append(event_of(change.pair, change.word))

    def stands(self, pair: EdgeKey) -> bool:
        """Whether an edge is in force."""
        return EdgeSet(self.words).stands(pair)

    async def relations(self, viewer_id: str, authors: Mapping[str, Collection[Kind]]) -> Mapping[str, Relation]:
        """By the edges in force."""
        return {author: self._relation(viewer_id, author) for author in authors}

    def _relation(self, viewer: str, author: str) -> Relation:
        block = EdgeKey(Kind.BLOCK, viewer, author)
        return Relation(
            follows=self.stands(EdgeKey(Kind.FOLLOW, viewer, author)),
            followed=self.stands(EdgeKey(Kind.FOLLOW, author, viewer)),
            close=self.stands(EdgeKey(Kind.CLOSE_FRIEND, author, viewer)),
            blocked=self.stands(block) or self.stands(block.back),
        )

    async def choices(self, viewer_id: str) -> FollowList:
        """Whom a viewer follows and whom they muted."""
        standing = [pair for pair in self.words if pair.user == viewer_id and self.stands(pair)]
        return FollowList(
            [pair.target for pair in standing if pair.kind is Kind.FOLLOW],
            frozenset(pair.target for pair in standing if pair.kind is Kind.MUTE),
        )

    async def muted(self, viewer_id: str) -> frozenset[str]:
        """Whom a viewer muted."""
        return (await self.choices(viewer_id)).muted

    async def targets(
        self, kind: Kind, user: str, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """Whom a user has decided about."""
        found = [pair for pair in self.words if pair.kind is kind and pair.user == user and self.stands(pair)]
        return page_of([EdgeListEntry(pair.target, self.words[pair].at) for pair in found], after, limit)

    async def users(
        self, kind: Kind, target: str, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """Who has decided so about a user."""
        found = [pair for pair in self.words if pair.kind is kind and pair.target == target and self.stands(pair)]
        return page_of([EdgeListEntry(pair.user, self.words[pair].at) for pair in found], after, limit)


def page_of(listed: Iterable[EdgeListEntry], after: tuple[datetime, str] | None, limit: int) -> list[EdgeListEntry]:
    """A page of a list, newest first."""
    ranked = sorted(listed, key=lambda each: (-each.since.timestamp(), each.user_id))
    if after is not None:
        ranked = [
            each for each in ranked if (-each.since.timestamp(), each.user_id) > (-after[0].timestamp(), after[1])
        ]
    return ranked[:limit]


class MemorySeen:
    """Seen marks."""

    def __init__(self) -> None:
        self.marks: set[Seen] = set()

    async def mark(self, marks: Collection[Seen]) -> None:
        """Set each."""
        self.marks |= set(marks)

    async def seen(self, viewer_id: str, now: datetime) -> frozenset[int]:
        """What may still be live."""
        return frozenset(mark.seen_key for mark in self.marks if mark.viewer_id == viewer_id and mark.until > now)


class MemoryPeople:
    """Erased users, and the other stores as what is erased of them."""

    def __init__(self, stories: MemoryStories, edges: MemoryEdges, seen: MemorySeen) -> None:
        self.stories, self.edges, self.seen = stories, edges, seen
        self.done: set[str] = set()

    async def erased(self, users: Collection[str]) -> Mapping[str, datetime]:
        """Those who were."""
        return {user: self.edges.erased[user] for user in users if user in self.edges.erased}

    async def begin_erasure(self, user_id: str, at: datetime) -> bool:
        """Mark the user."""
        if user_id in self.edges.erased and self.edges.erased[user_id] >= at:
            return user_id not in self.done
        self.edges.erased[user_id] = at
        self.done.discard(user_id)
        return True

    async def erase(self, user_id: str, at: datetime) -> bool:
        """Erase all at once."""
        words = self.edges.words
        for pair in [pair for pair in words if user_id in {pair.user, pair.target} and words[pair].at <= at]:
            del words[pair]
        own = [s for s in self.stories.stories.values() if s.author_id == user_id and s.posted_at <= at]
        await self.stories.end([Ending(story.story_id, at, "deleted") for story in own])
        self.seen.marks = {mark for mark in self.seen.marks if mark.viewer_id != user_id}
        return False

    async def finish_erasure(self, user_id: str, at: datetime) -> None:  # noqa: ARG002
        """Note it."""
        self.done.add(user_id)


class RecordingPublisher:
    """What was said."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def publish_all(self, sayings: Iterable[OutgoingEvent]) -> None:
        """Remember it."""
        self.events += [saying.event for saying in sayings]


class NoopRelay:
    """A relay with nothing to do."""

    def __init__(self) -> None:
        self.confirmed: list[EdgeKey] = []

    async def confirm(self, pair: EdgeKey) -> None:
        """Remember it."""
        self.confirmed.append(pair)

    def wake(self) -> None:
        """Nothing."""


class FakeSigner:
    """URLs that show what they are made of."""

    def url(
        self, key: str, ttl: timedelta, expires_at: datetime, now: datetime, download_as: str | None = None
    ) -> SignedUrl:
        """A URL of the key and its seconds. Raises ValueError where not one is left, as whoever signs does."""
        seconds = int(min(ttl, expires_at - now).total_seconds())
        if seconds < 1:
            raise ValueError(f"{seconds} s")
        saved = f"&as={download_as}" if download_as else ""
        return SignedUrl(f"s3://{key}?seconds={seconds}{saved}", now + timedelta(seconds=seconds))


class FakeLogStatus:
    """What is known of the log; stories named in ``silent`` are not vouched for."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.loaded = True

    def stale(self, key: str) -> bool:
        """Whether it is named."""
        return key in self.silent
