"""The caller's settings: view history and hidden words."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import Body, Text
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.rate_limits import rate_limited

from stories_engagement.usecases.hidden_words import HiddenWordsRepository, SetHiddenWords
from stories_engagement.usecases.privacy import PrivacyRepository, SetPrivacy

MAX_WORDS = 500
"""Hidden words of an author: each comment is compared with all of them."""

MAX_CHARACTERS = 100
"""Of a hidden word, which may be several words."""


class PrivacyRequest(Body):
    """Whether the caller is listed as a viewer."""

    view_history: Annotated[bool, Field(description="whether authors see the caller in their lists of viewers")]


class PrivacyResponse(BaseModel):
    """Whether the caller is listed as a viewer from now on."""

    view_history: Annotated[bool, Field(description="whether authors see the caller in their lists of viewers")]


class HiddenWordsRequest(Body):
    """Words that hide a comment. Case, accents' encoding and width do not matter."""

    words: Annotated[
        list[Annotated[str, Text(1, MAX_CHARACTERS)]],
        Field(
            max_length=MAX_WORDS,
            description="the whole list, at most 500 of 1 to 100 code points; it replaces the one before",
        ),
    ]


class HiddenWordsResponse(BaseModel):
    """The caller's hidden words."""

    words: Annotated[list[str], Field(description="the words, as they are compared")]


def me_routes(
    privacy: PrivacyRepository, change_privacy: SetPrivacy, hidden: HiddenWordsRepository, set_words: SetHiddenWords
) -> APIRouter:
    """The caller's own settings."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Privacy"])

    @router.get("/v1/me/privacy", dependencies=[rate_limited("reads")])
    async def get_privacy(caller: CurrentCaller) -> PrivacyResponse:
        """Whether one is listed as a viewer."""
        return PrivacyResponse(view_history=await privacy.listed(caller.user_id))

    @router.put("/v1/me/privacy", dependencies=[rate_limited("writes")])
    async def set_privacy(body: PrivacyRequest, caller: CurrentCaller) -> PrivacyResponse:
        """Off unlists at once, for good, from every live story."""
        await change_privacy(caller.user_id, body.view_history)
        return PrivacyResponse(view_history=body.view_history)

    @router.get("/v1/me/hidden-words", dependencies=[rate_limited("reads")])
    async def get_hidden_words(caller: CurrentCaller) -> HiddenWordsResponse:
        """The words that hide comments under one's stories."""
        return HiddenWordsResponse(words=list(await hidden.words(caller.user_id)))

    @router.put("/v1/me/hidden-words", dependencies=[rate_limited("writes")])
    async def set_hidden_words(body: HiddenWordsRequest, caller: CurrentCaller) -> HiddenWordsResponse:
        """Readers see comments by the new words at once; counts follow within seconds."""
        return HiddenWordsResponse(words=list(await set_words(caller.user_id, body.words)))

    return router
