"""The public configuration."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from stories_shared.events.layers import KINDS as LAYER_KINDS
from stories_shared.http.bodies import StrictRoute
from stories_shared.runtime.service import version_of
from stories_shared.runtime.settings import duration_text

from stories_ingest.domain.media import AUDIO_CODECS, VIDEO_CODECS
from stories_ingest.domain.story import AUDIENCES, COMMENTS, PHOTOS, VIDEOS, Audience, CommentsFrom, MediaType
from stories_ingest.settings import IngestSettings

FEATURES = {
    "answers": "answer_layer",
    "comments": "create_comment",
    "for_you": "list_for_you",
    "reactions": "set_reaction",
    "reports": "report_story",
    "shares": "share_story",
    "webhooks": "create_webhook",
}
"""What every installation has, with the operation that a client calls for it; a test looks them up."""


class BatchResponse(BaseModel):
    """How many one request may ask for or report."""

    rings: Annotated[int, Field(description="users of `GET /v1/rings`")]
    reels: Annotated[int, Field(description="users of `GET /v1/reels`")]
    views: Annotated[int, Field(description="entries of `POST /v1/views`")]


class AcceptedCodecs(BaseModel):
    """Codecs that an upload may have, as ffmpeg calls them."""

    video: Annotated[list[str], Field(description="codecs of the picture")]
    audio: Annotated[list[str], Field(description="codecs of the sound; `pcm` is PCM of every kind")]


class ConfigResponse(BaseModel):
    """What this installation is: its version, bounds, vocabularies and features."""

    version: Annotated[str, Field(description="the release that runs")]
    lifetimes: Annotated[list[str], Field(description="how long a story may live; the first is the default")]
    max_clip_ms: Annotated[int, Field(description="milliseconds of a part; a longer clip is split or refused")]
    max_parts: Annotated[int, Field(description="how many parts a split clip may have")]
    max_upload_bytes: Annotated[int, Field(description="bytes of an upload at most")]
    content_types: Annotated[list[MediaType], Field(description="media types that may be uploaded")]
    codecs: Annotated[AcceptedCodecs, Field(description="codecs that an upload may have")]
    audiences: Annotated[list[Audience], Field(description="values of `audience`")]
    comments: Annotated[list[CommentsFrom], Field(description="values of `comments`")]
    layer_kinds: Annotated[list[str], Field(description="kinds of layers")]
    follows: Annotated[
        Literal["open", "events"],
        Field(description="whether users follow through this API, or only the host application decides"),
    ]
    features: Annotated[list[str], Field(description="what is switched on; more names may come with any release")]
    batch: Annotated[BatchResponse, Field(description="bounds of requests about many")]
    limits: Annotated[dict[str, int], Field(description="requests per user and minute, by the limit's name")]


def config_of(settings: IngestSettings) -> ConfigResponse:
    """The settings that clients may read."""
    switched = {"archive": settings.archive, "photos": settings.still_images, "renditions": bool(settings.renditions)}
    return ConfigResponse(
        version=version_of("ingest"),
        lifetimes=[duration_text(lifetime) for lifetime in settings.story_lifetimes],
        max_clip_ms=settings.max_clip_ms,
        max_parts=settings.max_parts,
        max_upload_bytes=settings.max_upload_bytes,
        content_types=[*VIDEOS, *(PHOTOS if settings.still_images else ())],
        codecs=AcceptedCodecs(video=list(VIDEO_CODECS), audio=list(AUDIO_CODECS)),
        audiences=list(AUDIENCES),
        comments=list(COMMENTS),
        layer_kinds=list(LAYER_KINDS),
        follows=settings.follows,
        features=sorted({*FEATURES, *(name for name, on in switched.items() if on)}),
        batch=BatchResponse(rings=100, reels=20, views=100),
        limits=settings.all_limits,
    )


def config_route(settings: IngestSettings) -> APIRouter:
    """The route that needs no token."""
    config = config_of(settings)
    router = APIRouter(route_class=StrictRoute, tags=["Installation"])

    @router.get("/v1/config")
    async def get_config() -> ConfigResponse:
        """Bounds, vocabularies and limits."""
        return config

    return router
