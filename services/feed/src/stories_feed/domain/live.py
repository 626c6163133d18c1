"""The live index: every story that is live now, in memory, as pure data.

It holds ids, times, audience, whom a story is hidden from and revisions, never content. Stories end by themselves at
``expires_at``; ended ones leave a mark, so that a late or repeated fact cannot bring them back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Literal

from sortedcontainers import SortedList

Audience = Literal["everyone", "followers", "friends", "close_friends"]
ReelPosition = tuple[datetime, str, int]
"""Where a story stands in its reel: ``posted_at``, series or own id, part."""

# A story's tombstone follows its end within seconds; one that comes later still finds no way back by its dates.
EXPIRED_KEPT = timedelta(minutes=1)


@dataclass(slots=True)
class LiveStory:
    """What the index keeps of a story. Nothing of it changes but ``seen_key``, which is learned later."""

    story_id: str
    author_id: str
    posted_at: datetime
    expires_at: datetime
    audience: Audience = "everyone"
    hide_from: frozenset[str] = frozenset()
    series_id: str | None = None
    part: int = 1
    revision: int = 1
    size: int = 0
    """Bytes of its content as JSON."""
    seen_key: int | None = field(default=None, compare=False)
    """What stands for it in viewers' seen marks, once its document was read here."""

    @property
    def place(self) -> ReelPosition:
        """Its place in the author's reel."""
        return self.posted_at, self.series_id or self.story_id, self.part

    @property
    def freshness(self) -> tuple[datetime, str, int, str]:
        """Sorts all stories so that, read backwards, the newest come first and a series in the order of its parts."""
        return self.posted_at, self.series_id or self.story_id, -self.part, self.story_id


class LiveIndex:
    """Every live story by id, by author and by time.

    Args:
        dropped: is called for each story, or revision of one, that the index holds no more.
    """

    def __init__(self, dropped: Callable[[str], None] = lambda _: None) -> None:
        self._dropped = dropped
        self._stories: dict[str, LiveStory] = {}
        self._reels: dict[str, tuple[LiveStory, ...]] = {}
        self._newest: SortedList[tuple[datetime, str, int, str]] = SortedList()
        self._ends: list[tuple[datetime, str]] = []
        self._ended: set[str] = set()
        self._marks: list[tuple[datetime, str]] = []

    @property
    def live_stories(self) -> int:
        """How many stories it holds."""
        return len(self._stories)

    @property
    def ended_marks(self) -> int:
        """How many ended stories it remembers."""
        return len(self._ended)

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
            self._leave_lists(held)
            story.seen_key = story.seen_key or held.seen_key
        self._stories[story.story_id] = story
        reel = self._reels.get(story.author_id, ())
        self._reels[story.author_id] = tuple(sorted((*reel, story), key=lambda each: each.place))
        self._newest.add(story.freshness)
        if held is None or held.expires_at != story.expires_at:
            heappush(self._ends, (story.expires_at, story.story_id))
        return held is None

    def end(self, story_id: str, forget_at: datetime) -> LiveStory | None:
        """Drop a story and keep a mark for as long as its own dates do not refuse it.

        Args:
            story_id: the story.
            forget_at: how long to keep the mark of one that is not known here.

        Returns:
            The story, if it was live.
        """
        story = self._drop(story_id)
        self._mark(story_id, story.expires_at + EXPIRED_KEPT if story else forget_at)
        return story

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
        for entry in self._newest.irange(maximum=before, inclusive=(True, False), reverse=True):
            story = self.get(entry[3], now)
            if story is not None:
                yield story

    def sweep(self, now: datetime, at_most: int = 10_000) -> int:
        """Let go of stories and marks whose time is over, and return how many there were."""
        swept = 0
        while self._ends and swept < at_most and self._ends[0][0] <= now:
            _, story_id = heappop(self._ends)
            story = self._stories.get(story_id)
            if story is not None and story.expires_at <= now:
                self._drop(story_id)
                self._mark(story_id, now + EXPIRED_KEPT)
            swept += 1
        while self._marks and swept < at_most and self._marks[0][0] <= now:
            _, story_id = heappop(self._marks)
            self._ended.discard(story_id)
            swept += 1
        return swept

    def _drop(self, story_id: str) -> LiveStory | None:
        story = self._stories.pop(story_id, None)
        if story is not None:
            self._leave_lists(story)
        return story

    def _mark(self, story_id: str, forget_at: datetime) -> None:
        """The first mark of a story stays: whatever is said of it later was posted before its end."""
        if story_id not in self._ended:
            self._ended.add(story_id)
            heappush(self._marks, (forget_at, story_id))

    def _leave_lists(self, story: LiveStory) -> None:
        self._dropped(story.story_id)
        self._newest.remove(story.freshness)
        rest = tuple(each for each in self._reels[story.author_id] if each.story_id != story.story_id)
        if rest:
            self._reels[story.author_id] = rest
        else:
            del self._reels[story.author_id]
