"""The live index: every story that is live now, in memory, as pure data.

It holds ids, times, audience, whom a story is hidden from and revisions, never content. Stories end by themselves at
``expires_at``; ended ones leave a mark, so that a late or repeated fact cannot bring them back.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from typing import Literal

Audience = Literal["everyone", "followers", "friends", "close_friends"]
Place = tuple[datetime, str, int]
"""Where a story stands in its reel: ``posted_at``, series or own id, part."""

# A list of newest stories is rebuilt when so many of its entries, and more than half of it, have ended.
REBUILD_AFTER = 1_000


@dataclass(frozen=True, slots=True)
class LiveStory:
    """What the index keeps of a story."""

    story_id: str
    author_id: str
    posted_at: datetime
    expires_at: datetime
    audience: Audience = "everyone"
    hide_from: frozenset[str] = frozenset()
    series_id: str | None = None
    part: int = 1
    revision: int = 1

    @property
    def place(self) -> Place:
        """Its place in the author's reel."""
        return self.posted_at, self.series_id or self.story_id, self.part

    @property
    def freshness(self) -> tuple[datetime, str, int, str]:
        """Sorts all stories so that, read backwards, the newest come first and a series in the order of its parts."""
        return self.posted_at, self.series_id or self.story_id, -self.part, self.story_id


class LiveIndex:
    """Every live story by id, by author and by time."""

    def __init__(self) -> None:
        self._stories: dict[str, LiveStory] = {}
        self._reels: dict[str, tuple[LiveStory, ...]] = {}
        self._newest: list[tuple[datetime, str, int, str]] = []
        self._ends: list[tuple[datetime, str]] = []
        self._ended: dict[str, datetime] = {}
        self._marks: list[tuple[datetime, str]] = []

    @property
    def live_stories(self) -> int:
        """How many stories it holds."""
        return len(self._stories)

    @property
    def live_authors(self) -> int:
        """How many authors have a live story."""
        return len(self._reels)

    def put(self, story: LiveStory, now: datetime) -> bool:
        """Take a story or a newer revision of it.

        Returns:
            Whether the story was not in the index before. One that is over, ended, or not newer than what is held
            changes nothing.
        """
        held = self._stories.get(story.story_id)
        if story.expires_at <= now or story.story_id in self._ended or (held and held.revision >= story.revision):
            return False
        if held is not None:
            self._leave_reel(held)
        self._stories[story.story_id] = story
        reel = self._reels.get(story.author_id, ())
        self._reels[story.author_id] = tuple(sorted((*reel, story), key=lambda each: each.place))
        if held is None or held.freshness != story.freshness:
            insort(self._newest, story.freshness)
        if held is None or held.expires_at != story.expires_at:
            heappush(self._ends, (story.expires_at, story.story_id))
        return held is None

    def end(self, story_id: str, forget_at: datetime) -> LiveStory | None:
        """Drop a story and keep a mark until ``forget_at``, after which no fact can bring it back by its own dates.

        Returns:
            The story, if it was live.
        """
        if self._ended.get(story_id, forget_at) <= forget_at:
            self._ended[story_id] = forget_at
            heappush(self._marks, (forget_at, story_id))
        return self._drop(story_id)

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

    def all_of(self, author_id: str) -> Sequence[LiveStory]:
        """An author's stories, oldest first; some may be over, as long as nobody has swept."""
        return self._reels.get(author_id, ())

    def live_among(self, authors: Iterable[str]) -> set[str]:
        """Those of the authors who may have a live story."""
        return self._reels.keys() & authors

    def newest(self, before: tuple[datetime, str, int, str] | None, now: datetime) -> Iterator[LiveStory]:
        """Live stories, newest first, from below a place in that order. Do not await while iterating."""
        at = len(self._newest) if before is None else bisect_left(self._newest, before)
        while at > 0:
            at -= 1
            entry = self._newest[at]
            story = self.get(entry[3], now)
            if story is not None and story.freshness == entry:
                yield story

    def sweep(self, now: datetime, at_most: int = 10_000) -> int:
        """Let go of stories and marks whose time is over, and return how many there were."""
        swept = 0
        while self._ends and swept < at_most and self._ends[0][0] <= now:
            _, story_id = heappop(self._ends)
            story = self._stories.get(story_id)
            if story is not None and story.expires_at <= now:
                self._drop(story_id)
            swept += 1
        while self._marks and swept < at_most and self._marks[0][0] <= now:
            forget_at, story_id = heappop(self._marks)
            if self._ended.get(story_id) == forget_at:
                del self._ended[story_id]
            swept += 1
        self._rebuild_newest()
        return swept

    def _drop(self, story_id: str) -> LiveStory | None:
        story = self._stories.pop(story_id, None)
        if story is not None:
            self._leave_reel(story)
        return story

    def _leave_reel(self, story: LiveStory) -> None:
        rest = tuple(each for each in self._reels[story.author_id] if each.story_id != story.story_id)
        if rest:
            self._reels[story.author_id] = rest
        else:
            del self._reels[story.author_id]

    def _rebuild_newest(self) -> None:
        if len(self._newest) - len(self._stories) > max(REBUILD_AFTER, len(self._stories)):
            self._newest = sorted(story.freshness for story in self._stories.values())
