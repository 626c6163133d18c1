"""Request bodies."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from stories_shared.events import MAX_LAYER_BYTES, MAX_TRACK_BYTES, bounded_json
from stories_shared.events.ids import new_id
from stories_shared.http.bodies import Body, Text, UserId
from stories_shared.http.strict_json import is_clean

from stories_ingest.domain.story import Audience, CommentsFrom, LayerKind, MediaType, Overlay, Sound, StorySettings

MAX_LAYERS = 50  # contract
MAX_HIDDEN = 1_000  # contract
A_DAY_MS = 86_400_000


def deduplicated(ids: list[str]) -> list[str]:
    """The ids without duplicates, in order."""
    return list(dict.fromkeys(ids))


def web_vtt(text: str) -> str:
    """A WebVTT text of at most 64 KiB, line ends as they came."""
    if not is_clean(text):
        raise PydanticCustomError("web_vtt", "must not hold NUL or half a surrogate pair")
    if len(text.encode()) > MAX_TRACK_BYTES:
        raise PydanticCustomError("web_vtt", "must have at most 65536 bytes")
    first, _, _ = text.removeprefix("\ufeff").replace("\r", "\n").partition("\n")
    if first != "WEBVTT" and not first.startswith(("WEBVTT ", "WEBVTT\t")):
        raise PydanticCustomError("web_vtt", "must be WebVTT, which begins with WEBVTT")
    return text


HideFrom = Annotated[list[UserId], Field(max_length=MAX_HIDDEN), AfterValidator(deduplicated)]
Share = Annotated[float, Field(ge=0, le=1)]


WebVtt = Annotated[
    str,
    Field(max_length=MAX_TRACK_BYTES, json_schema_extra={"pattern": "^\\ufeff?WEBVTT($|[ \\t\\r\\n])"}),
    AfterValidator(web_vtt),
]


def without_parameters(content_type: object) -> object:
    """A media type as it is listed: `video/webm` for the `video/webm;codecs=vp8,opus` of a browser's recorder."""
    return content_type.partition(";")[0].strip().lower() if isinstance(content_type, str) else content_type


class MediaRequest(Body):
    """What will be uploaded: exactly this type (parameters are ignored) and exactly this size in bytes."""

    content_type: Annotated[MediaType, BeforeValidator(without_parameters)]
    size: Annotated[int, Field(ge=1, le=2**53, description="bytes")]


class SoundRequest(Body):
    """The sound a story is set to."""

    id: Annotated[str, Text(1, 128)]
    title: Annotated[str, Text(0, 300)]
    artist: Annotated[str, Text(0, 300)]
    start_ms: Annotated[int, Field(ge=0, le=A_DAY_MS)]
    length_ms: Annotated[int, Field(ge=0, le=A_DAY_MS)]


class LayerRequest(Body):
    """Something laid over the media; a kind's own fields go beside these, at most 16 KiB in all."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    kind: LayerKind
    x: Share
    y: Share
    w: Share
    h: Share
    rotation: Annotated[float, Field(ge=-180, le=180)] = 0
    z: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0


def stored_layer(layer: LayerRequest) -> dict[str, Any]:
    """The layer with a new id.

    Raises ValueError when it is nested too deeply, has keys or numbers that cannot be stored, or is too large.
    """
    stored = {**layer.model_dump(), "id": new_id()}
    bounded_json(stored)
    if len(msgspec.json.encode(stored)) > MAX_LAYER_BYTES:
        raise ValueError("a layer has at most 16 KiB")
    return stored


def sent_fields(body: Body, names: Iterable[str]) -> dict[str, Any]:
    """The fields that were sent, as domain values."""
    sent = body.model_dump(include=set(names), exclude_unset=True)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in sent.items()}


NOT_SENT: Any = Field(default_factory=lambda: None)
"""An optional field without a default, in OpenAPI too: generated clients would send the default."""


class StoryChanges(Body):
    """What may be changed for as long as the story lives; what is not sent stays as it is."""

    audience: Audience = NOT_SENT
    hide_from: HideFrom = NOT_SENT
    comments: CommentsFrom = NOT_SENT
    reactions: bool = NOT_SENT
    sharing: bool = NOT_SENT
    download: bool = NOT_SENT
    view_list: bool = NOT_SENT

    def changes(self) -> dict[str, Any]:
        """Only the fields that were sent."""
        return sent_fields(self, StoryChanges.model_fields)


class StoryCreate(Body):
    """A story to be made. Only `media` is required; `lifetime` is one of `GET /v1/config`'s, by default its first."""

    audience: Audience = "everyone"
    hide_from: Annotated[HideFrom, Field(default_factory=list)]
    comments: CommentsFrom = "everyone"
    reactions: bool = True
    sharing: bool = True
    download: bool = False
    view_list: bool = True
    media: MediaRequest
    lifetime: str | None = None
    caption: Annotated[str, Text(0, 2_200)] | None = None
    alt_text: Annotated[str, Text(0, 2_200)] | None = None
    captions_track: WebVtt | None = None
    sound: SoundRequest | None = None
    layers: Annotated[list[LayerRequest], Field(max_length=MAX_LAYERS, default_factory=list)]
    split: bool = True

    def settings(self) -> StorySettings:
        """The settings as a domain value."""
        return StorySettings(**sent_fields(self, StoryChanges.model_fields))

    def overlay(self) -> Overlay:
        """The overlay as a domain value. Raises ValueError for layers that cannot be stored."""
        return Overlay(
            caption=self.caption,
            alt_text=self.alt_text,
            captions_track=self.captions_track,
            sound=Sound(**self.sound.model_dump()) if self.sound else None,
            layers=tuple(stored_layer(layer) for layer in self.layers),
        )
