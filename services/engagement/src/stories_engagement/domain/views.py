"""Views: plays of a story by a viewer, and the rule that counts them exactly."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

MAX_PLAYS = 100
"""Plays that one viewer's row keeps; further ones change no count. Bounds a document."""


class Play(NamedTuple):
    """One play of a story. A later report may raise its figures, never lower them."""

    at: datetime
    watched_ms: int = 0
    completed: bool = False
    forward: int = 0
    back: int = 0
    exit: int = 0

    def merged(self, other: "Play") -> "Play":
        """Two reports of the same play merged: the maximum of each figure, and the earlier report's time."""
        if self == other:
            return self
        return Play(
            at=self.at,
            watched_ms=max(self.watched_ms, other.watched_ms),
            completed=self.completed or other.completed,
            forward=max(self.forward, other.forward),
            back=max(self.back, other.back),
            exit=max(self.exit, other.exit),
        )


class View(NamedTuple):
    """A reported play. `author_id` is None where the reporter did not know it."""

    story_id: str
    viewer_id: str
    play_id: str
    author_id: str | None
    listed: bool
    play: Play
    follower: bool = False
    """Whether the viewer followed the author then, as far as the reporter knew."""

    @property
    def key(self) -> tuple[str, str]:
        return self.story_id, self.viewer_id


class ViewerRow(NamedTuple):
    """All plays of one story by one viewer. `viewed_at`, `listed` and `follower` are set by the first view."""

    story_id: str
    viewer_id: str
    viewed_at: datetime
    listed: bool
    plays: Mapping[str, Play]
    follower: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.story_id, self.viewer_id

    def without(self, until: datetime) -> "ViewerRow | None":
        """The row without all plays up to `until` (inclusive); None if no play is left."""
        remaining = {play_id: play for play_id, play in self.plays.items() if play.at > until}
        if not remaining:
            return None
        return self._replace(plays=remaining, viewed_at=min(play.at for play in remaining.values()))


@dataclass(frozen=True, slots=True)
class StoryCounter:
    """A story's counter document. `expires_at` and `author_id` are None until `story-posted` is consumed."""

    author_id: str | None = None
    expires_at: datetime | None = None
    ended: bool = False
    view_list: bool = True
    """Whether the author has the list of viewers enabled now."""


@dataclass(frozen=True, slots=True)
class Block:
    """The last block of one user by another: from `since` until `until`, or still on (None)."""

    since: datetime
    until: datetime | None = None

    def was_active(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class CountingContext:
    """All data needed to count a batch of views, read in one snapshot. What is absent does not exist."""

    counters: Mapping[str, StoryCounter]
    rows: Mapping[tuple[str, str], ViewerRow]
    erased: Mapping[str, datetime]
    """When users were erased; their views up to then do not count."""
    blocks: Mapping[tuple[str, str], Block]
    """By (blocking user, blocked user)."""
    unlisted_until: Mapping[str, datetime]
    """Until when the view history of users was off; in the far future while it is off."""


NO_PLAY = Play(datetime(2000, 1, 1, tzinfo=UTC))
"""A play that adds nothing."""

SUMS = ("followers", "completed", "watched_ms", "forward", "back", "exit")
"""The running sums of a story, besides viewers and plays."""


@dataclass(slots=True)
class CounterStep:
    """How a batch changes one story's counters."""

    viewers: int = 0
    plays: int = 0
    followers: int = 0
    completed: int = 0
    watched_ms: int = 0
    forward: int = 0
    back: int = 0
    exit: int = 0
    author_id: str | None = None

    def add(self, play: Play, counted: Play = NO_PLAY) -> None:
        """Add what a play has more than was counted of it."""
        self.completed += play.completed - counted.completed
        self.watched_ms += play.watched_ms - counted.watched_ms
        self.forward += play.forward - counted.forward
        self.back += play.back - counted.back
        self.exit += play.exit - counted.exit

    def increments(self) -> Counter[str]:
        """The increments by path."""
        sums = {f"sums.{name}": by for name in SUMS if (by := getattr(self, name))}
        return Counter({"viewers": self.viewers, "plays": self.plays, **sums})


def increments_of(row: ViewerRow | None) -> Counter[str]:
    """What a row adds to its story's counters."""
    if row is None:
        return Counter()
    step = CounterStep(viewers=1, plays=len(row.plays), followers=int(row.follower))
    for play in row.plays.values():
        step.add(play)
    return step.increments()


@dataclass(slots=True)
class CountingResult:
    """Effects of a batch of views: rows to insert, plays to write into existing rows, counters to increment."""

    outcomes: Counter[str] = field(default_factory=Counter)
    added: dict[tuple[str, str], ViewerRow] = field(default_factory=dict)
    plays: dict[tuple[str, str], dict[str, Play]] = field(default_factory=dict)
    added_plays: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The number of plays added to each existing row."""
    steps: dict[str, CounterStep] = field(default_factory=dict)
    erased_with_rows: set[str] = field(default_factory=set)
    """Erased users of whom a row still exists."""
    to_unlist: set[str] = field(default_factory=set)
    """Users whose view history is off and of whom a listed row still exists."""

    def step(self, view: View) -> CounterStep:
        step = self.steps.setdefault(view.story_id, CounterStep())
        step.author_id = step.author_id or view.author_id
        return step


OUTCOMES = ("counted", "replayed", "refined", "capped", "own", "late", "erased", "blocked")
"""The outcomes of a view."""


def count_views(views: Sequence[View], context: CountingContext, now: datetime) -> CountingResult:
    """Count a batch of views, in order.

    A pure function, so that a transaction can be retried. Outcomes: `counted`, `replayed` (nothing new),
    `refined` (a known play with higher figures), `capped` (over 100 plays), `own`, `late`, `erased`, `blocked`.
    """
    result = CountingResult()
    rows = dict(context.rows)
    for view in views:
        outcome = _rejection(view, context, now) or _count(view, context, rows, result)
        result.outcomes[outcome] += 1
        if outcome == "erased" and view.key in context.rows:
            result.erased_with_rows.add(view.viewer_id)
    return result


def _rejection(view: View, context: CountingContext, now: datetime) -> str | None:
    counter = context.counters.get(view.story_id)
    if counter is not None and (counter.ended or (counter.expires_at is not None and counter.expires_at <= now)):
        return "late"
    author = (counter.author_id if counter else None) or view.author_id
    if author == view.viewer_id:
        return "own"
    erased_at = context.erased.get(view.viewer_id)
    if erased_at is not None and view.play.at <= erased_at:
        return "erased"
    if context.blocks and author is not None:
        sides = context.blocks.get((author, view.viewer_id)), context.blocks.get((view.viewer_id, author))
        if any(block is not None and block.was_active(view.play.at) for block in sides):
            return "blocked"
    return None


def _count(view: View, context: CountingContext, rows: dict[tuple[str, str], ViewerRow], result: CountingResult) -> str:
    unlisted_until = context.unlisted_until.get(view.viewer_id)
    row = rows.get(view.key)
    if row is None:
        counter = context.counters.get(view.story_id)
        listed = view.listed and (counter is None or counter.view_list)
        listed = listed and (unlisted_until is None or view.play.at > unlisted_until)
        plays = {view.play_id: view.play}
        row = ViewerRow(view.story_id, view.viewer_id, view.play.at, listed, plays, view.follower)
        rows[view.key] = result.added[view.key] = row
        step = result.step(view)
        step.viewers += 1
        step.plays += 1
        step.followers += view.follower
        step.add(view.play)
        return "counted"
    if row.listed and unlisted_until is not None and row.viewed_at <= unlisted_until:
        result.to_unlist.add(view.viewer_id)
    existing = row.plays.get(view.play_id)
    if existing is None and len(row.plays) >= MAX_PLAYS:
        return "capped"
    play = view.play if existing is None else existing.merged(view.play)
    if play == existing:
        return "replayed"
    rows[view.key] = row = row._replace(plays={**row.plays, view.play_id: play})
    new = view.key in result.added
    if new:
        result.added[view.key] = row
    else:
        result.plays.setdefault(view.key, {})[view.play_id] = play
    step = result.step(view)
    if existing is not None:
        step.add(play, existing)
        return "refined"
    step.plays += 1
    step.add(play)
    if not new:
        result.added_plays[view.key] += 1
    return "counted"
