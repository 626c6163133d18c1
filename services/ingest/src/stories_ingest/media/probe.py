"""Probe a clip packet by packet: its times, its possible cut points, whether it is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.packet import Packet
from av.video.stream import VideoStream

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.media.decode_check import DecodeCheck
from stories_ingest.media.display import DisplayFormat
from stories_ingest.media.limits import MediaLimits
from stories_ingest.media.playable import plays_everywhere
from stories_ingest.media.tracks import COPIED_CODECS, Tracks, codec, seconds
from stories_ingest.media.truncation import nal_checker

_FALLBACK_RATE = 30  # frames per second, for a single frame without a duration
_RATE_SLACK = 1.02  # tolerance: phones record slightly more than 240 fps


@dataclass(slots=True)
class ProbeResult:
    """Result of probing a clip. Times in seconds from the container's zero, after edit lists."""

    start: Fraction
    end: Fraction
    cut_points: dict[int, Fraction]  # number of a video packet → its time, where stream copy can cut
    copied: range | None  # the video packets to copy, if they are exactly what is displayed
    display: DisplayFormat
    times: list[Fraction]  # of the displayed frames, ascending
    audio_span: tuple[Fraction, Fraction] | None  # start and end of the audio
    hidden_audio: Fraction  # seconds of audio that an edit list hides
    last_shown: Fraction  # display duration of the last frame
    fps: Fraction  # frames per second, on average

    @property
    def duration_ms(self) -> int:
        return round((self.end - self.start) * 1000)


@dataclass(slots=True)
class _Group:
    """A GOP: a key frame and the frames up to the next one."""

    number: int
    at: int
    reached: int  # the latest time of any frame before it in decoding order
    first: int  # the earliest time in it


@dataclass(slots=True)
class _PacketStats:
    """Statistics of the packets so far, in ticks of the video track."""

    number: int = 0
    times: list[int] = field(default_factory=list)  # of the displayed frames
    start: int | None = None
    end: int = 0
    latest: int | None = None
    last_dts: int | None = None
    in_order: bool = True
    shown: range | None = None  # from the first displayed packet to the last, in decoding order
    hidden: list[int] = field(default_factory=list)  # packets that are not displayed
    hidden_audio: int = 0
    audio_span: tuple[int, int] | None = None
    groups: list[_Group] = field(default_factory=list)

    def video(self, packet: Packet[Any]) -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            raise MediaRefused("damaged", f"frame {self.number} has no timestamp")
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

    def audio(self, packet: Packet[Any]) -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        if packet.is_discard:
            self.hidden_audio += packet.duration or 0
        elif at is not None:
            ends = at + (packet.duration or 0)
            self.audio_span = (
                (at, ends) if self.audio_span is None else (min(self.audio_span[0], at), max(self.audio_span[1], ends))
            )

    def copied(self) -> range | None:
        """The packets to copy: all displayed ones, if they start at a key frame and none in between is hidden."""
        shown = self.shown
        if shown is None or not self.in_order or any(number in shown for number in self.hidden):
            return None
        return shown if any(group.number == shown.start for group in self.groups) else None

    def clean_cuts(self) -> Iterator[tuple[int, int]]:
        """Key frames of closed GOPs: no later packet is displayed before them, no earlier one after them."""
        for group in self.groups:
            if self.start is not None and group.first >= group.at > group.reached and group.at >= self.start:
                yield group.number, group.at


def probe(tracks: Tracks, bounds: MediaLimits, progress: Callable[[float], None]) -> ProbeResult:
    """Read every packet of the selected tracks once and decode within the budget.

    Raises `MediaRefused`: `damaged`, `too_long` (even for several parts), `too_large`, `unsupported` (frame rate).
    """
    _check_header(tracks, bounds)
    stats, is_intact = _PacketStats(), nal_checker(tracks.video)
    check = DecodeCheck(tracks.video, tracks.audio, bounds.max_side)
    size = max(1, tracks.container.size)
    for packet in packets(tracks):
        progress((packet.pos or 0) / size)
        if tracks.audio is not None and packet.stream_index == tracks.audio.index:
            stats.audio(packet)
            check.audio(packet)
            continue
        stats.video(packet)
        check.video(packet, is_intact(packet) and not packet.is_corrupt)
        _check_length(stats, tracks, bounds)
    check.finish()
    declared_count = len(tracks.video.index_entries)
    if tracks.container.format.name.startswith("mov") and stats.number < declared_count:
        raise MediaRefused("damaged", f"{stats.number} of {declared_count} frames exist")
    assert check.display is not None
    return _result(stats, check.display, tracks, bounds)


def packets(tracks: Tracks) -> Iterator[Packet[Any]]:
    """The packets of the selected tracks, without the empty flush packets. Raises `MediaRefused("damaged")`."""
    try:
        for packet in tracks.container.demux(tracks.kept):
            if packet.size:
                yield packet
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise MediaRefused("damaged", f"cannot be demuxed: {error}") from None


def _check_header(tracks: Tracks, bounds: MediaLimits) -> None:
    """Reject by the header alone: frames too large, duration far too long."""
    width, height = tracks.video.codec_context.width, tracks.video.codec_context.height
    if max(width, height) > bounds.max_side:
        raise MediaRefused("too_large", f"{width} x {height}")
    declared = seconds(tracks.video, tracks.video.duration or 0)
    if declared * 1000 > _max_ms(bounds) + 1000:
        raise MediaRefused("too_long", f"{float(declared):.1f} s")


def _check_length(stats: _PacketStats, tracks: Tracks, bounds: MediaLimits) -> None:
    if stats.start is not None and seconds(tracks.video, stats.end - stats.start) * 1000 > _max_ms(bounds):
        raise MediaRefused("too_long", f"over {_max_ms(bounds)} ms")
    if stats.number > bounds.max_fps * _RATE_SLACK * _max_ms(bounds) / 1000:
        raise MediaRefused("unsupported", f"over {stats.number} frames")


def _max_ms(bounds: MediaLimits) -> int:
    return bounds.max_parts * bounds.max_clip_ms + bounds.tolerance_ms


def _result(stats: _PacketStats, display: DisplayFormat, tracks: Tracks, bounds: MediaLimits) -> ProbeResult:
    video = tracks.video
    assert video.time_base is not None
    if stats.start is None:
        raise MediaRefused("damaged", "no frame is displayed")
    times = sorted(stats.times)
    if stats.end <= times[-1]:  # the container has no duration for the last frame
        rate = video.average_rate or Fraction(_FALLBACK_RATE)
        stats.end = times[-1] + max(1, round(1 / rate / video.time_base))
    start, end = seconds(video, stats.start), seconds(video, stats.end)
    fps = len(times) / (end - start)
    if len(times) > 2 and fps > bounds.max_fps * _RATE_SLACK:
        raise MediaRefused("unsupported", f"{float(fps):.0f} fps")
    audio_span = None
    if tracks.audio is not None and stats.audio_span is not None:
        audio_span = seconds(tracks.audio, stats.audio_span[0]), seconds(tracks.audio, stats.audio_span[1])
    return ProbeResult(
        start=start,
        end=end,
        cut_points={number: seconds(video, at) for number, at in stats.clean_cuts()},
        copied=stats.copied() if _is_kept(video, display, fps, bounds) else None,
        fps=fps,
        display=display,
        times=[seconds(video, at) for at in times],
        audio_span=audio_span,
        hidden_audio=seconds(tracks.audio, stats.hidden_audio) if tracks.audio is not None else Fraction(0),
        last_shown=end - seconds(video, times[-1]),
    )


def _is_kept(video: VideoStream, display: DisplayFormat, fps: Fraction, bounds: MediaLimits) -> bool:
    """Whether the video need not be encoded: every browser plays it, or renditions are switched off."""
    return plays_everywhere(video, display, fps) if bounds.renditions else codec(video) in COPIED_CODECS
