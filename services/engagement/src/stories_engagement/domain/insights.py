"""Insights: the figures of a story, live or as they were sealed when it expired."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from stories_engagement.domain.answers import AnswerableKind, Tallies


@dataclass(frozen=True, slots=True)
class LayerFigures:
    """Answers to one layer. `tallies` is None where too few people answered."""

    layer_id: str
    kind: AnswerableKind
    tallies: Tallies | None


@dataclass(frozen=True, slots=True)
class Insights:
    """The figures of one story. `sealed_at` is None while it lives; then breakdowns of too few people are None."""

    story_id: str
    author_id: str
    posted_at: datetime
    expires_at: datetime | None = None
    sealed_at: datetime | None = None
    series_id: str | None = None
    part: int = 1
    viewers: int = 0
    followers: int | None = 0
    plays: int = 0
    completed: int = 0
    watched_ms: int = 0
    forward: int = 0
    back: int = 0
    exit: int = 0
    reactions: int = 0
    emoji: Mapping[str, int] | None = None
    comments: int = 0
    shares: int = 0
    answered: int = 0
    layers: tuple[LayerFigures, ...] = ()

    @property
    def others(self) -> int | None:
        """Viewers who did not follow the author, or of whom it is unknown; None with `followers`."""
        return None if self.followers is None else self.viewers - self.followers

    def without_small_breakdowns(self, floor: int) -> "Insights":
        """The same with breakdowns of fewer than `floor` people removed."""
        layers = [layer if sum(layer.tallies or ()) >= floor else replace(layer, tallies=None) for layer in self.layers]
        return replace(
            self,
            followers=self.followers if self.viewers >= floor else None,
            emoji=self.emoji if self.reactions >= floor else None,
            layers=tuple(layers),
        )


DropOff = Mapping[int, int]
"""Viewers by part of a series."""


def drop_off(insights: Insights, series: DropOff, floor: int) -> DropOff | None:
    """Viewers of the parts of the story's series as far as they have figures, in order.

    None for a sealed story where no part had `floor` viewers.
    """
    parts = dict(sorted({**series, insights.part: insights.viewers}.items()))
    return None if insights.sealed_at is not None and max(parts.values()) < floor else parts


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of several stories together; a viewer of two stories counts twice."""

    stories: int = 0
    viewers: int = 0
    plays: int = 0
    completed: int = 0
    watched_ms: int = 0
    forward: int = 0
    back: int = 0
    exit: int = 0
    reactions: int = 0
    comments: int = 0
    shares: int = 0
    answered: int = 0


TOTALLED = tuple(name for name in Totals.__dataclass_fields__ if name != "stories")
"""The fields of `Insights` that are added up."""


def totals_with(totals: Totals, *others: Insights) -> Totals:
    """The totals with further stories."""
    sums = {name: getattr(totals, name) + sum(getattr(other, name) for other in others) for name in TOTALLED}
    return Totals(stories=totals.stories + len(others), **sums)


def completion_rate(of: Insights | Totals) -> float:
    """Plays completed of all plays; 0 without plays."""
    return of.completed / of.plays if of.plays else 0.0


def mean_watch_ms(of: Insights | Totals) -> int:
    """How long a play was watched on average; 0 without plays."""
    return round(of.watched_ms / of.plays) if of.plays else 0
