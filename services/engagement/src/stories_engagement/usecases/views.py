"""Views: published from HTTP, counted from Kafka, listed for the author."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Literal, Protocol

from stories_shared.auth.tickets import Ticket
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.concurrency import map_in_slices
from stories_shared.events import StoryViewed, Taps
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id

from stories_engagement.domain.errors import AccessDenied
from stories_engagement.domain.recent_plays import RecentPlays
from stories_engagement.domain.views import CountingResult, Play, View
from stories_engagement.usecases.access import CheckAccess, StoryAccess
from stories_engagement.usecases.blocks import FindBlocked
from stories_engagement.usecases.paging import Position
from stories_engagement.usecases.privacy import PrivacyRepository


@dataclass(frozen=True, slots=True)
class ReportedView:
    """One view as a client reports it."""

    ticket: str
    play_id: str | None
    watched_ms: int
    completed: bool
    taps: Taps


Rejection = tuple[int, Literal["ticket", "ended"]]
"""The index of a rejected view, and the reason."""


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The number of published views, and the rejected ones; `refusals` are for the metric."""

    accepted: int
    rejected: list[Rejection]
    refusals: list[str]


@dataclass(frozen=True, slots=True)
class ReportViews:
    """Publish reported views, each keyed by its story. They count when they are consumed."""

    check_access: CheckAccess
    blocks: FindBlocked
    privacy: PrivacyRepository
    publish: Callable[[Sequence[StoryViewed]], Awaitable[None]]
    now: Clock

    async def __call__(self, viewer_id: str, entries: Sequence[ReportedView]) -> ReportResult:
        """Accept views with a valid ticket. An older access revision is valid: the view has happened."""
        valid: list[tuple[int, ReportedView, Ticket]] = []
        rejected: list[Rejection] = []
        refusals: list[str] = []
        for index, entry in enumerate(entries):
            try:
                ticket = self.check_access.ticket(viewer_id, entry.ticket)
            except AccessDenied as refused:
                rejected.append((index, "ended" if refused.reason == "ended" else "ticket"))
                refusals.append(refused.reason)
                continue
            valid.append((index, entry, ticket))
        if valid:
            blocked = await self.blocks.among(viewer_id, {ticket.author_id for _, _, ticket in valid})
            refused_now = [index for index, _, ticket in valid if ticket.author_id in blocked]
            rejected = sorted([*rejected, *((index, "ticket") for index in refused_now)])
            refusals += ["blocked"] * len(refused_now)
            valid = [entry for entry in valid if entry[2].author_id not in blocked]
        if valid:
            listed, at = await self.privacy.listed(viewer_id), truncate_to_ms(self.now())
            await self.publish(
                [
                    StoryViewed(
                        story_id=ticket.story_id,
                        author_id=ticket.author_id,
                        viewer_id=viewer_id,
                        play_id=entry.play_id or new_id(),
                        viewed_at=at,
                        watched_ms=entry.watched_ms,
                        completed=entry.completed,
                        taps=entry.taps,
                        listed=listed and ticket.view_list,
                        follower=ticket.follower,
                    )
                    for _, entry, ticket in valid
                ]
            )
        return ReportResult(len(valid), rejected, refusals)


@dataclass(frozen=True, slots=True)
class Viewer:
    """One viewer, as shown to the author."""

    viewer_id: str
    viewed_at: datetime
    plays: int
    reaction: str | None


@dataclass(frozen=True, slots=True)
class ViewerPage:
    """A page of viewers; `total` counts all, `hidden` those that no page shows."""

    viewers: Sequence[Viewer]
    total: int
    hidden: int
    next_position: Position | None = None
    """The position of the next page, if there is one."""


class ViewRepository(Protocol):
    """The rows of viewers and the counters of stories."""

    async def count(self, views: Sequence[View], now: Clock) -> CountingResult:
        """Count a batch by `count_views`, and store the result in one transaction."""

    async def marks(
        self, user_ids: Iterable[str], since: datetime | None = None
    ) -> tuple[Mapping[str, datetime], Mapping[str, datetime]]: ...

    async def erase_viewer(self, user_id: str, until: datetime) -> None: ...

    async def unlist(self, user_id: str, until: datetime) -> None: ...

    async def page(self, story_id: str, after: Position | None, limit: int, excluded: Set[str]) -> ViewerPage: ...

    async def total(self, story_id: str) -> int: ...


TRANSACTION_VIEWS = 1_000
"""Views counted in one transaction. While MongoDB carries one out, the next one is prepared."""


@dataclass(frozen=True, slots=True)
class CountViews:
    """Count a batch of views in a few transactions, and recheck after each who was erased or unlisted meanwhile.

    Snapshots leave a gap: a batch may be counted before a mark is written and committed after the mark's writer has
    cleaned up. The recheck finds the mark; after a crash here the redelivery does.
    """

    view_store: ViewRepository
    recent: RecentPlays
    now: Clock

    async def __call__(self, records: Sequence[ReceivedEvent[StoryViewed]]) -> Counter[str]:
        """The number of views by outcome."""
        views = await map_in_slices(view_of, records)
        unseen = [view for view in views if not self.recent.is_replay(view)]
        outcomes = Counter({"replayed": len(views) - len(unseen)})
        unseen.sort(key=key_of)  # the views of a story together, and those of one viewer of it in their order
        parts = [unseen[first : first + TRANSACTION_VIEWS] for first in range(0, len(unseen), TRANSACTION_VIEWS)]
        for counted in await asyncio.gather(*map(self._count, parts), return_exceptions=True):
            if isinstance(counted, BaseException):
                raise counted
            outcomes += counted
        return outcomes

    async def _count(self, views: Sequence[View]) -> Counter[str]:
        result = await self.view_store.count(views, self.now)
        await self._recheck(result, min(view.play.at for view in views))
        self.recent.remember(views)
        return result.outcomes

    async def _recheck(self, result: CountingResult, since: datetime) -> None:
        touched = {viewer_id for _, viewer_id in (*result.added, *result.plays)}
        people = touched | result.erased_with_rows | result.to_unlist
        erased, unlisted_until = await self.view_store.marks(people, since)
        forget, unlist = set(result.erased_with_rows), set(result.to_unlist)
        for row in result.added.values():
            if row.listed and row.viewed_at <= unlisted_until.get(row.viewer_id, NEVER):
                unlist.add(row.viewer_id)
        plays = [(viewer_id, row.plays.values()) for (_, viewer_id), row in result.added.items()]
        plays += [(viewer_id, new.values()) for (_, viewer_id), new in result.plays.items()]
        for viewer_id, some in plays:
            if viewer_id in erased and any(play.at <= erased[viewer_id] for play in some):
                forget.add(viewer_id)
        for viewer_id in forget & erased.keys():
            await self.view_store.erase_viewer(viewer_id, erased[viewer_id])
        for viewer_id in unlist & unlisted_until.keys():
            await self.view_store.unlist(viewer_id, unlisted_until[viewer_id])


key_of = attrgetter("story_id", "viewer_id")

NEVER = datetime.min.replace(tzinfo=UTC)
"""Before any view."""


def view_of(record: ReceivedEvent[StoryViewed]) -> View:
    """The view in an event. A missing play id is derived from the record's identity, so a redelivery adds nothing."""
    event, taps = record.event, record.event.taps or Taps()
    play_id = event.play_id or "~" + urlsafe_b64encode(hashlib.sha256(record.identity.encode()).digest()[:16]).decode()
    return View(
        story_id=event.story_id,
        viewer_id=event.viewer_id,
        play_id=play_id,
        author_id=event.author_id,
        listed=event.listed is not False,
        play=Play(
            at=min(event.viewed_at, record.appended_at),
            watched_ms=event.watched_ms,
            completed=event.completed,
            forward=taps.forward,
            back=taps.back,
            exit=taps.exit,
        ),
        follower=event.follower is True,
    )


@dataclass(frozen=True, slots=True)
class ListViewers:
    """List viewers for the author, newest first, without unlisted users and users with a block."""

    view_store: ViewRepository
    blocks: FindBlocked

    async def __call__(self, access: StoryAccess, after: Position | None, limit: int) -> ViewerPage:
        """A page of at most `limit`. `access` is the author's."""
        if not access.view_list:
            total = await self.view_store.total(access.story_id)
            return ViewerPage((), total, total)
        excluded = await self.blocks.of(access.author_id)
        page = await self.view_store.page(access.story_id, after, limit + 1, excluded)
        # The lookup of all blocks is bounded, and so is unlisting in a request: the page itself is checked too.
        people = {viewer.viewer_id for viewer in page.viewers}
        blocked = await self.blocks.among(access.author_id, people)
        _, unlisted_until = await self.view_store.marks(people)
        listed = [v for v in page.viewers[:limit] if v.viewed_at > unlisted_until.get(v.viewer_id, NEVER)]
        page = replace(page, hidden=page.hidden + len(page.viewers[:limit]) - len(listed))
        visible = [viewer for viewer in listed if viewer.viewer_id not in blocked]
        last = page.viewers[limit - 1] if len(page.viewers) > limit else None
        return replace(page, viewers=visible, next_position=(last.viewed_at, last.viewer_id) if last else None)
