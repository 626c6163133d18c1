"""Open an untrusted clip and select its video and audio track."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.domain.media import AUDIO_CODECS, VIDEO_CODECS
from stories_ingest.media.sniffing import Container

COPIED_CODECS = frozenset({"h264", "hevc", "vp9", "av1"})  # that MP4 and its players support
_NOT_MAIN_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
_MAX_STREAMS = 64  # a phone writes five to ten
_DECODER_THREADS = 2  # to encode; to check, one: with more, libavcodec does not mark concealed frames as corrupt

av.logging.set_level(None)


@dataclass(frozen=True, slots=True)
class Tracks:
    """The selected tracks of a container."""

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def kept(self) -> list[VideoStream | AudioStream]:
        return [self.video] if self.audio is None else [self.video, self.audio]


def open_tracks(source: Path, form: Container, *, fast: bool = False) -> Tracks:
    """Open with the sniffed demuxer only, restricted to this file; `fast` decodes with several threads.

    Raises `MediaRefused`: `damaged` when the demuxer fails, `unsupported` for codecs that are not accepted.
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
        raise MediaRefused("damaged", f"cannot be opened: {error}") from None
    if len(container.streams) > _MAX_STREAMS:
        raise MediaRefused("unsupported", f"{len(container.streams)} tracks")
    tracks = Tracks(container, _video(container), _audio(container))
    tracks.video.codec_context.thread_count = _DECODER_THREADS if fast else 1
    tracks.video.codec_context.thread_type = "AUTO" if fast else "SLICE"
    for stream in container.streams:
        if stream not in tracks.kept:
            stream.discard = Discard.all
    return tracks


def codec(stream: VideoStream | AudioStream) -> str:
    """The canonical name of the codec, independent of the decoder."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else "unknown"


def is_supported(stream: AudioStream) -> bool:
    name = codec(stream)
    return name in AUDIO_CODECS or name.startswith("pcm_")


def seconds(stream: VideoStream | AudioStream, ticks: int) -> Fraction:
    assert stream.time_base is not None
    return ticks * stream.time_base


def decoded(stream: VideoStream | AudioStream, packet: Packet[Any] | None) -> list[Any] | None:
    """The frames of a packet, or those that are left (None); None if it does not decode."""
    try:
        return list(stream.decode(packet))
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError):
        return None


def _video(container: InputContainer) -> VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & _NOT_MAIN_VIDEO]
    if not streams:
        raise MediaRefused("unsupported" if container.streams else "damaged", "no video track")
    video = min(streams, key=lambda stream: not stream.disposition & Disposition.default)
    if codec(video) not in VIDEO_CODECS:
        raise MediaRefused("unsupported", f"video in {codec(video)}")
    return video


def _audio(container: InputContainer) -> AudioStream | None:
    """The default track if supported, else the first supported one: phones add a second one for spatial audio."""
    streams = sorted(container.streams.audio, key=lambda stream: not stream.disposition & Disposition.default)
    for stream in streams:
        if is_supported(stream):
            return stream
    if streams:
        raise MediaRefused("unsupported", f"audio in {', '.join(codec(stream) for stream in streams)}")
    return None
