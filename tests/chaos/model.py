"""What must be true, as far as the history tells: who decided what about whom, and what became of every story.

An operation takes effect somewhere between its begin and its answer, and one that was not answered may still take
effect a while later. So nothing here has *a* value at a time; it has the values that are possible in a stretch of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Generic, Literal, TypeVar

from tests.journeys.samples import Sample

V = TypeVar("V")
LINGERS_S = 15.0
"""How long after an attempt was given up it may still take effect: it sits in a process that is frozen for ten."""

KEPT_S = 600.0

Kind = Literal["following", "blocked", "muted", "close-friends"]
Rule = tuple[str, frozenset[str]]
"""Audience, and who is hidden from."""


@dataclass(eq=False)
class Change(Generic[V]):
    """One operation on a value. `acked`: when it had happened for certain; `over`: when it can happen no more."""

    value: V
    begun: float
    acked: float | None = None
    over: float | None = None

    def ack(self, at: float) -> None:
        """It has happened."""
        self.acked = at
        self.over = max(at, self.over or at)

    def doubt(self, at: float) -> None:
        """An attempt was given up at this time: it may yet happen, or happen again."""
        self.over = max(self.over or 0.0, at + LINGERS_S)


class Timeline(Generic[V]):
    """A value and every operation that changed it, or may have."""

    def __init__(self, first: V) -> None:
        self.changes: list[Change[V]] = [Change(first, float("-inf"), float("-inf"), float("-inf"))]

    def begin(self, value: V, at: float) -> Change[V]:
        """An operation that sets it begins. What nobody will ask about any more is forgotten."""
        self.changes = [each for each in self.changes if not self._undone(each, at - KEPT_S)]
        change = Change(value, at)
        self.changes.append(change)
        return change

    def refuse(self, change: Change[V]) -> None:
        """The operation did not happen and never will."""
        self.changes.remove(change)

    def possible(self, since: float, until: float) -> set[V]:
        """Every value that it may have had at some moment from `since` to `until`."""
        return {each.value for each in self.changes if each.begun <= until and not self._undone(each, since)}

    @property
    def intended(self) -> V:
        """What it was to become last."""
        return self.changes[-1].value

    def settled(self, at: float) -> bool:
        """Whether only one value is possible at this time."""
        return len(self.possible(at, at)) == 1

    def altered(self, change: Change[V], since: float) -> bool:
        """Whether an operation altered the value for certain: nothing else that may have stood before it, from `since`
        on, was the same."""
        return all(
            other.value != change.value
            for other in self.changes
            if other is not change and other.begun <= change.begun and not self._undone(other, since)
        )

    def _undone(self, change: Change[V], at: float) -> bool:
        """Whether another operation that began after this one was over had happened by then."""
        over = change.over
        return over is not None and any(
            later.begun >= over and later.acked is not None and later.acked <= at
            for later in self.changes
            if later is not change
        )


@dataclass
class Play:
    """One play of a story: `accepted` when it was, `maybe` while nobody can tell."""

    begun: float
    accepted: float | None = None
    maybe: bool = False


@dataclass
class Comment:
    """One comment by the key it was sent with; without id it may or may not be there."""

    viewer: str
    text: str
    begun: float
    id: str | None = None
    acked: float | None = None
    refused: bool = False


@dataclass(eq=False)
class Story:
    """A story from the moment that somebody wants to post it."""

    author: str
    key: str
    word: str
    asked: dict[str, Any]
    sample: Sample
    rule: Timeline[Rule]
    id: str | None = None
    state: Literal["wanted", "drafted", "publishing", "live", "refused", "gone"] = "wanted"
    live_at: float | None = None
    expires_at: float | None = None
    deleted: Timeline[bool] = field(default_factory=lambda: Timeline(False))
    plays: dict[str, dict[str, Play]] = field(default_factory=dict)
    reactions: dict[str, Timeline[str | None]] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    publish_answered: bool = False

    @property
    def doubtful(self) -> int:
        """Plays and comments of which nobody can tell whether they were taken."""
        plays = sum(play.maybe and play.accepted is None for each in self.plays.values() for play in each.values())
        return plays + sum(comment.id is None and not comment.refused for comment in self.comments.values())

    def lives(self, at: float) -> bool | None:
        """Whether it is live; None while nobody can tell."""
        if self.state != "live" or self.expires_at is None:
            return False if self.state in {"refused", "gone"} else None
        if at >= self.expires_at or self.deleted.possible(at, at) == {True}:
            return False
        return True if self.deleted.possible(at, at) == {False} else None


@dataclass
class Model:
    """Everything that the generator knows."""

    users: list[str]
    stories: list[Story] = field(default_factory=list)
    by_id: dict[str, Story] = field(default_factory=dict)
    edges: dict[tuple[Kind, str, str], Timeline[bool]] = field(default_factory=dict)

    def edge(self, kind: Kind, user: str, target: str) -> Timeline[bool]:
        """Whether `user` follows, blocks, mutes `target` or counts them among their close friends."""
        return self.edges.setdefault((kind, user, target), Timeline(False))

    def add(self, story: Story) -> None:
        """A story is wanted."""
        self.stories.append(story)

    def name(self, story: Story, story_id: str) -> None:
        """The story has an id."""
        story.id = story_id
        self.by_id[story_id] = story

    def apart(self, one: str, other: str, since: float, until: float) -> set[bool]:
        """Whether a block stood between two people."""
        there = self.edge("blocked", one, other).possible(since, until)
        back = self.edge("blocked", other, one).possible(since, until)
        return {a or b for a, b in product(there, back)}

    def may_see(self, viewer: str, story: Story, since: float, until: float) -> set[bool]:
        """Whether a viewer was allowed a story, as long as it lives: every answer that is possible in the stretch."""
        author = story.author
        if viewer == author:
            return {True}

        def edge(kind: Kind, user: str, target: str) -> set[bool]:
            return self.edge(kind, user, target).possible(since, until)

        variables: Iterable[tuple[Any, ...]] = product(
            story.rule.possible(since, until),
            self.apart(viewer, author, since, until),
            edge("following", viewer, author),
            edge("following", author, viewer),
            edge("close-friends", author, viewer),
        )
        return {allowed(viewer, *values) for values in variables}

    def of(self, author: str) -> Iterator[Story]:
        """Everything that an author wanted to post."""
        return (story for story in self.stories if story.author == author)


def allowed(viewer: str, rule: Rule, apart: bool, follows: bool, followed: bool, close: bool) -> bool:
    """The rule of who may see a story (docs/http.md), told again in words of its own."""
    audience, hidden = rule
    if apart or viewer in hidden:
        return False
    return {
        "everyone": True,
        "followers": follows,
        "friends": follows and followed,
        "close_friends": close,
    }[audience]
