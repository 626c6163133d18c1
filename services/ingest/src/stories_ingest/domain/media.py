"""The one shape of a finished media file: in the worker, in the job, in the store and in the event."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, Self, cast

VIDEO_CODECS = ("h264", "hevc", "vp8", "vp9", "av1")
AUDIO_CODECS = ("aac", "opus", "alac", "pcm")
"""Codecs that an upload may have; `pcm` is PCM of every kind."""

CONTENT_TYPES = {".mp4": "video/mp4", ".jpg": "image/jpeg", ".webp": "image/webp", ".vtt": "text/vtt"}
"""Content types of a story's objects, by suffix of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One size of the media. Sizes in bytes, sides in pixels as displayed; `codecs` is None for photos."""

    key: str
    content_type: str
    size: int
    width: int
    height: int
    codecs: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a client shows until the poster has loaded: a BlurHash and the average colour, `#rrggbb`."""

    blurhash: str
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Validated media. Sizes in bytes, durations in milliseconds.

    Every field named `key` or `…_key` names an object. The worker writes a file name there, which becomes a final key
    when the file is stored; uploading, sweeps and erasure go by `keys`, so a new kind of object is only a new field.
    `codecs` is None for photos, and for clips posted before the field existed.
    """

    kind: str
    key: str
    poster_key: str
    content_type: str
    size: int
    width: int
    height: int
    duration_ms: int | None
    has_audio: bool
    codecs: str | None = None
    renditions: tuple[Rendition, ...] = ()
    preview: Preview | None = None
    captions_key: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all of its objects, each once."""
        return object_keys(asdict(self))

    @property
    def itself(self) -> Rendition:
        """The media's own entry in its list of renditions."""
        return Rendition(
            key=self.key,
            content_type=self.content_type,
            size=self.size,
            width=self.width,
            height=self.height,
            codecs=self.codecs,
        )

    def renamed(self, rename: Callable[[str], str]) -> Self:
        """The same media with every key replaced."""
        return cast("Self", _renamed(self, rename))


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPart:
    """One part of an upload, its keys being names of files.

    `starts_ms` is its start within the upload; `lacks_smaller` is whether smaller renditions of it are to follow.
    """

    media: Media
    starts_ms: int = 0
    lacks_smaller: bool = False


def object_keys(media: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of all objects of media as stored, each once, also of fields that this release does not know."""
    return tuple(dict.fromkeys(_object_keys(media)))


def _object_keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if _names_object(name) and inner is not None:
                yield inner
            else:
                yield from _object_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _object_keys(inner)


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, tuple):
        return tuple(_renamed(inner, rename) for inner in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes = {}
    for entry in fields(value):
        inner = getattr(value, entry.name)
        is_key = _names_object(entry.name) and inner is not None
        changes[entry.name] = rename(inner) if is_key else _renamed(inner, rename)
    return replace(value, **changes)


def _names_object(name: str) -> bool:
    return name == "key" or name.endswith("_key")
