"""Insights for authors: of one story, and of all stories of a period."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock

from stories_engagement.domain.access_state import AccessState
from stories_engagement.domain.errors import NotFound
from stories_engagement.domain.insights import DropOff, Insights, Totals, drop_off, totals_with
from stories_engagement.usecases.access import Freshness, require_fresh
from stories_engagement.usecases.paging import Position

MAX_LIVE = 1_000
"""Live stories of an author in one list; the quota allows fewer."""


@dataclass(frozen=True, slots=True)
class Period:
    """Stories posted from a time on and before another."""

    begin: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        return self.begin <= at < self.end


class InsightsRepository(Protocol):
    """Reads the running sums of live stories, and the sealed figures of expired ones."""

    async def live(self, story_id: str) -> Insights | None:
        """The figures of a story that is stored and has not ended."""

    async def live_of(self, author_id: str, limit: int) -> Sequence[Insights]:
        """The figures of an author's stored stories that have not ended."""

    async def sealed(self, story_id: str) -> Insights | None: ...

    async def sealed_page(
        self, author_id: str, period: Period, without: Collection[str], after: Position | None, limit: int
    ) -> Sequence[Insights]:
        """The sealed figures of an author's stories, the newest story first, without some of them."""

    async def sealed_totals(self, author_id: str, period: Period, without: Collection[str]) -> Totals: ...

    async def parts(self, series_ids: Collection[str]) -> Mapping[str, DropOff]:
        """Viewers by part of each series."""


@dataclass(frozen=True, slots=True)
class StoryInsights:
    """The figures of a story, and the viewers of each part of its series."""

    insights: Insights
    drop_off: DropOff | None


@dataclass(frozen=True, slots=True)
class ReadInsights:
    """Read insights. Only the author gets them; no ticket is needed. A story that was deleted has none.

    Between its expiry and its sealing a story has the figures that will be sealed.
    """

    store: InsightsRepository
    access_state: AccessState
    freshness: Freshness
    floor: int
    now: Clock

    async def story(self, user_id: str, story_id: str) -> StoryInsights:
        """Raises `NotFound`, or `ReplicaStale` where this replica has fallen behind."""
        now = self.now()
        known = self.access_state.story(story_id, now)
        if known is not None and known.author_id != user_id:
            raise NotFound
        require_fresh(self.freshness, story_id, user_id)
        live, sealed = self.store.live, self.store.sealed
        first, second = (live, sealed) if known is not None else (sealed, live)
        found = await first(story_id) or await second(story_id)
        if found is None or found.author_id != user_id or not self._may_be_read(found):
            raise NotFound
        return (await self._with_drop_off([found]))[0]

    async def stories(
        self, user_id: str, period: Period, after: Position | None, limit: int
    ) -> tuple[Totals, list[StoryInsights], Position | None]:
        """The totals of a period, a page of its stories, newest first, and the next page's position."""
        require_fresh(self.freshness, "", user_id)
        live = [
            insights
            for insights in await self.store.live_of(user_id, MAX_LIVE)
            if period.holds(insights.posted_at) and self._may_be_read(insights)
        ]
        counted = {insights.story_id for insights in live}  # one may be sealed before the next read
        sealed = await self.store.sealed_page(user_id, period, counted, after, limit + 1)
        totals = totals_with(await self.store.sealed_totals(user_id, period, counted), *live)
        found = [each for each in live if after is None or (each.posted_at, each.story_id) < after]
        found += sealed
        found.sort(key=lambda insights: (insights.posted_at, insights.story_id), reverse=True)
        last = found[limit - 1] if len(found) > limit else None
        page = await self._with_drop_off(found[:limit])
        return totals, page, (last.posted_at, last.story_id) if last else None

    def _may_be_read(self, insights: Insights) -> bool:
        """Whether the story lives as far as this replica knows, or has expired; one ended before was deleted."""
        if insights.sealed_at is not None or insights.expires_at is None or insights.expires_at <= self.now():
            return True
        if self.access_state.story(insights.story_id, self.now()) is None:
            return False
        require_fresh(self.freshness, insights.story_id)
        return True

    async def _with_drop_off(self, found: Sequence[Insights]) -> list[StoryInsights]:
        series = await self.store.parts({each.series_id for each in found if each.series_id is not None})
        return [StoryInsights(each, drop_off(each, series.get(each.series_id or "", {}), self.floor)) for each in found]


def sealed_insights(insights: Insights, at: datetime, floor: int) -> Insights:
    """The figures of a story as they are sealed."""
    return replace(insights, sealed_at=at).without_small_breakdowns(floor)
