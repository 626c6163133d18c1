"""Answers to stickers: polls, quizzes, questions and promo codes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response
from stories_shared.clock import rfc3339
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import STORY_ID, Body, StoryId, Text
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.openapi import refusals
from stories_shared.http.paging import Cursors, Paged
from stories_shared.http.rate_limits import rate_limited

from stories_engagement.domain.answers import Answer
from stories_engagement.routes.dependencies import StoryTicket
from stories_engagement.usecases.access import CheckAccess
from stories_engagement.usecases.answers import GiveAnswer, ListAnswers, WithdrawAnswer

MAX_CHARACTERS = 500
"""Of a text, in code points (docs/http.md)."""

MAX_OPTIONS = 4
"""Of a poll or quiz."""

NOT_SENT: Any = Field(default_factory=lambda: None)
"""An optional field without a default, in OpenAPI too: generated clients would send the default."""


class AnswerRequest(Body):
    """An answer: `option` of a poll or quiz (its index), `text` for a question, or `copied` for a promo code."""

    option: Annotated[int, Field(ge=0, lt=MAX_OPTIONS, description="the index of a poll's or quiz's option")] = NOT_SENT
    text: Annotated[str, Text(1, MAX_CHARACTERS)] = NOT_SENT
    copied: Annotated[Literal[True], Field(description="that a promo code was copied")] = NOT_SENT

    @model_validator(mode="after")
    def has_one_answer(self) -> "AnswerRequest":
        """Refuse none and several."""
        if len(self.model_fields_set) != 1:
            raise ValueError("must have one of `option`, `text` and `copied`")
        return self


class AnswerResponse(BaseModel):
    """The caller's answer and everybody's."""

    mine: Annotated[int | str | bool, Field(description="the option's index, the text, or true for a copied code")]
    tallies: Annotated[list[int], Field(description="answers by option; one number for a question or promo code")]
    correct: Annotated[int | None, Field(description="the index of a quiz's right option")]


class GivenAnswerResponse(BaseModel):
    """One answer; both `option` and `text` are null where a promo code was copied."""

    user_id: str
    option: Annotated[int | None, Field(description="the option's index; null for a text or a copied code")]
    text: Annotated[str | None, Field(description="the text; null for an option or a copied code")]
    at: str


class GivenAnswerPage(BaseModel):
    """A page of answers to one layer; `tallies` count all of them."""

    items: list[GivenAnswerResponse]
    tallies: Annotated[list[int], Field(description="answers by option; one number for a question or promo code")]
    next_cursor: str | None


def answer_routes(
    check_access: CheckAccess,
    give: GiveAnswer,
    withdraw: WithdrawAnswer,
    read: ListAnswers,
    cursors: Cursors,
) -> APIRouter:
    """One's answer to a sticker, and the author's list of all."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Engagement"])

    @router.put(
        "/v1/stories/{story_id}/answers/{layer_id}",
        dependencies=[rate_limited("reactions")],
        responses=refusals("answer-final"),
    )
    async def answer_layer(
        story_id: StoryId, layer_id: StoryId, body: AnswerRequest, caller: CurrentCaller, ticket: StoryTicket = None
    ) -> AnswerResponse:
        """Answer a sticker, in place of an earlier answer; a quiz once."""
        access = await check_access(caller.user_id, story_id, ticket)
        layer, tallies = await give(access, layer_id, Answer(body.option, body.text))
        mine = next(value for value in (body.option, body.text, body.copied) if value is not None)
        return AnswerResponse(mine=mine, tallies=list(tallies), correct=layer.correct)

    @router.delete(
        "/v1/stories/{story_id}/answers/{layer_id}", status_code=204, dependencies=[rate_limited("reactions")]
    )
    async def withdraw_answer(
        story_id: StoryId, layer_id: StoryId, caller: CurrentCaller, ticket: StoryTicket = None
    ) -> Response:
        """Take one's answer back. Needs no ticket where there was one."""
        await withdraw(caller.user_id, story_id, layer_id, ticket)
        return Response(status_code=204)

    @router.get("/v1/stories/{story_id}/answers", dependencies=[rate_limited("reads")])
    async def list_answers(
        story_id: StoryId,
        layer_id: Annotated[str, Query(pattern=STORY_ID, description="the layer that was answered")],
        caller: CurrentCaller,
        page: Paged,
    ) -> GivenAnswerPage:
        """Who answered what, newest first. For the author only."""
        access = check_access.author(caller.user_id, story_id)
        name = f"answers {story_id} {layer_id}"
        after = cursors.position(name, caller.user_id, page, tuple[datetime, str])
        found, tallies, next_position = await read(access, layer_id, after, page.limit)
        return GivenAnswerPage(
            items=[
                GivenAnswerResponse(
                    user_id=given.user_id, option=given.answer.option, text=given.answer.text, at=rfc3339(given.at)
                )
                for given in found
            ],
            tallies=list(tallies),
            next_cursor=cursors.encode(name, caller.user_id, next_position) if next_position else None,
        )

    return router
