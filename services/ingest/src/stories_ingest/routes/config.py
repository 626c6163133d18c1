"""The public configuration."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from stories_shared.http.bodies import StrictRoute

from stories_ingest.domain.story import Audience, CommentsFrom, MediaType


class AcceptedCodecs(BaseModel):
    """Codecs that an upload may have, as ffmpeg calls them."""

    video: Annotated[list[str], Field(description="codecs of the picture")]
    audio: Annotated[list[str], Field(description="codecs of the sound; `pcm` is PCM of every kind")]


class ConfigResponse(BaseModel):
    """The bounds and vocabularies of this installation."""

    lifetimes: Annotated[list[str], Field(description="how long a story may live; the first is the default")]
    max_clip_ms: Annotated[int, Field(description="milliseconds of a part; a longer clip is split or refused")]
    max_parts: Annotated[int, Field(description="how many parts a split clip may have")]
    max_upload_bytes: Annotated[int, Field(description="bytes of an upload at most")]
    content_types: Annotated[list[MediaType], Field(description="media types that may be uploaded")]
    codecs: Annotated[AcceptedCodecs, Field(description="codecs that an upload may have")]
    audiences: Annotated[list[Audience], Field(description="values of `audience`")]
    comments: Annotated[list[CommentsFrom], Field(description="values of `comments`")]
    layer_kinds: Annotated[list[str], Field(description="kinds of layers")]
    limits: Annotated[dict[str, int], Field(description="requests per user and minute, by the limit's name")]


def config_route(config: ConfigResponse) -> APIRouter:
    """The route that needs no token."""
    router = APIRouter(route_class=StrictRoute, tags=["Installation"])

    @router.get("/v1/config")
    async def get_config() -> ConfigResponse:
        """Bounds, vocabularies and limits."""
        return config

    return router
