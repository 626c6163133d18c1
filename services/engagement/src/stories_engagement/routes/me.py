"""What people set for themselves: whether they are listed as viewers, and words they do not want to see."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from stories_shared.http.app import Who
from stories_shared.http.bodies import Body, Text
from stories_shared.http.deadline import TimelyRoute
from stories_shared.http.rate_limits import limited

from stories_engagement.usecases.users import ReadHiddenWords, ReadPrivacy, SetHiddenWords, SetPrivacy

MOST_WORDS = 500
"""Hidden words of an author: each comment is compared with all of them."""

MOST_CHARACTERS = 100
"""Of a hidden word, which may be several words."""


class PrivacyGiven(Body):
    """Whether the caller is listed as a viewer."""

    view_history: bool


class PrivacyShape(BaseModel):
    """Whether the caller is listed as a viewer from now on."""

    view_history: bool


class WordsGiven(Body):
    """Words that hide a comment. Case, accents' encoding and width do not matter."""

    words: Annotated[list[Annotated[str, Text(1, MOST_CHARACTERS)]], Field(max_length=MOST_WORDS)]


class WordsShape(BaseModel):
    """The caller's hidden words."""

    words: list[str]


def me_routes(
    read_privacy: ReadPrivacy, set_privacy: SetPrivacy, read_words: ReadHiddenWords, set_words: SetHiddenWords
) -> APIRouter:
    """The caller's own settings."""
    router = APIRouter(route_class=TimelyRoute, tags=["me"])

    @router.get("/v1/me/privacy", dependencies=[limited("reads")])
    async def get_privacy(caller: Who) -> PrivacyShape:
        """Whether one is listed as a viewer."""
        return PrivacyShape(view_history=await read_privacy(caller.user_id))

    @router.put("/v1/me/privacy", dependencies=[limited("writes")])
    async def put_privacy(body: PrivacyGiven, caller: Who) -> PrivacyShape:
        """Off unlists at once, for good, from every live story."""
        await set_privacy(caller.user_id, body.view_history)
        return PrivacyShape(view_history=body.view_history)

    @router.get("/v1/me/hidden-words", dependencies=[limited("reads")])
    async def get_hidden_words(caller: Who) -> WordsShape:
        """The words that hide comments under one's stories."""
        return WordsShape(words=list(await read_words(caller.user_id)))

    @router.put("/v1/me/hidden-words", dependencies=[limited("writes")])
    async def put_hidden_words(body: WordsGiven, caller: Who) -> WordsShape:
        """Readers see comments by the new words at once; counts follow within seconds."""
        return WordsShape(words=list(await set_words(caller.user_id, body.words)))

    return router
