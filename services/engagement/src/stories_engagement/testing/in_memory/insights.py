"""Insights of live and ended stories."""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from stories_engagement.domain.insights import Insights, LayerFigures, Totals, totals_with
from stories_engagement.domain.views import increments_of
from stories_engagement.testing.in_memory.answers import MemoryAnswers
from stories_engagement.testing.in_memory.database import MemoryDatabase
from stories_engagement.testing.in_memory.engagements import MemoryReactions
from stories_engagement.testing.in_memory.views import MemoryCounters
from stories_engagement.usecases.insights import Period
from stories_engagement.usecases.paging import Position
from stories_engagement.usecases.stories import live_story_of

FLOOR = 5
"""People below whom sealed insights have no breakdowns."""


@dataclass
class MemoryInsights:
    """Computes insights from all rows."""

    database: MemoryDatabase

    async def live(self, story_id: str) -> Insights | None:
        database, story = self.database, self.database.content.get(story_id)
        if story is None or story_id in database.ended:
            return None
        rows = [row for row in database.rows.values() if row.story_id == story_id]
        sums = sum((increments_of(row) for row in rows), Counter[str]())
        emoji = await MemoryReactions(database).counts(story_id)
        counts = await MemoryCounters(database).counts(story_id)
        layers = live_story_of(story).layers
        tallies = await MemoryAnswers(database).tallies(story_id, layers)
        return Insights(
            story_id=story_id,
            author_id=story.author_id,
            posted_at=story.posted_at,
            expires_at=story.expires_at,
            series_id=story.series_id,
            part=story.part,
            viewers=len(rows),
            plays=sums["plays"],
            followers=sums["sums.followers"],
            completed=sums["sums.completed"],
            watched_ms=sums["sums.watched_ms"],
            forward=sums["sums.forward"],
            back=sums["sums.back"],
            exit=sums["sums.exit"],
            reactions=counts.reactions,
            emoji=dict(emoji),
            comments=counts.comments,
            shares=counts.shares,
            answered=sum(s == story_id and given is not None for (s, _, _), (given, _) in database.answers.items()),
            layers=tuple(LayerFigures(layer.id, layer.kind, tallies[layer.id]) for layer in layers),
        )

    async def live_of(self, author_id: str, limit: int) -> list[Insights]:
        mine = [story_id for story_id, story in self.database.content.items() if story.author_id == author_id]
        found = [await self.live(story_id) for story_id in mine]
        return [insights for insights in found if insights is not None][:limit]

    async def sealed(self, story_id: str) -> Insights | None:
        return self.database.sealed.get(story_id)

    async def sealed_page(
        self, author_id: str, period: Period, without: Collection[str], after: Position | None, limit: int
    ) -> list[Insights]:
        mine = [sealed for sealed in self.database.sealed.values() if sealed.author_id == author_id]
        found = [sealed for sealed in mine if period.holds(sealed.posted_at) and sealed.story_id not in without]
        found.sort(key=lambda sealed: (sealed.posted_at, sealed.story_id), reverse=True)
        return [sealed for sealed in found if after is None or (sealed.posted_at, sealed.story_id) < after][:limit]

    async def sealed_totals(self, author_id: str, period: Period, without: Collection[str]) -> Totals:
        return totals_with(Totals(), *await self.sealed_page(author_id, period, without, None, 1_000))

    async def parts(self, series_ids: Collection[str]) -> dict[str, dict[int, int]]:
        live = [await self.live(story_id) for story_id in self.database.content]
        found: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for insights in (*live, *self.database.sealed.values()):
            if insights is not None and insights.series_id is not None and insights.series_id in series_ids:
                found[insights.series_id][insights.part] = insights.viewers
        return found
