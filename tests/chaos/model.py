"""What must hold according to the history: relationships between users, and the state of every story.

An operation takes effect between its start and its response, and an unanswered one may still take effect later. So a
value here is a set of the values that are possible in an interval.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Generic, Literal, TypeVar

from tests.journeys.samples import Sample

V = TypeVar("V")
LATE_EFFECT_S = 15.0
"""How long after an abandoned attempt it may still take effect: its process may be frozen for 10 s."""
KEPT_S = 600.0
FOREVER = float("inf")

Kind = Literal["following", "blocked", "muted", "close-friends"]
Rule = tuple[str, frozenset[str]]
"""Audience, and the users that it is hidden from."""


@dataclass(eq=False)
class Change(Generic[V]):
    """One operation on a value. `acked`: when it had certainly happened; `over`: when it can no longer happen."""

    value: V
    started: float
    acked: float | None = None
    over: float | None = None

    def ack(self, at: float) -> None:
        """Record that it has happened."""
        self.acked = at
        self.over = max(at, self.over or at)

    def doubt(self, at: float) -> None:
        """Record an abandoned attempt at this time: it may still happen, or happen again."""
        self.over = max(self.over or 0.0, at + LATE_EFFECT_S)


class Timeline(Generic[V]):
    """A value and every operation that changed it or may have changed it."""

    def __init__(self, first: V) -> None:
        self.changes: list[Change[V]] = [Change(first, float("-inf"), float("-inf"), float("-inf"))]

    def begin(self, value: V, at: float) -> Change[V]:
        """Record the start of an operation that sets the value. Changes that no longer matter are dropped."""
        self.changes = [each for each in self.changes if not self._undone(each, at - KEPT_S)]
        change = Change(value, at)
        self.changes.append(change)
        return change

    def refuse(self, change: Change[V]) -> None:
        """Record that the operation did not happen and never will."""
        self.changes.remove(change)

    def possible(self, since: float, until: float) -> set[V]:
        """Every value that is possible at some time from `since` to `until`."""
        return {each.value for each in self.changes if each.started <= until and not self._undone(each, since)}

    @property
    def final(self) -> set[V]:
        """Every value that is possible in the end."""
        return self.possible(FOREVER, FOREVER)

    @property
    def intended(self) -> V:
        """The value of the last operation."""
        return self.changes[-1].value

    def settled(self, at: float) -> bool:
        """Whether only one value is possible at this time."""
        return len(self.possible(at, at)) == 1

    def altered(self, change: Change[V], since: float) -> bool:
        """Whether an operation certainly altered the value: no other possible value from `since` on was equal."""
        return all(
            other.value != change.value
            for other in self.changes
            if other is not change and other.started <= change.started and not self._undone(other, since)
        )

    def _undone(self, change: Change[V], at: float) -> bool:
        """Whether a later operation had certainly replaced this one by then."""
        over = change.over
        return over is not None and any(
            later.started >= over and later.acked is not None and later.acked <= at
            for later in self.changes
            if later is not change
        )


@dataclass
class Play:
    """One play of a story: `accepted` is the time of its acceptance, `maybe` that the result is unknown."""

    started: float
    accepted: float | None = None
    maybe: bool = False


@dataclass
class Comment:
    """One comment by its idempotency key; without an id its result is unknown."""

    viewer: str
    text: str
    started: float
    id: str | None = None
    acked: float | None = None
    refused: bool = False


@dataclass(eq=False)
class Story:
    """A story, from the first attempt to create it."""

    author: str
    key: str
    word: str
    request: dict[str, Any]
    sample: Sample
    rule: Timeline[Rule]
    id: str | None = None
    state: Literal["wanted", "drafted", "scheduled", "publishing", "live", "refused", "gone"] = "wanted"
    live_at: float | None = None
    expires_at: float | None = None
    deleted: Timeline[bool] = field(default_factory=lambda: Timeline(False))
    plays: dict[str, dict[str, Play]] = field(default_factory=dict)
    reactions: dict[str, Timeline[str | None]] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    answers: dict[str, Timeline[int | None]] = field(default_factory=dict)
    reports: dict[str, Timeline[bool]] = field(default_factory=dict)
    poll: str | None = None
    mentions: frozenset[str] = frozenset()
    publish_answered: bool = False
    publish_at: Timeline[float] | None = None
    """When a scheduled story goes live."""
    posted_at: float | None = None
    original: "Story | None" = None
    """What it reposts, with the ticket that proves the right to."""
    ticket: str | None = None
    unarchived: Timeline[bool] = field(default_factory=lambda: Timeline(False))

    @property
    def unknown(self) -> bool:
        """Whether it may have been published, live and expired without an answer that said so."""
        return self.state in {"wanted", "drafted", "publishing"}

    @property
    def doubtful(self) -> int:
        """The number of plays and comments whose result is unknown."""
        plays = sum(play.maybe and play.accepted is None for each in self.plays.values() for play in each.values())
        return plays + sum(comment.id is None and not comment.refused for comment in self.comments.values())

    @property
    def maybe_deleted(self) -> bool:
        """Whether an operation deleted it or may have deleted it."""
        return True in self.deleted.possible(0, FOREVER)

    def lives(self, at: float) -> bool | None:
        """Whether it is live; None while unknown."""
        if self.state != "live" or self.expires_at is None:
            return False if self.state in {"refused", "gone"} else None
        if at >= self.expires_at or self.deleted.possible(at, at) == {True}:
            return False
        return True if self.deleted.possible(at, at) == {False} else None


@dataclass
class Model:
    """The state that the history implies."""

    users: list[str]
    stories: list[Story] = field(default_factory=list)
    by_id: dict[str, Story] = field(default_factory=dict)
    edges: dict[tuple[Kind, str, str], Timeline[bool]] = field(default_factory=dict)
    keepers: set[str] = field(default_factory=set)
    """Authors who keep expired stories in their archive, all the time."""

    def edge(self, kind: Kind, user: str, target: str) -> Timeline[bool]:
        """The timeline of an edge: whether `user` follows, blocks, mutes or close-friends `target`."""
        return self.edges.setdefault((kind, user, target), Timeline(False))

    def add(self, story: Story) -> None:
        """Add a story that is being created."""
        self.stories.append(story)

    def name(self, story: Story, story_id: str) -> None:
        """Record the id of a story."""
        story.id = story_id
        self.by_id[story_id] = story

    def apart(self, one: str, other: str, since: float, until: float) -> set[bool]:
        """Whether forwards was a block between two users."""
        forwards = self.edge("blocked", one, other).possible(since, until)
        backwards = self.edge("blocked", other, one).possible(since, until)
        return {a or b for a, b in product(forwards, backwards)}

    def may_see(self, viewer: str, story: Story, since: float, until: float) -> set[bool]:
        """Whether a viewer was allowed to see a live story: every possible answer in the interval."""
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

    def archived(self, story: Story, at: float) -> set[bool]:
        """Whether a story is in its author's archive at this time: every possible answer."""
        if story.author in self.keepers and story.unknown and story.id is not None:
            return {True, False}
        if story.author not in self.keepers or story.state != "live" or (story.expires_at or at) >= at:
            return {False}
        removed = story.unarchived.possible(at, at)
        if not story.maybe_deleted:
            return {not each for each in removed}
        in_time = story.deleted.possible(story.expires_at or at, at) == {True}
        return {False} if in_time or removed == {True} else {True, False}

    def reposts(self, original: Story) -> Iterator[Story]:
        """All reposts of a story."""
        return (story for story in self.stories if story.original is original)

    def of(self, author: str) -> Iterator[Story]:
        """All stories of an author."""
        return (story for story in self.stories if story.author == author)


def allowed(viewer: str, rule: Rule, apart: bool, follows: bool, followed: bool, close: bool) -> bool:
    """The visibility rule (docs/http.md), implemented independently."""
    audience, hidden = rule
    if apart or viewer in hidden:
        return False
    return {
        "everyone": True,
        "followers": follows,
        "friends": follows and followed,
        "close_friends": close,
    }[audience]
