"""Encode streams that cannot be copied, cut at the exact frame or sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.media.display import DisplayFormat
from stories_ingest.media.mp4_output import Mp4Output
from stories_ingest.media.tracks import seconds

_THREADS = 2
_MIN_DECODED = 0.95  # share of frames that must decode
_KEY_SECONDS = 2  # between key frames, for seeking
_AAC_FRAME = 1024  # samples
_AAC_RATE = 48_000
_AAC_BITS = {1: 96_000, 2: 160_000}  # bits per second by channels
# 8 bits: H.264, which every player supports. More bits mean HDR: HEVC, since H.264 players do not support it.
# Fast presets: an author waits for this. The faster one costs twice the bytes for half the time.
_H264 = {"preset": "veryfast", "crf": "20"}
_H264_LONG = {"preset": "ultrafast", "crf": "22"}
_LONG_PIXELS = 1_500_000_000  # 25 s at 1080 x 1920 and 30 fps
_HEVC = {
    "preset": "ultrafast",
    "crf": "22",
    "x265-params": f"log-level=none:pools={_THREADS}:frame-threads=1:bframes=0:rc-lookahead=2",
}


class VideoEncoder:
    """Encodes each displayed frame into the part that contains its time."""

    def __init__(self, source: VideoStream, display: DisplayFormat, frames: int, outputs: Sequence[Mp4Output]) -> None:
        self._source, self._outputs, self._part = source, outputs, 0
        self._frames, self._encoded = frames, 0
        long = frames * display.width * display.height > _LONG_PIXELS
        self._deep = display.depth > 8
        self._width, self._height = display.width & ~1, display.height & ~1  # 4:2:0 needs even sizes
        self._format = "yuv420p10le" if self._deep else "yuv420p"
        options = _HEVC if self._deep else _H264_LONG if long else _H264
        self._streams = deque(self._add_stream(output, display, options) for output in outputs)
        self._stream = self._streams.popleft()

    def _add_stream(self, output: Mp4Output, display: DisplayFormat, options: dict[str, str]) -> VideoStream:
        rate = self._source.average_rate or Fraction(30)
        stream = output.container.add_stream("libx265" if self._deep else "libx264", rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        assert self._source.time_base is not None
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = self._width, self._height, self._format
        context.time_base = self._source.time_base
        context.sample_aspect_ratio = display.aspect
        context.gop_size = max(1, round(rate * _KEY_SECONDS))
        context.thread_count = _THREADS
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = display.colours
        if self._deep:
            context.codec_tag = "hvc1"
        stream.set_display_matrix(display.matrix)
        output.writers += 1
        return stream

    def write(self, packet: Packet[Any]) -> None:
        for frame in decoded(self._source, packet):
            self._encode(frame)

    def finish(self) -> None:
        """Raises `MediaRefused("damaged")` when too few frames could be decoded."""
        for frame in decoded(self._source, None):
            self._encode(frame)
        self._flush()
        if self._encoded < _MIN_DECODED * self._frames:
            raise MediaRefused("damaged", f"{self._encoded} of {self._frames} frames decode")

    def _encode(self, frame: VideoFrame) -> None:
        if frame.pts is None:
            return
        at = seconds(self._source, frame.pts)
        while at >= self._outputs[self._part].span.end:
            if self._part + 1 == len(self._outputs):
                return
            self._flush()
            self._part += 1
            self._stream = self._streams.popleft()
        output = self._outputs[self._part]
        if at < output.span.start:
            return
        if (frame.width, frame.height, frame.format.name) != (self._width, self._height, self._format):
            frame = _with_timing(frame, frame.reformat(self._width, self._height, self._format))
        assert self._source.time_base is not None
        assert frame.pts is not None
        frame.pts -= int(output.span.start / self._source.time_base)
        frame.pict_type = PictureType.NONE
        self._encoded += 1
        output.container.mux(self._stream.encode(frame))

    def _flush(self) -> None:
        output = self._outputs[self._part]
        output.container.mux(self._stream.encode(None))
        output.release()


class AudioEncoder:
    """Encodes audio to AAC, one AAC frame at a time, into the part that contains the frame's midpoint."""

    def __init__(self, source: AudioStream, outputs: Sequence[Mp4Output]) -> None:
        self._source, self._outputs, self._part = source, outputs, 0
        channels = min(2, source.codec_context.channels)
        rate = source.codec_context.sample_rate
        self._rate = rate if rate in {44_100, 48_000} else _AAC_RATE
        layout = "mono" if channels == 1 else "stereo"
        self._resampler = AudioResampler("fltp", layout, self._rate, frame_size=_AAC_FRAME)
        self._streams = []
        for output in outputs:
            stream = output.container.add_stream("aac", rate=self._rate)
            assert isinstance(stream, AudioStream)
            stream.codec_context.layout = layout
            stream.codec_context.bit_rate = _AAC_BITS[channels]
            self._streams.append(stream)
            output.writers += 1

    def write(self, packet: Packet[Any]) -> None:
        for frame in decoded(self._source, packet):
            self._resample(frame)

    def finish(self) -> None:
        for frame in decoded(self._source, None):
            self._resample(frame)
        self._resample(None)
        while self._part < len(self._outputs):
            self._finish_part()

    def _resample(self, frame: AudioFrame | None) -> None:
        for chunk in self._resampler.resample(frame):
            if chunk.pts is not None and chunk.time_base is not None:
                self._encode(chunk, chunk.pts * chunk.time_base)

    def _encode(self, chunk: AudioFrame, start: Fraction) -> None:
        middle = start + Fraction(chunk.samples, 2 * self._rate)
        while self._part < len(self._outputs) and middle >= self._outputs[self._part].span.end:
            self._finish_part()
        if self._part < len(self._outputs) and middle >= self._outputs[self._part].span.start:
            output = self._outputs[self._part]
            chunk.pts = max(0, round((start - output.span.start) * self._rate))
            chunk.time_base = Fraction(1, self._rate)
            output.container.mux(self._streams[self._part].encode(chunk))

    def _finish_part(self) -> None:
        output = self._outputs[self._part]
        output.container.mux(self._streams[self._part].encode(None))
        output.release()
        self._part += 1


def decoded(source: VideoStream | AudioStream, packet: Packet[Any] | None) -> list[Any]:
    """The frames of a packet, empty if it does not decode."""
    try:
        return list(source.decode(packet))
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError):
        return []


def _with_timing(old: VideoFrame, new: VideoFrame) -> VideoFrame:
    new.pts, new.time_base, new.duration = old.pts, old.time_base, old.duration
    return new
