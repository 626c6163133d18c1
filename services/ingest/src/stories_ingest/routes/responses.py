"""Response bodies."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Field, WithJsonSchema
from stories_shared.auth.tokens import USER_ID
from stories_shared.clock import rfc3339
from stories_shared.runtime.settings import duration_text

from stories_ingest.domain.errors import Reason
from stories_ingest.domain.media import Media
from stories_ingest.domain.story import Audience, CommentsFrom, MediaType, State, Story
from stories_ingest.domain.uploads import PresignedPost
from stories_ingest.usecases.me import StoryWithParts

StateName = Annotated[State, WithJsonSchema({"type": "string", "enum": [*State]})]
MediaKind = Literal["video", "photo"]
Layer = Annotated[dict[str, Any], WithJsonSchema({"$ref": "#/components/schemas/Layer"})]


class MediaResponse(BaseModel):
    """What was promised to be uploaded."""

    content_type: MediaType
    size: int


class BackgroundResponse(BaseModel):
    """The picture of a text story: one colour, or two and the angle of their gradient."""

    background: Annotated[str | list[str], Field(description="`#rrggbb`, or two of them")]
    angle: Annotated[float | None, Field(description="degrees clockwise as in CSS; null for one colour")] = None


class RepostedFromResponse(BaseModel):
    """The story that a repost copies, and its author."""

    story_id: Annotated[str, Field(description="id of the original")]
    author_id: Annotated[str, Field(description="its author")]


class UploadResponse(BaseModel):
    """A form to upload with: `fields` first, then `file`."""

    method: Annotated[Literal["POST"], Field(description="the HTTP method")] = "POST"
    url: Annotated[str, Field(description="where to send the form: the object store")]
    fields: Annotated[dict[str, str], Field(description="the form's fields; they go before the field `file`")]
    expires_at: Annotated[str, Field(description="when the form ends; ask for a fresh one then")]


class SoundResponse(BaseModel):
    """The music of a story and the part of it to play."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    title: Annotated[str, Field(max_length=300)]
    artist: Annotated[str, Field(max_length=300)]
    start_ms: Annotated[int, Field(ge=0, le=86_400_000)]
    length_ms: Annotated[int, Field(ge=0, le=86_400_000)]


class StoryResponse(BaseModel):
    """A story as its author sees it; what its state does not have yet is null."""

    id: str
    state: StateName
    author_id: str
    created_at: str
    media: MediaResponse | BackgroundResponse
    lifetime: str
    audience: Audience
    hide_from: list[str]
    comments: CommentsFrom
    reactions: bool
    sharing: bool
    download: bool
    view_list: bool
    caption: str | None
    layers: list[Layer]
    captions_track: str | None
    sound: SoundResponse | None
    split: bool
    alt_text: str | None
    reposted_from: Annotated[RepostedFromResponse | None, Field(description="the original of a repost; else null")]
    progress: Annotated[float, Field(ge=0, le=1)] | None
    reason: Annotated[Reason | None, Field(description="why the media was refused; null in other states")]
    vanishes_at: Annotated[
        str | None, Field(description="when a draft or a refused story vanishes; null for a live one")
    ]
    publish_at: Annotated[str | None, Field(description="when a scheduled story goes live; null for others")]
    posted_at: str | None
    expires_at: str | None
    kind: Annotated[MediaKind | None, Field(description="whether it plays or stands; null before it is live")]
    content_type: Annotated[str | None, Field(description="the media type as stored; null before it is live")]
    size: int | None
    width: int | None
    height: int | None
    duration_ms: int | None
    has_audio: bool | None
    codecs: str | None
    series_id: str | None
    part: int
    parts: int
    media_url: Annotated[str | None, Field(description="the media, a presigned URL of a live story; else null")]
    poster_url: Annotated[str | None, Field(description="a still picture, a presigned URL of a live story; else null")]
    part_ids: Annotated[
        list[str], Field(description="ids of all parts of a split clip, in order; empty if it is not split")
    ]


class DraftResponse(StoryResponse):
    """A story just asked for; `upload` is null once it is past being a draft."""

    upload: Annotated[
        UploadResponse | None,
        Field(description="the upload form of a draft; null if a repeated request finds it past that"),
    ]


class ProcessingResponse(BaseModel):
    """How far the media work has come, 0 to 1."""

    id: str
    state: Literal["processing"] = "processing"
    progress: Annotated[float, Field(ge=0, le=1)]


class ScheduledResponse(BaseModel):
    """When a scheduled story goes live."""

    id: str
    state: Literal["scheduled"] = "scheduled"
    publish_at: Annotated[str, Field(description="when it goes live")]


class QuotaResponse(BaseModel):
    """How much an author may still post."""

    live: Annotated[int, Field(description="stories that live now")]
    max_live: Annotated[int, Field(description="how many may live at a time")]
    posted_24h: Annotated[int, Field(description="stories that went live within 24 hours, deleted ones too")]
    max_posted_24h: Annotated[int, Field(description="how many may go live within 24 hours")]
    retry_after_s: Annotated[int, Field(description="seconds until the next story may be posted, 0 if at once")]


class DeletingResponse(BaseModel):
    """How many stories are being deleted."""

    deleting: Annotated[int, Field(ge=0, description="stories that are being deleted")]


class EligibilityResponse(BaseModel):
    """What the rollout policy lets the caller do; `reason` is why not."""

    create: Annotated[bool, Field(description="whether the caller may post")]
    view: Annotated[bool, Field(description="whether the caller sees stories")]
    reason: Annotated[
        Literal["country", "percentage", "denied", "paused"] | None, Field(description="why not; null if both are true")
    ]


class MeResponse(BaseModel):
    """The caller, and what they may post."""

    id: Annotated[str, Field(pattern=USER_ID, description="the caller's user id, as the token names it")]
    country: Annotated[str | None, Field(description="the token's country, ISO 3166-1 alpha-2; null without one")]
    roles: Annotated[list[str], Field(description="the token's roles, such as `admin`")]
    quota: Annotated[QuotaResponse, Field(description="how much the caller may still post")]
    eligibility: Annotated[EligibilityResponse, Field(description="what the rollout policy lets the caller do")]


def timestamp_or_none(at: datetime | None) -> str | None:
    """The time in RFC 3339, or None."""
    return rfc3339(at) if at else None


def upload_response(form: PresignedPost) -> UploadResponse:
    """The response for an upload form."""
    return UploadResponse(url=form.url, fields=dict(form.fields), expires_at=rfc3339(form.expires_at))


def story_response(own: StoryWithParts) -> StoryResponse:
    """The response for a story of the author."""
    return StoryResponse.model_validate(story_fields(own), from_attributes=True)


def draft_response(own: StoryWithParts, form: PresignedPost | None) -> DraftResponse:
    """The response for a draft, with its upload form."""
    fields = {**story_fields(own), "upload": upload_response(form) if form else None}
    return DraftResponse.model_validate(fields, from_attributes=True)


def story_fields(own: StoryWithParts) -> dict[str, Any]:
    """The fields of `StoryResponse`."""
    story, overlay, posted = own.story, own.story.overlay, own.story.posted
    return {
        "id": story.id,
        "state": story.shown_state,
        "author_id": story.author_id,
        "created_at": rfc3339(story.created_at),
        "media": media_response(story),
        "lifetime": duration_text(story.lifetime),
        **asdict(story.settings),
        "caption": overlay.caption,
        "layers": overlay.layers,
        "captions_track": overlay.captions_track,
        "sound": overlay.sound,
        "split": story.split,
        "alt_text": overlay.alt_text,
        "reposted_from": story.reposted_from,
        "progress": round(story.job.progress, 3) if story.job else None,
        "reason": story.reason,
        "vanishes_at": timestamp_or_none(story.vanishes_at),
        "publish_at": timestamp_or_none(story.publish_at),
        "posted_at": timestamp_or_none(posted.posted_at if posted else None),
        "expires_at": timestamp_or_none(posted.expires_at if posted else None),
        **media_fields(posted.media if posted else None),
        "series_id": posted.series_id if posted else None,
        "part": posted.part if posted else 1,
        "parts": posted.parts if posted else 1,
        "media_url": own.media_url,
        "poster_url": own.poster_url,
        "part_ids": own.part_ids,
    }


def media_fields(media: Media | None) -> dict[str, Any]:
    """The fields of a story that are those of its media; all None without media."""
    names = ("kind", "content_type", "size", "width", "height", "duration_ms", "has_audio", "codecs")
    return {name: getattr(media, name, None) for name in names}


def media_response(story: Story) -> MediaResponse | BackgroundResponse:
    """What was asked to be the media."""
    if story.background is None:
        return MediaResponse(content_type=cast("MediaType", story.content_type), size=story.size)
    colors = list(story.background.colors)
    return BackgroundResponse(background=colors if len(colors) > 1 else colors[0], angle=story.background.angle)
