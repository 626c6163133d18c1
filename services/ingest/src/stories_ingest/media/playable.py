"""What every browser plays as it is, and the display format of everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from stories_ingest.media.display import DisplayFormat
from stories_ingest.media.tone_mapping import HDR_TRANSFERS
from stories_ingest.media.tracks import codec

_PROFILES = frozenset({66, 77, 100})  # baseline, main and high: 8 bits, 4:2:0
_MAX_LEVEL = 42
_FORMATS = frozenset({"yuv420p", "yuvj420p"})
_MAX_SHORT_SIDE = 1080
_MAX_FPS = Fraction(60)
_REDUCED_FPS = Fraction(30)  # of what has more
_RATE_SLACK = Fraction(102, 100)  # clocks of phones and browsers are not exact
_AAC_TYPES = frozenset({2, 5, 29})  # LC, HE and HE version 2 (ISO/IEC 14496-3)
_SHAPE = Fraction(16, 9)


def plays_everywhere(video: VideoStream, display: DisplayFormat, fps: Fraction) -> bool:
    """Whether every browser plays the video: H.264 to level 4.2, 8 bits 4:2:0, 1080p, 60 fps, no HDR."""
    config = bytes(video.codec_context.extradata or b"")
    return (
        codec(video) == "h264"
        and config[:1] == b"\x01"
        and config[1] in _PROFILES
        and config[3] <= _MAX_LEVEL
        and display.pixels in _FORMATS
        and display.colours[2] not in HDR_TRANSFERS
        and min(display.displayed) <= _MAX_SHORT_SIDE
        and fps <= _MAX_FPS * _RATE_SLACK
    )


def sound_plays_everywhere(audio: AudioStream) -> bool:
    """Whether every browser plays the audio: AAC of the usual kinds."""
    config = bytes(audio.codec_context.extradata or b"")
    return codec(audio) == "aac" and bool(config) and config[0] >> 3 in _AAC_TYPES


@dataclass(frozen=True, slots=True)
class Target:
    """The picture to encode: even sides, upright, with square pixels."""

    width: int
    height: int
    fps: Fraction
    is_reduced: bool  # whether frames are dropped to reach `fps`


def target(display: DisplayFormat, fps: Fraction, short_side: int) -> Target:
    """The largest picture within `short_side` by its 16:9 longer side; never larger than the source."""
    short, long = sorted(display.displayed)
    scale = min(Fraction(1), Fraction(short_side, short), short_side * _SHAPE / long)
    width, height = (max(2, int(side * scale) // 2 * 2) for side in display.displayed)
    is_reduced = fps > _MAX_FPS * _RATE_SLACK
    return Target(width, height, _REDUCED_FPS if is_reduced else max(fps, Fraction(1)), is_reduced)


def smaller_sides(short_side: int, wanted: Sequence[int]) -> list[int]:
    """The shorter sides of further renditions of media with this shorter side, the largest first."""
    return sorted((side for side in wanted if side < short_side), reverse=True)
