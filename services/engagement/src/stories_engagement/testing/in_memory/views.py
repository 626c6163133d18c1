"""Views, their viewers and counters."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from stories_shared.clock import Clock

from stories_engagement.domain.views import CountingContext, CountingResult, StoryCounter, View, count_views
from stories_engagement.testing.in_memory.database import FAR, MemoryDatabase
from stories_engagement.usecases.engagements import Counts
from stories_engagement.usecases.paging import Position
from stories_engagement.usecases.views import Viewer, ViewerPage

UNLIST_BATCH = 2
"""Rows unlisted in one step."""


@dataclass
class MemoryViews:
    """Counts views and stores who viewed."""

    database: MemoryDatabase

    async def count(self, views: Sequence[View], now: Clock) -> CountingResult:
        database = self.database
        erased, unlisted_until = await self.marks(view.viewer_id for view in views)
        context = CountingContext(
            counters={v.story_id: database.counters[v.story_id] for v in views if v.story_id in database.counters},
            rows={view.key: database.rows[view.key] for view in views if view.key in database.rows},
            erased=erased,
            blocks=database.blocks,
            unlisted_until=unlisted_until,
        )
        result = count_views(views, context, now())
        for story_id, step in result.steps.items():
            database.counters.setdefault(story_id, StoryCounter(step.author_id))
            database.viewers[story_id] += step.viewers
            database.plays[story_id] += step.plays
        database.rows |= result.added
        for key, plays in result.plays.items():
            database.rows[key] = database.rows[key]._replace(plays={**database.rows[key].plays, **plays})
        return result

    async def marks(
        self, user_ids: Iterable[str], since: datetime | None = None
    ) -> tuple[Mapping[str, datetime], Mapping[str, datetime]]:
        people = set(user_ids)
        unlisted: dict[str, datetime] = {}
        for user_id in people & self.database.privacy.keys():
            listed, _, off_until = self.database.privacy[user_id]
            until = off_until if listed else FAR
            if until is not None:
                unlisted[user_id] = until
        erased = {user_id: self.database.erased[user_id] for user_id in people & self.database.erased.keys()}
        return {user_id: at for user_id, at in erased.items() if since is None or at >= since}, unlisted

    async def erase_viewer(self, user_id: str, until: datetime) -> None:
        for key, row in [(key, row) for key, row in self.database.rows.items() if row.viewer_id == user_id]:
            remaining = row.without(until)
            self.database.plays[row.story_id] -= len(row.plays) - (len(remaining.plays) if remaining else 0)
            self.database.rows.pop(key)
            if remaining:
                self.database.rows[key] = remaining
            else:
                self.database.viewers[row.story_id] -= 1

    async def unlist(self, user_id: str, until: datetime) -> None:
        for key, row in self.database.rows.items():
            if row.viewer_id == user_id and row.viewed_at <= until:
                self.database.rows[key] = row._replace(listed=False)

    async def unlist_some(self, user_id: str, until: datetime, after: str) -> str | None:
        later = sorted(key[0] for key in self.database.rows if key[1] == user_id and key[0] > after)
        for story_id in later[:UNLIST_BATCH]:
            row = self.database.rows[story_id, user_id]
            self.database.rows[story_id, user_id] = row._replace(listed=row.listed and row.viewed_at > until)
        return later[UNLIST_BATCH - 1] if len(later) >= UNLIST_BATCH else None

    async def page(self, story_id: str, after: Position | None, limit: int, excluded: Set[str]) -> ViewerPage:
        rows = [row for row in self.database.rows.values() if row.story_id == story_id]
        listed_rows = [row for row in rows if row.listed and row.viewer_id not in excluded]
        listed_rows.sort(key=lambda row: (row.viewed_at, row.viewer_id), reverse=True)
        beyond = [row for row in listed_rows if after is None or (row.viewed_at, row.viewer_id) < after]
        viewers = [
            Viewer(row.viewer_id, row.viewed_at, len(row.plays), self.database.reactions.get(row.key, (None, FAR))[0])
            for row in beyond[:limit]
        ]
        return ViewerPage(viewers, self.database.viewers[story_id], len(rows) - len(listed_rows))

    async def total(self, story_id: str) -> int:
        return self.database.viewers[story_id]


@dataclass
class MemoryCounters:
    """Reads counts."""

    database: MemoryDatabase

    async def counts(self, story_id: str) -> Counts:
        database = self.database
        return Counts(
            views=database.plays[story_id],
            viewers=database.viewers[story_id],
            reactions=sum(s == story_id and emoji is not None for (s, _), (emoji, _) in database.reactions.items()),
            comments=sum(c.story_id == story_id and not c.hidden for c in database.comments.values()),
            shares=sum(s == story_id for s, _ in database.shares),
        )
