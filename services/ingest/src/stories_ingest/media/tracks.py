"""Opening a clip without trusting it, and choosing the one picture and the one sound track that are kept."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from stories_ingest.media.types import Container, MediaRejected

COPIED_CODECS = frozenset({"h264", "hevc", "vp9", "av1"})  # that MP4 takes and players find there
PICTURE_CODECS = COPIED_CODECS | {"vp8"}  # which is encoded anew
SOUND_CODECS = frozenset({"aac", "opus", "alac"})  # and PCM of every kind, which is encoded anew
_NOT_THE_PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
_MAX_STREAMS = 64  # a phone writes five to ten
_DECODER_THREADS = 1  # with more, libavcodec forgets to mark the pictures it had to conceal

av.logging.set_level(None)


@dataclass(frozen=True, slots=True)
class Tracks:
    """What is kept of a container."""

    container: InputContainer
    picture: VideoStream
    sound: AudioStream | None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def kept(self) -> list[VideoStream | AudioStream]:
        return [self.picture] if self.sound is None else [self.picture, self.sound]


def open_tracks(source: Path, form: Container) -> Tracks:
    """Open with exactly the demuxer that the bytes called for, which may read exactly this file.

    Raises `MediaRejected`: `damaged` when the demuxer fails, `unsupported` for codecs that are not accepted.
    """
    try:
        container = av.open(
            f"file:{source}",
            "r",
            format=form,
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file", "max_streams": str(_MAX_STREAMS)},
        )
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise MediaRejected("damaged", f"cannot be opened: {error}") from None
    if len(container.streams) > _MAX_STREAMS:
        raise MediaRejected("unsupported", f"{len(container.streams)} tracks")
    tracks = Tracks(container, _picture(container), _sound(container))
    tracks.picture.codec_context.thread_count = _DECODER_THREADS
    tracks.picture.codec_context.thread_type = "SLICE"
    for stream in container.streams:
        if stream not in tracks.kept:
            stream.discard = Discard.all
    return tracks


def codec(stream: VideoStream | AudioStream) -> str:
    """The codec's own name, whichever library decodes it."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else "unknown"


def is_taken(stream: AudioStream) -> bool:
    name = codec(stream)
    return name in SOUND_CODECS or name.startswith("pcm_")


def seconds(stream: VideoStream | AudioStream, ticks: int) -> Fraction:
    assert stream.time_base is not None
    return ticks * stream.time_base


def _picture(container: InputContainer) -> VideoStream:
    moving = [stream for stream in container.streams.video if not stream.disposition & _NOT_THE_PICTURE]
    if not moving:
        raise MediaRejected("unsupported" if container.streams else "damaged", "no picture track")
    picture = min(moving, key=lambda stream: not stream.disposition & Disposition.default)
    if codec(picture) not in PICTURE_CODECS:
        raise MediaRejected("unsupported", f"picture in {codec(picture)}")
    return picture


def _sound(container: InputContainer) -> AudioStream | None:
    """The default track if we take it, else the first that we do: phones add a second one for spatial sound."""
    sounds = sorted(container.streams.audio, key=lambda stream: not stream.disposition & Disposition.default)
    for stream in sounds:
        if is_taken(stream):
            return stream
    if sounds:
        raise MediaRejected("unsupported", f"sound in {', '.join(codec(stream) for stream in sounds)}")
    return None
