"""Response bodies."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel
from stories_shared.clock import rfc3339
from stories_shared.runtime.settings import duration_text

from stories_ingest.domain.story import Story
from stories_ingest.domain.uploads import PresignedPost
from stories_ingest.usecases.read import StoryWithParts


class MediaResponse(BaseModel):
    """What was promised to be uploaded."""

    content_type: str
    size: int


class BackgroundResponse(BaseModel):
    """The picture of a text story: one colour, or two and the angle of their gradient."""

    background: str | list[str]
    angle: float | None = None


class UploadResponse(BaseModel):
    """A form to upload with: `fields` first, then `file`."""

    method: str = "POST"
    url: str
    fields: dict[str, str]
    expires_at: str


class SoundResponse(BaseModel):
    """The sound a story is set to."""

    id: str
    title: str
    artist: str
    start_ms: int
    length_ms: int


class StoryResponse(BaseModel):
    """A story as its author sees it; what its state does not have yet is null."""

    id: str
    state: str
    author_id: str
    created_at: str
    media: MediaResponse | BackgroundResponse
    lifetime: str
    audience: str
    hide_from: list[str]
    comments: str
    reactions: bool
    sharing: bool
    download: bool
    view_list: bool
    caption: str | None
    layers: list[dict[str, Any]]
    captions_track: str | None
    sound: SoundResponse | None
    split: bool
    alt_text: str | None
    progress: float | None
    reason: str | None
    vanishes_at: str | None
    posted_at: str | None
    expires_at: str | None
    kind: str | None
    content_type: str | None
    size: int | None
    width: int | None
    height: int | None
    duration_ms: int | None
    has_audio: bool | None
    codecs: str | None
    series_id: str | None
    part: int
    parts: int
    part_ids: list[str]


class DraftResponse(StoryResponse):
    """A story just asked for; `upload` is null once it is past being a draft."""

    upload: UploadResponse | None


class ProcessingResponse(BaseModel):
    """How far the media work has come, 0 to 1."""

    id: str
    state: str = "processing"
    progress: float


class QuotaResponse(BaseModel):
    """How much an author may still post."""

    live: int
    max_live: int
    posted_24h: int
    max_posted_24h: int
    retry_after_s: int


class DeletingResponse(BaseModel):
    """How many stories are being deleted."""

    deleting: int


class EligibilityResponse(BaseModel):
    """What the rollout policy lets the caller do; `reason` is why not."""

    create: bool
    view: bool
    reason: Literal["country", "percentage", "denied", "paused"] | None


def timestamp_or_none(at: datetime | None) -> str | None:
    """The time in RFC 3339, or None."""
    return rfc3339(at) if at else None


def upload_response(form: PresignedPost) -> UploadResponse:
    """The response for an upload form."""
    return UploadResponse(url=form.url, fields=dict(form.fields), expires_at=rfc3339(form.expires_at))


def story_response(own: StoryWithParts) -> StoryResponse:
    """The response for a story of the author."""
    return StoryResponse(**story_fields(own))


def draft_response(own: StoryWithParts, form: PresignedPost | None) -> DraftResponse:
    """The response for a draft, with its upload form."""
    return DraftResponse(**story_fields(own), upload=upload_response(form) if form else None)


def story_fields(own: StoryWithParts) -> dict[str, Any]:
    """The fields of `StoryResponse`."""
    story = own.story
    return {
        **_request_fields(story),
        **_posted_fields(story),
        "progress": round(story.job.progress, 3) if story.job else None,
        "reason": story.reason,
        "vanishes_at": timestamp_or_none(story.vanishes_at),
        "part_ids": list(own.part_ids),
    }


def media_response(story: Story) -> MediaResponse | BackgroundResponse:
    """What was asked to be the media."""
    if story.background is None:
        return MediaResponse(content_type=story.content_type, size=story.size)
    colors = list(story.background.colors)
    return BackgroundResponse(background=colors if len(colors) > 1 else colors[0], angle=story.background.angle)


def _request_fields(story: Story) -> dict[str, Any]:
    settings, overlay = story.settings, story.overlay
    return {
        "id": story.id,
        "state": str(story.state),
        "author_id": story.author_id,
        "created_at": rfc3339(story.created_at),
        "media": media_response(story),
        "lifetime": duration_text(story.lifetime),
        "audience": settings.audience,
        "hide_from": list(settings.hide_from),
        "comments": settings.comments,
        "reactions": settings.reactions,
        "sharing": settings.sharing,
        "download": settings.download,
        "view_list": settings.view_list,
        "caption": overlay.caption,
        "layers": [dict(layer) for layer in overlay.layers],
        "captions_track": overlay.captions_track,
        "sound": SoundResponse.model_validate(overlay.sound, from_attributes=True) if overlay.sound else None,
        "split": story.split,
        "alt_text": overlay.alt_text,
    }


def _posted_fields(story: Story) -> dict[str, Any]:
    posted = story.posted
    media = posted.media if posted else None
    return {
        "posted_at": timestamp_or_none(posted.posted_at if posted else None),
        "expires_at": timestamp_or_none(posted.expires_at if posted else None),
        "kind": media.kind if media else None,
        "content_type": media.content_type if media else None,
        "size": media.size if media else None,
        "width": media.width if media else None,
        "height": media.height if media else None,
        "duration_ms": media.duration_ms if media else None,
        "has_audio": media.has_audio if media else None,
        "codecs": media.codecs if media else None,
        "series_id": posted.series_id if posted else None,
        "part": posted.part if posted else 1,
        "parts": posted.parts if posted else 1,
    }
