"""Stream copy: the same packets, with timestamps shifted to start at zero."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from stories_ingest.media.mp4_output import Mp4Output
from stories_ingest.media.tracks import codec, seconds

# Decoder priming before the first sample that is played; the edit list hides it.
PRIMING = Fraction(1, 10)


class VideoCopier:
    """Cuts between packets: each span starts at a key frame of a closed GOP.

    Only packets numbered in `copied` are written: an edit list hides the others.
    """

    def __init__(self, source: VideoStream, copied: range, outputs: Sequence[Mp4Output]) -> None:
        self._outputs, self._source, self._copied = outputs, source, copied
        self._streams = [output.container.add_stream_from_template(source, opaque=True) for output in outputs]
        for stream in self._streams:
            if codec(source) == "hevc":
                stream.codec_context.codec_tag = "hvc1"  # the only tag that Apple's players accept
        self._number, self._part = 0, 0
        assert source.time_base is not None
        self._shifts = [int(output.span.start / source.time_base) for output in outputs]
        self._last = int(outputs[-1].span.end / source.time_base)
        for output in outputs:
            output.writers += 1

    def write(self, packet: Packet[Any]) -> None:
        if self._part + 1 < len(self._outputs) and self._number == self._outputs[self._part + 1].span.number:
            self._outputs[self._part].release()
            self._part += 1
        self._number += 1
        if self._number - 1 not in self._copied:
            return
        at = packet.pts if packet.pts is not None else packet.dts
        assert at is not None
        if not packet.duration:  # only the last one matters: the muxer derives the others from the next timestamp
            packet.duration = max(1, self._last - at)
        _shift(packet, self._shifts[self._part])
        packet.stream = self._streams[self._part]
        self._outputs[self._part].container.mux_one(packet)

    def finish(self) -> None:
        self._outputs[self._part].release()


class AudioCopier:
    """Writes each packet to the part that contains its midpoint; packets outside the video's time are dropped."""

    def __init__(self, source: AudioStream, outputs: Sequence[Mp4Output]) -> None:
        self._outputs, self._source = outputs, source
        self._streams = [output.container.add_stream_from_template(source) for output in outputs]
        assert source.time_base is not None
        self._shifts = [round(output.span.start / source.time_base) for output in outputs]
        self._part = 0
        for output in outputs:
            output.writers += 1

    def write(self, packet: Packet[Any]) -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            return
        middle = seconds(self._source, at) + seconds(self._source, packet.duration or 0) / 2
        while self._part < len(self._outputs) and middle >= self._outputs[self._part].span.end:
            self._outputs[self._part].release()
            self._part += 1
        if self._part == len(self._outputs):
            return
        output = self._outputs[self._part]
        if middle >= output.span.start - (PRIMING if self._part == 0 else 0):
            _shift(packet, self._shifts[self._part])
            packet.stream = self._streams[self._part]
            output.container.mux_one(packet)

    def finish(self) -> None:
        for output in self._outputs[self._part :]:
            output.release()


def _shift(packet: Packet[Any], by: int) -> None:
    packet.pts = None if packet.pts is None else packet.pts - by
    packet.dts = None if packet.dts is None else packet.dts - by
