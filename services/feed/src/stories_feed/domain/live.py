"""The live index: every story that is live now, in memory, as pure data.

It holds ids, times, audiences, hidden users and revisions, never content. Stories end by themselves at ``expires_at``;
ended ones leave an ended mark, so that a late or redelivered event cannot restore them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from sys import intern
from typing import Literal, get_args

Audience = Literal["everyone", "followers", "friends", "close_friends"]
ReelPosition = tuple[datetime, str, int]
"""A story's position in its reel: ``posted_at``, series or own id, part."""
RecencyKey = tuple[datetime, str, int, str]
"""A story's position in lists by time: ``posted_at``, series or own id, negated part, own id."""

AUDIENCES: Mapping[Audience, Audience] = {name: name for name in get_args(Audience)}
NOBODY = frozenset[str]()

# A story's tombstone follows its end within seconds. After that the story's own `expires_at` refuses every event.
EXPIRED_KEPT = timedelta(minutes=1)


@dataclass(slots=True)
class LiveStory:
    """The entry of a story in the index. Only ``seen_key`` changes: it is loaded later."""

    story_id: str
    author_id: str
    posted_at: datetime
    expires_at: datetime
    audience: Audience = "everyone"
    hide_from: frozenset[str] = frozenset()
    series_id: str | None = None
    part: int = 1
    revision: int = 1
    hashtags: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    engaged: Mapping[str, tuple[int, int]] | None = field(default=None, compare=False)
    """What its document knew of its engagement when the index was loaded: ``seq`` and total by kind."""
    size: int = 0
    """Size of its content as JSON, in bytes."""
    seen_key: int | None = field(default=None, compare=False)
    """Its key in viewers' seen marks, once loaded from its document."""

    def __post_init__(self) -> None:
        """Share what is the same in many stories, which is 350 bytes in each."""
        self.author_id, self.hide_from = intern(self.author_id), self.hide_from or NOBODY
        self.audience = AUDIENCES[self.audience]

    @property
    def reel_position(self) -> ReelPosition:
        """Its position in the author's reel."""
        return self.posted_at, self.series_id or self.story_id, self.part

    @property
    def recency_key(self) -> RecencyKey:
        """Its position by time. In descending order the newest come first, and the parts of a series in order."""
        return self.posted_at, self.series_id or self.story_id, -self.part, self.story_id


@dataclass(frozen=True, slots=True)
class Appeared:
    """A story is new to the index."""

    story: LiveStory


@dataclass(frozen=True, slots=True)
class Changed:
    """A newer revision of a story replaced an older one."""

    story: LiveStory
    previous: LiveStory


@dataclass(frozen=True, slots=True)
class Ended:
    """A story left the index: it was deleted or has expired."""

    story: LiveStory


Change = Appeared | Changed | Ended


class LiveIndex:
    """Every live story by id and by author.

    Other indexes and live updates in the same process subscribe to its changes.

    Args:
        on_drop: called with the id of each story, or superseded revision of one, that leaves the index.
    """

    def __init__(self, on_drop: Callable[[str], None] = lambda _: None) -> None:
        self._on_drop = on_drop
        self._stories: dict[str, LiveStory] = {}
        self._reels: dict[str, tuple[LiveStory, ...]] = {}
        self._expiries: list[tuple[datetime, str]] = []
        self._ended: set[str] = set()
        self._mark_expiries: list[tuple[datetime, str]] = []
        self._subscribers: list[Callable[[Change], None]] = []

    def subscribe(self, on_change: Callable[[Change], None]) -> None:
        """Call ``on_change`` with every later change, after it was made. It must not block or raise."""
        self._subscribers.append(on_change)

    @property
    def live_stories(self) -> int:
        """The number of stories in the index."""
        return len(self._stories)

    @property
    def live_authors(self) -> int:
        """The number of authors with a live story."""
        return len(self._reels)

    def put(self, story: LiveStory, now: datetime) -> bool:
        """Add a story or a newer revision of it.

        Returns:
            Whether the story is new to the index. A story that has expired or ended, or that is not newer than the
            stored revision, changes nothing.
        """
        current = self._stories.get(story.story_id)
        if story.expires_at <= now or story.story_id in self._ended or (current and current.revision >= story.revision):
            return False
        if current is not None:
            self._remove_from_lists(current)
            story.seen_key = story.seen_key or current.seen_key
        self._stories[story.story_id] = story
        reel = self._reels.get(story.author_id, ())
        self._reels[story.author_id] = tuple(sorted((*reel, story), key=lambda each: each.reel_position))
        if current is None or current.expires_at != story.expires_at:
            heappush(self._expiries, (story.expires_at, story.story_id))
        self._publish(Appeared(story) if current is None else Changed(story, current))
        return current is None

    def end(self, story_id: str, forget_at: datetime) -> None:
        """Drop a story and set its ended mark, so that no event restores it before it has expired.

        ``forget_at`` is until when to keep the mark of a story that is not in the index.
        """
        story = self._drop(story_id)
        self._mark(story_id, story.expires_at + EXPIRED_KEPT if story else forget_at)

    def get(self, story_id: str, now: datetime) -> LiveStory | None:
        """A live story by id."""
        story = self._stories.get(story_id)
        return story if story is not None and story.expires_at > now else None

    def reel(self, author_id: str, now: datetime) -> Sequence[LiveStory]:
        """An author's live stories, oldest first."""
        reel = self._reels.get(author_id, ())
        if all(story.expires_at > now for story in reel):
            return reel
        return tuple(story for story in reel if story.expires_at > now)

    def reel_unfiltered(self, author_id: str) -> Sequence[LiveStory]:
        """An author's stories, oldest first, including expired ones that `sweep` has not removed yet."""
        return self._reels.get(author_id, ())

    def live_among(self, authors: Iterable[str]) -> set[str]:
        """The authors among these who may have a live story."""
        return self._reels.keys() & authors

    def sweep(self, now: datetime, limit: int = 10_000) -> int:
        """Remove expired stories and outdated marks, and return their number."""
        swept = 0
        while self._expiries and swept < limit and self._expiries[0][0] <= now:
            _, story_id = heappop(self._expiries)
            story = self._stories.get(story_id)
            if story is not None and story.expires_at <= now:
                self._drop(story_id)
                self._mark(story_id, now + EXPIRED_KEPT)
            swept += 1
        while self._mark_expiries and swept < limit and self._mark_expiries[0][0] <= now:
            _, story_id = heappop(self._mark_expiries)
            self._ended.discard(story_id)
            swept += 1
        return swept

    def _drop(self, story_id: str) -> LiveStory | None:
        story = self._stories.pop(story_id, None)
        if story is not None:
            self._remove_from_lists(story)
            self._publish(Ended(story))
        return story

    def _publish(self, change: Change) -> None:
        for on_change in self._subscribers:
            on_change(change)

    def _mark(self, story_id: str, forget_at: datetime) -> None:
        """Add an ended mark. The first one stays: later events are about a story that was posted before its end."""
        if story_id not in self._ended:
            self._ended.add(story_id)
            heappush(self._mark_expiries, (forget_at, story_id))

    def _remove_from_lists(self, story: LiveStory) -> None:
        self._on_drop(story.story_id)
        remaining = tuple(each for each in self._reels[story.author_id] if each.story_id != story.story_id)
        if remaining:
            self._reels[story.author_id] = remaining
        else:
            del self._reels[story.author_id]
