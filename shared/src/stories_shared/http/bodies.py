"""Request bodies: a strict base model, common string and id types, and the route class that parses strictly."""

import time
import unicodedata
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from starlette.requests import Request
from starlette.responses import Response

from stories_shared.auth.tokens import USER_ID
from stories_shared.events.ecma_patterns import ecma
from stories_shared.events.ids import UUID
from stories_shared.events.layers import ANY_TEXT, NOT_BLANK
from stories_shared.http.authentication import Bearer
from stories_shared.http.emojis import fully_qualified
from stories_shared.http.queries import read_query
from stories_shared.http.strict_json import is_clean, read_document

Handle = Callable[[Request], Awaitable[Response]]

STORY_ID = ecma(UUID)


class Body(BaseModel):
    """A request body: no unknown fields, no conversion. JSON types only (``Literal`` rather than ``Enum``)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class Text:
    """``Annotated[str, Text(1, 500)]``: NFC, trimmed, ``min`` to ``max`` code points; no NUL, no lone surrogate."""

    min: int
    max: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.read, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        pattern = ANY_TEXT if self.min == 0 else NOT_BLANK
        return {"type": "string", "minLength": self.min, "maxLength": self.max, "pattern": ecma(pattern)}

    def read(self, text: str) -> str:
        """The normalised string. Raises ValueError."""
        if not is_clean(text):
            raise PydanticCustomError("text", "must not hold NUL or half a surrogate pair")
        text = unicodedata.normalize("NFC", text).strip()
        if not self.min <= len(text) <= self.max:
            raise PydanticCustomError("text", "must have {min} to {max} characters", {"min": self.min, "max": self.max})
        return text


UserId = Annotated[str, Field(pattern=USER_ID, examples=["ann"])]
"""A user's id: 404 where it is malformed in a path, 422 in a body."""

StoryId = Annotated[str, Field(pattern=STORY_ID, examples=["01981d5a-7c00-7000-8000-000000000001"])]
"""A story's, comment's or report's id: 404 where it is malformed in a path, 422 in a body."""


def one_emoji(text: str) -> str:
    qualified = fully_qualified(text)
    if qualified is None:
        raise PydanticCustomError("emoji", "must be one emoji")
    return qualified


EMOJI_SCHEMA = {"type": "string", "format": "emoji", "minLength": 1, "maxLength": 32, "examples": ["❤️", "👍🏽"]}
Emoji = Annotated[str, AfterValidator(one_emoji), WithJsonSchema(EMOJI_SCHEMA)]
"""One RGI emoji sequence (UTS 51), normalised to its fully qualified form."""


class StrictRoute(APIRoute):
    """A FastAPI route that authenticates first, then parses query and body strictly.

    ``APIRouter(route_class=StrictRoute)``. Declare dependencies on the route or its router, not on ``include_router``.
    """

    def get_route_handler(self) -> Handle:  # type: ignore[override]
        inner = super().get_route_handler()
        bearers = [call for each in dependants(self.dependant) if isinstance(call := each.call, Bearer)]
        bearer = max(bearers, key=lambda each: each.admin, default=None)  # others learn nothing of the body
        names = {field.alias for dependant in dependants(self.dependant) for field in dependant.query_params}
        body = self.body_field

        async def handle(request: Request) -> Response:
            began = time.monotonic()
            if bearer is not None:
                await bearer(request)
            authenticated_after = time.monotonic() - began
            if raw_query := request.scope.get("query_string"):
                read_query(raw_query, names)
            if body is not None:
                document = await read_document(request, optional=not body.field_info.is_required())
                request._body, request._json = as_read(document)  # noqa: SLF001  (what FastAPI reads)
                request.scope["stories.document"] = document
            return await self.answer(request, inner, authenticated_after)

        return handle

    async def answer(self, request: Request, inner: Handle, _spent: float) -> Response:
        """Call FastAPI's handler; ``_spent`` seconds passed before the body was read."""
        return await inner(request)


def as_read(document: Any) -> tuple[bytes, Any]:
    """Starlette's cached body and JSON of a request: FastAPI only checks whether there is a body, and uses the JSON."""
    return (b"" if document is None else b"{}"), document


def dependants(root: Dependant) -> Iterator[Dependant]:
    yield root
    for dependency in root.dependencies:
        yield from dependants(dependency)
