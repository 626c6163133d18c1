"""Measuring a clip packet by packet: when it is shown, where it may be cut, whether all of it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.packet import Packet

from stories_ingest.media.decode_check import DecodeCheck
from stories_ingest.media.display import DisplayFormat
from stories_ingest.media.tracks import COPIED_CODECS, Tracks, codec, seconds
from stories_ingest.media.truncation import nal_checker
from stories_ingest.media.types import MediaLimits, MediaRejected

_FALLBACK_RATE = 30  # pictures a second, for a lone picture without a duration
_RATE_SLACK = 1.02  # 240 fps as phones count them


@dataclass(slots=True)
class ProbeResult:
    """What the packets of a clip say. Times in seconds from the container's zero, after edit lists."""

    start: Fraction
    end: Fraction
    cut_points: dict[int, Fraction]  # number of a picture packet → its time, where the streams can be cut as they are
    copied: range | None  # the picture packets that can be copied as they are and are all that is shown
    display: DisplayFormat
    times: list[Fraction]  # of the shown pictures, rising
    audio_span: tuple[Fraction, Fraction] | None  # from when to when there is sound
    hidden_audio: Fraction  # seconds of it that an edit list hides
    last_shown: Fraction  # how long the last picture stays

    @property
    def duration_ms(self) -> int:
        return round((self.end - self.start) * 1000)


@dataclass(slots=True)
class _Group:
    """A key picture and those that follow up to the next."""

    number: int
    at: int
    reached: int  # the latest time of any picture before it in decoding order
    first: int  # the earliest in it


@dataclass(slots=True)
class _PacketStats:
    """What has been read so far, in ticks of the picture track."""

    number: int = 0
    times: list[int] = field(default_factory=list)  # of the shown pictures
    start: int | None = None
    end: int = 0
    latest: int | None = None
    last_dts: int | None = None
    in_order: bool = True
    shown: range | None = None  # from the first packet that is shown to the last, in decoding order
    hidden: list[int] = field(default_factory=list)  # packets that are not
    hidden_audio: int = 0
    audio_span: tuple[int, int] | None = None
    groups: list[_Group] = field(default_factory=list)

    def picture(self, packet: Packet[Any]) -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            raise MediaRejected("damaged", f"picture {self.number} has no time")
        if packet.dts is None or (self.last_dts is not None and packet.dts <= self.last_dts):
            self.in_order = False
        self.last_dts = packet.dts
        if packet.is_keyframe:
            self.groups.append(_Group(self.number, at, at - 1 if self.latest is None else self.latest, at))
        elif self.groups:
            self.groups[-1].first = min(self.groups[-1].first, at)
        self.latest = at if self.latest is None else max(self.latest, at)
        if packet.is_discard:
            self.hidden.append(self.number)
        else:
            self.shown = range(self.number if self.shown is None else self.shown.start, self.number + 1)
            ends = at + (packet.duration or 0)
            self.end = ends if self.start is None else max(self.end, ends)
            self.start = at if self.start is None else min(self.start, at)
            self.times.append(at)
        self.number += 1

    def sound(self, packet: Packet[Any]) -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        if packet.is_discard:
            self.hidden_audio += packet.duration or 0
        elif at is not None:
            ends = at + (packet.duration or 0)
            self.audio_span = (
                (at, ends) if self.audio_span is None else (min(self.audio_span[0], at), max(self.audio_span[1], ends))
            )

    def copied(self) -> range | None:
        """What can be copied: all that is shown, from a key picture on, with nothing hidden in between."""
        shown = self.shown
        if shown is None or not self.in_order or any(number in shown for number in self.hidden):
            return None
        return shown if any(group.number == shown.start for group in self.groups) else None

    def clean_cuts(self) -> Iterator[tuple[int, int]]:
        """Key pictures with everything earlier before them and nothing earlier behind them (closed groups)."""
        for group in self.groups:
            if self.start is not None and group.first >= group.at > group.reached and group.at >= self.start:
                yield group.number, group.at


def probe(tracks: Tracks, bounds: MediaLimits, progress: Callable[[float], None]) -> ProbeResult:
    """Read every packet of the kept tracks once, decode what the budget allows.

    Raises `MediaRejected`: `damaged`, `too_long` (for any parts), `too_large`, `unsupported` (too many pictures a
    second).
    """
    _check_header(tracks, bounds)
    stats, is_intact = _PacketStats(), nal_checker(tracks.picture)
    check = DecodeCheck(tracks.picture, tracks.sound, bounds.max_side)
    size = max(1, tracks.container.size)
    for packet in packets(tracks):
        progress((packet.pos or 0) / size)
        if tracks.sound is not None and packet.stream_index == tracks.sound.index:
            stats.sound(packet)
            check.audio(packet)
            continue
        stats.picture(packet)
        check.video(packet, is_intact(packet) and not packet.is_corrupt)
        _check_length(stats, tracks, bounds)
    check.finish()
    declared_count = len(tracks.picture.index_entries)
    if tracks.container.format.name.startswith("mov") and stats.number < declared_count:
        raise MediaRejected("damaged", f"{stats.number} of {declared_count} pictures are there")
    assert check.display is not None
    return _result(stats, check.display, tracks, bounds)


def packets(tracks: Tracks) -> Iterator[Packet[Any]]:
    """The packets of the kept tracks, without the empty ones that mark the end. Raises `MediaRejected("damaged")`."""
    try:
        for packet in tracks.container.demux(tracks.kept):
            if packet.size:
                yield packet
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise MediaRejected("damaged", f"cannot be read on: {error}") from None


def _check_header(tracks: Tracks, bounds: MediaLimits) -> None:
    """Refuse by the header what need not be read: pictures too large, films of an hour."""
    width, height = tracks.picture.codec_context.width, tracks.picture.codec_context.height
    if max(width, height) > bounds.max_side:
        raise MediaRejected("too_large", f"{width} x {height}")
    declared = seconds(tracks.picture, tracks.picture.duration or 0)
    if declared * 1000 > _max_ms(bounds) + 1000:
        raise MediaRejected("too_long", f"{float(declared):.1f} s")


def _check_length(stats: _PacketStats, tracks: Tracks, bounds: MediaLimits) -> None:
    if stats.start is not None and seconds(tracks.picture, stats.end - stats.start) * 1000 > _max_ms(bounds):
        raise MediaRejected("too_long", f"over {_max_ms(bounds)} ms")
    if stats.number > bounds.max_fps * _RATE_SLACK * _max_ms(bounds) / 1000:
        raise MediaRejected("unsupported", f"over {stats.number} pictures")


def _max_ms(bounds: MediaLimits) -> int:
    return bounds.max_parts * bounds.max_clip_ms + bounds.tolerance_ms


def _result(stats: _PacketStats, display: DisplayFormat, tracks: Tracks, bounds: MediaLimits) -> ProbeResult:
    picture = tracks.picture
    assert picture.time_base is not None
    if stats.start is None:
        raise MediaRejected("damaged", "no picture is ever shown")
    times = sorted(stats.times)
    if stats.end <= times[-1]:  # the container does not say how long the last one stays
        rate = picture.average_rate or Fraction(_FALLBACK_RATE)
        stats.end = times[-1] + max(1, round(1 / rate / picture.time_base))
    start, end = seconds(picture, stats.start), seconds(picture, stats.end)
    if len(times) > 2 and len(times) / (end - start) > bounds.max_fps * _RATE_SLACK:
        raise MediaRejected("unsupported", f"{float(len(times) / (end - start)):.0f} pictures a second")
    audio_span = None
    if tracks.sound is not None and stats.audio_span is not None:
        audio_span = seconds(tracks.sound, stats.audio_span[0]), seconds(tracks.sound, stats.audio_span[1])
    return ProbeResult(
        start=start,
        end=end,
        cut_points={number: seconds(picture, at) for number, at in stats.clean_cuts()},
        copied=stats.copied() if codec(picture) in COPIED_CODECS else None,
        display=display,
        times=[seconds(picture, at) for at in times],
        audio_span=audio_span,
        hidden_audio=seconds(tracks.sound, stats.hidden_audio) if tracks.sound is not None else Fraction(0),
        last_shown=end - seconds(picture, times[-1]),
    )
