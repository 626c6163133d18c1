"""Insights: the figures of one story, and of an author's stories of a period."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from stories_shared.clock import Clock, rfc3339
from stories_shared.events import EARLIEST, RFC_3339, bounded_time
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import StoryId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.paging import Cursors, Paged
from stories_shared.http.problems import invalid
from stories_shared.http.rate_limits import rate_limited

from stories_engagement.domain.answers import AnswerableKind
from stories_engagement.domain.insights import Totals, completion_rate, mean_watch_ms
from stories_engagement.usecases.insights import Period, ReadInsights, StoryInsights


def read_time(value: Any) -> datetime:
    """A time of a query: RFC 3339 with an offset, not a number. Raises ValueError."""
    try:
        if re.match(RFC_3339, value):
            return bounded_time(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        pass
    raise PydanticCustomError("time", "must be a time of RFC 3339, such as 2026-11-22T08:00:00.000Z")


QueryTime = Annotated[
    datetime, BeforeValidator(read_time), Field(json_schema_extra={"pattern": RFC_3339.replace(r"\Z", "$")})
]


class ReachResponse(BaseModel):
    """The viewers of a story: all, and by their relation to the author at their first view."""

    total: Annotated[int, Field(description="all viewers")]
    followers: Annotated[
        int | None, Field(description="those who followed the author; null once sealed with too few viewers")
    ]
    others: Annotated[
        int | None, Field(description="those who did not, or of whom it is unknown; null with `followers`")
    ]


class TapSumsResponse(BaseModel):
    """How often viewers tapped forward, back and out during all plays."""

    forward: Annotated[int, Field(description="taps to the next story")]
    back: Annotated[int, Field(description="taps to the one before")]
    exit: Annotated[int, Field(description="taps out")]


class PartViewersResponse(BaseModel):
    """How many viewers one part of the series had."""

    part: Annotated[int, Field(description="the number of the part, from 1")]
    viewers: Annotated[int, Field(description="its viewers")]


class LayerTalliesResponse(BaseModel):
    """Answers to one sticker: by option, or one number for a question or promo code."""

    layer_id: str
    kind: Annotated[AnswerableKind, Field(description="the kind of the sticker")]
    tallies: Annotated[list[int] | None, Field(description="answers by option; null once sealed with too few answers")]


class InsightsResponse(BaseModel):
    """The figures of one story. Once they are sealed, breakdowns of too few people are null."""

    story_id: str
    posted_at: str
    sealed: Annotated[bool, Field(description="whether the story has ended and its figures are final")]
    sealed_at: Annotated[str | None, Field(description="when it was sealed; null while it lives")]
    reach: Annotated[ReachResponse, Field(description="viewers by their relation to the author")]
    plays: Annotated[int, Field(description="plays by all viewers")]
    completion_rate: Annotated[float, Field(ge=0, le=1, description="plays completed of all plays, 0 without plays")]
    mean_watch_ms: Annotated[int, Field(description="watched per play, 0 without plays")]
    taps: Annotated[TapSumsResponse, Field(description="taps during all plays")]
    drop_off: Annotated[list[PartViewersResponse] | None, Field(description="viewers by part of the series")]
    reactions: Annotated[dict[str, int] | None, Field(description="by emoji, the most frequent first")]
    comments: Annotated[int, Field(description="comments with replies, without hidden ones")]
    shares: Annotated[int, Field(description="viewers who shared it")]
    answers: Annotated[list[LayerTalliesResponse], Field(description="of each sticker that can be answered")]


class InsightsTotals(BaseModel):
    """The figures of all stories of the period; a viewer of two stories counts twice in `reach`."""

    stories: Annotated[int, Field(description="stories of the period")]
    reach: Annotated[int, Field(description="viewers, counted for each story")]
    plays: Annotated[int, Field(description="plays of all stories")]
    completion_rate: Annotated[float, Field(description="plays completed of all plays, 0 without plays")]
    mean_watch_ms: Annotated[int, Field(description="watched per play, 0 without plays")]
    taps: Annotated[TapSumsResponse, Field(description="taps during all plays")]
    reactions: Annotated[int, Field(description="reactions to all stories")]
    comments: Annotated[int, Field(description="comments with replies, without hidden ones")]
    shares: Annotated[int, Field(description="shares, one for each viewer and story")]
    answers: Annotated[int, Field(description="answers to stickers")]


class InsightsPage(BaseModel):
    """The totals of a period, and a page of its stories, the newest first."""

    totals: Annotated[InsightsTotals, Field(description="the figures of all stories of the period")]
    items: list[InsightsResponse]
    next_cursor: str | None


def insights_response(found: StoryInsights) -> InsightsResponse:
    """The response for one story."""
    figures, parts = found.insights, found.drop_off
    return InsightsResponse(
        story_id=figures.story_id,
        posted_at=rfc3339(figures.posted_at),
        sealed=figures.sealed_at is not None,
        sealed_at=rfc3339(figures.sealed_at) if figures.sealed_at is not None else None,
        reach=ReachResponse(total=figures.viewers, followers=figures.followers, others=figures.others),
        plays=figures.plays,
        completion_rate=completion_rate(figures),
        mean_watch_ms=mean_watch_ms(figures),
        taps=TapSumsResponse.model_validate(figures, from_attributes=True),
        drop_off=None if parts is None else [PartViewersResponse(part=p, viewers=n) for p, n in parts.items()],
        reactions=None if figures.emoji is None else dict(figures.emoji),
        comments=figures.comments,
        shares=figures.shares,
        answers=[LayerTalliesResponse.model_validate(layer, from_attributes=True) for layer in figures.layers],
    )


def totals_response(totals: Totals) -> InsightsTotals:
    """The response for several stories together."""
    return InsightsTotals(
        stories=totals.stories,
        reach=totals.viewers,
        plays=totals.plays,
        completion_rate=completion_rate(totals),
        mean_watch_ms=mean_watch_ms(totals),
        taps=TapSumsResponse.model_validate(totals, from_attributes=True),
        reactions=totals.reactions,
        comments=totals.comments,
        shares=totals.shares,
        answers=totals.answered,
    )


def insight_routes(read: ReadInsights, cursors: Cursors, now: Clock) -> APIRouter:
    """Insights for authors."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Insights"])

    @router.get("/v1/stories/{story_id}/insights", dependencies=[rate_limited("reads")])
    async def get_insights(story_id: StoryId, caller: CurrentCaller) -> InsightsResponse:
        """The figures of a story, while it lives and after it has expired. For its author only."""
        return insights_response(await read.story(caller.user_id, story_id))

    @router.get("/v1/me/insights", dependencies=[rate_limited("reads")])
    async def list_insights(
        caller: CurrentCaller,
        page: Paged,
        begin: Annotated[
            QueryTime | None, Query(alias="from", description="stories posted from this time on, by default all")
        ] = None,
        end: Annotated[
            QueryTime | None, Query(alias="to", description="stories posted before this time, by default now")
        ] = None,
    ) -> InsightsPage:
        """The totals of the caller's stories of a period, and each of them, the newest first."""
        period = Period(begin or EARLIEST, end or now().astimezone(UTC))
        if period.end < period.begin:
            raise invalid("must not be before `from`", "query", "to")
        name = f"insights {begin} {end}"
        after = cursors.position(name, caller.user_id, page, tuple[datetime, str])
        totals, found, next_position = await read.stories(caller.user_id, period, after, page.limit)
        return InsightsPage(
            totals=totals_response(totals),
            items=[insights_response(each) for each in found],
            next_cursor=cursors.encode(name, caller.user_id, next_position) if next_position else None,
        )

    return router
