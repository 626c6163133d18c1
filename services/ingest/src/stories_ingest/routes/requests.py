"""Request bodies."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from stories_shared.events import MAX_TRACK_BYTES, RFC_3339, bounded_time
from stories_shared.events.layers import LayerError, parse_layers
from stories_shared.http.bodies import Body, Text, UserId
from stories_shared.http.layer_schemas import LAYERS_CREATE
from stories_shared.http.strict_json import is_clean

from stories_ingest.domain.story import Audience, Background, CommentsFrom, MediaType, Overlay, Sound, StorySettings
from stories_ingest.domain.web_vtt import fault_of

MAX_HIDDEN = 1_000  # contract
A_DAY_MS = 86_400_000
TWO = 2


def deduplicated(ids: list[str]) -> list[str]:
    """The ids without duplicates, in order."""
    return list(dict.fromkeys(ids))


def web_vtt(text: str) -> str:
    """A WebVTT text of at most 64 KiB, unchanged."""
    if not is_clean(text):
        raise PydanticCustomError("web_vtt", "must not hold NUL or half a surrogate pair")
    if len(text.encode()) > MAX_TRACK_BYTES:
        raise PydanticCustomError("web_vtt", "must have at most 65536 bytes")
    if fault := fault_of(text):
        raise PydanticCustomError("web_vtt", "{fault}", {"fault": fault})
    return text


HideFrom = Annotated[list[UserId], Field(max_length=MAX_HIDDEN), AfterValidator(deduplicated)]


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


Color = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
A_COLOR = {"type": "string", "pattern": "^#[0-9A-Fa-f]{6}$"}
ONE_OR_TWO = {
    "description": "one colour, or two of a gradient",
    "anyOf": [A_COLOR, {"type": "array", "items": A_COLOR, "minItems": 2, "maxItems": 2}],
}


def as_list(colors: object) -> object:
    """One colour, or a list of exactly two, as a list."""
    if isinstance(colors, list) and len(colors) != TWO:
        raise PydanticCustomError("colors", "must be one colour or a list of two")
    return [colors] if isinstance(colors, str) else colors


class BackgroundRequest(Body):
    """A text story's picture, drawn by the server: one colour, or two and the angle of their gradient as in CSS."""

    background: Annotated[list[Color], BeforeValidator(as_list), WithJsonSchema(ONE_OR_TWO)]
    angle: Annotated[
        float, Field(ge=0, le=360, allow_inf_nan=False, description="degrees clockwise; 0 goes up, 180 is the default")
    ] = Field(default_factory=lambda: 180.0)

    def background_value(self) -> Background:
        """The background as a domain value."""
        return Background(colors=tuple(self.background), angle=self.angle if len(self.background) == TWO else None)


class MediaShape:
    """An upload, or a background: told apart by the field `background`, so that an error names the field itself."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        kinds = (MediaRequest, BackgroundRequest)
        return {"anyOf": [handler(kind.__pydantic_core_schema__) for kind in kinds]}

    def read(self, sent: Any) -> MediaRequest | BackgroundRequest:
        """The media. Raises ValidationError."""
        kind = BackgroundRequest if isinstance(sent, dict) and "background" in sent else MediaRequest
        return kind.model_validate(sent)


class SoundRequest(Body):
    """The sound a story is set to."""

    id: Annotated[str, Text(1, 128)]
    title: Annotated[str, Text(0, 300)]
    artist: Annotated[str, Text(0, 300)]
    start_ms: Annotated[int, Field(ge=0, le=A_DAY_MS)]
    length_ms: Annotated[int, Field(ge=0, le=A_DAY_MS)]


class LayersShape:
    """The layers of a story: strictly the fields of their kinds, each with a new id."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        listed = core_schema.list_schema(core_schema.any_schema(), strict=True)
        return core_schema.no_info_after_validator_function(self.read, listed)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return LAYERS_CREATE

    def read(self, sent: list[Any]) -> tuple[Any, ...]:
        """The layers. Raises ValidationError with the path to the wrong field."""
        try:
            return parse_layers(sent)
        except LayerError as error:
            reason = PydanticCustomError("layer", "{message}", {"message": error.message})
            raise ValidationError.from_exception_data(
                "layers", [{"type": reason, "loc": error.path, "input": None}]
            ) from error


def sent_fields(body: Body, names: Iterable[str]) -> dict[str, Any]:
    """The fields that were sent, as domain values."""
    sent = body.model_dump(include=set(names), exclude_unset=True)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in sent.items()}


NOT_SENT: Any = Field(default_factory=lambda: None)
"""An optional field without a default, in OpenAPI too: generated clients would send the default."""


def timestamp(text: object) -> object:
    """A time in RFC 3339, to the millisecond."""
    if not isinstance(text, str) or not re.match(RFC_3339, text):
        raise PydanticCustomError("timestamp", "must be a time in RFC 3339")
    try:
        return bounded_time(datetime.fromisoformat(text))
    except ValueError as error:
        raise PydanticCustomError("timestamp", "must be a time in RFC 3339") from error


Timestamp = Annotated[datetime, BeforeValidator(timestamp)]


class StoryPublish(Body):
    """When a story is to go live; without a body at once."""

    at: Annotated[Timestamp, Field(description="at most 30 days ahead")]


class StoryChanges(Body):
    """What may be changed for as long as the story lives; what is not sent stays as it is."""

    audience: Audience = NOT_SENT
    hide_from: HideFrom = NOT_SENT
    comments: CommentsFrom = NOT_SENT
    reactions: bool = NOT_SENT
    sharing: bool = NOT_SENT
    download: bool = NOT_SENT
    view_list: bool = NOT_SENT
    publish_at: Annotated[Timestamp, Field(description="of a scheduled story")] = NOT_SENT

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
    media: Annotated[MediaRequest | BackgroundRequest, MediaShape()]
    lifetime: str | None = None
    caption: Annotated[str, Text(0, 2_200)] | None = None
    alt_text: Annotated[str, Text(0, 2_200)] | None = None
    captions_track: WebVtt | None = None
    sound: SoundRequest | None = None
    layers: Annotated[tuple[Any, ...], LayersShape(), Field(default_factory=tuple)]
    split: bool = True

    def settings(self) -> StorySettings:
        """The settings as a domain value."""
        return StorySettings(**sent_fields(self, StorySettings.__dataclass_fields__))

    def overlay(self) -> Overlay:
        """The overlay as a domain value."""
        return Overlay(
            caption=self.caption,
            alt_text=self.alt_text,
            captions_track=self.captions_track,
            sound=Sound(**self.sound.model_dump()) if self.sound else None,
            layers=tuple(msgspec.json.decode(msgspec.json.encode(self.layers))),
        )
