"""For You's order: every public live story by a score that does not change as time passes, as pure data.

A score is ``posted_at / tau + log2(1 + engagement)``: a story that is ``tau`` older needs twice the engagement. Both
terms are fixed until somebody engages, so nothing is ever ranked again because time went by. The form is that of
Reddit's "hot" ranking (``_sorts.pyx`` of its published source; log10 over 45,000 s there); docs/ranking.md has reasons.
"""

from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, merge
from math import log2
from typing import Protocol

from sortedcontainers import SortedList

from stories_feed.domain.live import Change, Ended, LiveStory

RankKey = tuple[float, str, int, str]
"""A story's place: its negated score, series or own id, part, own id. In ascending order the best come first."""

# Scores that changed, kept for pages that began before: some minutes of the busiest hour, and at most about 30 MB.
MAX_LOGGED = 200_000
# Totals that arrive before their story.
MAX_EARLY = 10_000


class Ranking(Protocol):
    """The port of a ranking. Another one is a class with this method, passed to `RankedStories` in ``app.py``."""

    def score(self, story: LiveStory, engagement: Mapping[str, int]) -> float:
        """The story's score, higher is better. It may not depend on the time of the call.

        Args:
            story: a public live story.
            engagement: totals by kind (``reaction``, ``comment``, ``share``, ``answer``); kinds without are omitted.
        """


@dataclass(frozen=True, slots=True)
class FreshnessAndEngagement:
    """The default ranking.

    Args:
        tau_s: how many seconds of age double the engagement that a story needs to keep its place.
        weights: how much one of each kind counts; kinds that are not named do not count.
    """

    tau_s: float
    weights: Mapping[str, float]

    def score(self, story: LiveStory, engagement: Mapping[str, int]) -> float:
        engaged = sum(self.weights.get(kind, 0.0) * total for kind, total in engagement.items())
        return story.posted_at.timestamp() / self.tau_s + log2(1 + engaged)


@dataclass(frozen=True, slots=True)
class EditorialBoost:
    """Any ranking, with chosen authors raised: each unit counts as twice the engagement.

    Args:
        ranking: what is raised.
        boosts: units by author; negative ones lower.
    """

    ranking: Ranking
    boosts: Mapping[str, float]

    def score(self, story: LiveStory, engagement: Mapping[str, int]) -> float:
        return self.ranking.score(story, engagement) + self.boosts.get(story.author_id, 0.0)


class RankedStories:
    """Every public live story in its order, now and at the times at which pages began.

    It follows the live index and engagement events.
    """

    def __init__(self, ranking: Ranking) -> None:
        self._ranking = ranking
        self._ranked: SortedList[RankKey] = SortedList()
        self._keys: dict[str, RankKey] = {}
        self._stories: dict[str, LiveStory] = {}
        self._totals: dict[str, dict[str, tuple[int, int]]] = {}
        self._early: OrderedDict[str, dict[str, tuple[int, int]]] = OrderedDict()
        self._times: list[int] = []
        self._log: list[tuple[str, RankKey | None]] = []
        self._time = 0

    def on_change(self, change: Change) -> None:
        """Follow a change of the live index."""
        story = change.story
        if isinstance(change, Ended):
            self._totals.pop(story.story_id, None)
            self._remove(story.story_id)
            return
        totals = {**(story.engaged or {}), **self._totals.get(story.story_id, {})}
        for kind, early in self._early.pop(story.story_id, {}).items():
            if early > totals.get(kind, (-1, 0)):
                totals[kind] = early
        if totals:
            self._totals[story.story_id] = totals
        if story.audience == "everyone":
            self._stories[story.story_id] = story
            self._place(story)
        else:
            self._remove(story.story_id)

    def engage(self, story_id: str, kind: str, total: int, seq: int) -> None:
        """Take a story's total of one kind; the newest ``seq`` counts."""
        known = self._totals.get(story_id)
        if known is None:
            known = self._totals.setdefault(story_id, {}) if story_id in self._stories else self._early_of(story_id)
        if (seq, total) > known.get(kind, (-1, 0)):
            known[kind] = (seq, total)
            if (story := self._stories.get(story_id)) is not None:
                self._place(story)

    def snapshot(self, time_ms: int, since: int | None = None) -> "Snapshot":
        """The order at a time.

        Args:
            time_ms: now, in milliseconds.
            since: the time of an earlier snapshot whose order is wanted again.
        """
        if since is None:
            # Later than every logged change, so that the pages that follow see all of them.
            self._time = max(self._time, time_ms, self._times[-1] if self._times else 0)
            return Snapshot(self._time, self._ranked, self._keys, {})
        moved: dict[str, RankKey | None] = {}
        for number in range(bisect_right(self._times, since), len(self._log)):
            story_id, key = self._log[number]
            moved.setdefault(story_id, key)
        return Snapshot(since, self._ranked, self._keys, moved)

    def tick(self, time_ms: int) -> None:
        """Take the time for later changes."""
        self._time = max(self._time, time_ms)

    def _early_of(self, story_id: str) -> dict[str, tuple[int, int]]:
        if len(self._early) >= MAX_EARLY:
            self._early.popitem(last=False)
        return self._early.setdefault(story_id, {})

    def _place(self, story: LiveStory) -> None:
        totals = {kind: total for kind, (_, total) in self._totals.get(story.story_id, {}).items()}
        key = (-self._ranking.score(story, totals), story.series_id or story.story_id, story.part, story.story_id)
        known = self._keys.get(story.story_id)
        if key == known:
            return
        self._record(story.story_id, known)
        if known is not None:
            self._ranked.remove(known)
        self._keys[story.story_id] = key
        self._ranked.add(key)

    def _remove(self, story_id: str) -> None:
        self._stories.pop(story_id, None)
        known = self._keys.pop(story_id, None)
        if known is not None:
            self._ranked.remove(known)
            self._record(story_id, known)

    def _record(self, story_id: str, before: RankKey | None) -> None:
        """Log a change: it belongs to the time after every snapshot that was given out."""
        if len(self._log) >= MAX_LOGGED:
            del self._log[: MAX_LOGGED // 2], self._times[: MAX_LOGGED // 2]
        self._log.append((story_id, before))
        self._times.append(self._time + 1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The order at one time. Use it at once: it reads the live order.

    Args:
        time: in milliseconds.
        moved: where the stories were that have moved since; None for those that were not there.
    """

    time: int
    ranked: "SortedList[RankKey]"
    keys: Mapping[str, RankKey]
    moved: Mapping[str, RankKey | None]

    def key(self, story_id: str) -> RankKey | None:
        """A story's place at that time; None if it was not there."""
        return self.moved[story_id] if story_id in self.moved else self.keys.get(story_id)

    def after(self, place: RankKey | None) -> Iterator[RankKey]:
        """The places of the stories that are still live, after one of them, best first."""
        found: Iterator[RankKey] = self.ranked.irange(minimum=place, inclusive=(False, True))
        if not self.moved:
            return found
        then = [
            key
            for story_id, key in self.moved.items()
            if key is not None and story_id in self.keys and (place is None or key > place)
        ]
        heapify(then)
        return merge((heappop(then) for _ in range(len(then))), (key for key in found if key[-1] not in self.moved))


PER_AUTHOR = 2
BLOCK = 20
MAX_DEFERRED = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins.

    Args:
        time: of the snapshot.
        after: the last story that was looked at.
        deferred: authors whose turn is over, and the last story of theirs that was shown. Their stories from there up
            to ``after`` come first.
    """

    time: int
    after: RankKey | None
    deferred: tuple[tuple[str, RankKey], ...] = ()


@dataclass(slots=True)
class Diversify:
    """Takes stories best first, at most two of one author; further ones wait for the next block.

    So a block never has more than ``MAX_DEFERRED`` authors who wait: each has two stories in it.
    """

    size: int
    after: RankKey | None
    deferred: dict[str, RankKey]
    max_bytes: int
    may_be_empty: bool = False
    selected: list[LiveStory] = field(default_factory=list)
    shown: Counter[str] = field(default_factory=Counter)
    last: dict[str, RankKey] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether no story is taken any more."""
        return len(self.selected) == self.size or self.max_bytes <= 0

    def take_deferred(self, waiting: Iterable[tuple[RankKey, LiveStory, bool]]) -> None:
        """Take stories of the authors who wait: place, story, and whether the viewer may see it."""
        left: set[str] = set()
        for key, story, wanted in waiting:
            author = story.author_id
            if self.full or (wanted and self.shown[author] == PER_AUTHOR) or author in left:
                left.add(author)
            elif wanted:
                if not self._select(key, story):
                    left.add(author)
                else:
                    self.deferred[author] = key
        self.deferred = {author: key for author, key in self.deferred.items() if author in left}

    def take(self, key: RankKey, story: LiveStory, *, wanted: bool) -> bool:
        """Take the next story; False if the block is full, and the story belongs to the next one."""
        author = story.author_id
        if wanted:
            if self.shown[author] == PER_AUTHOR or author in self.deferred:
                if author not in self.deferred and len(self.deferred) == MAX_DEFERRED:
                    return False
                self.deferred.setdefault(author, self.last[author])
            elif self.full or not self._select(key, story):
                return False
        self.after = key
        return True

    def _select(self, key: RankKey, story: LiveStory) -> bool:
        if (self.selected or self.may_be_empty) and story.size > self.max_bytes:
            self.max_bytes = 0
            return False
        self.max_bytes -= story.size
        self.selected.append(story)
        self.shown[story.author_id] += 1
        self.last[story.author_id] = key
        return True
