"""Encode streams that cannot be copied, cut at the exact frame or sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.media.display import DisplayFormat
from stories_ingest.media.filters import FrameConverter
from stories_ingest.media.mp4_output import Mp4Output
from stories_ingest.media.playable import Target
from stories_ingest.media.tracks import decoded, seconds

_THREADS = 2
_MIN_DECODED = 0.95  # share of frames that must decode
_KEY_SECONDS = 2  # between key frames, for seeking
_AAC_FRAME = 1024  # samples
_AAC_RATE = 48_000
_AAC_BITS = 160_000  # bits per second
_AAC_LAYOUT = "stereo"
# An author waits for this: fast presets. The faster one costs half the time and some more bytes.
_PRESET, _PRESET_LONG = "veryfast", "superfast"
_LONG_PIXELS = 1_500_000_000  # 25 s at 1080 x 1920 and 30 fps
_QUALITY = "21"
_BITS_PER_PIXEL = 4  # maximum bits per second for each pixel of a frame: 8 Mbit/s at 1080 x 1920
_BT709 = 1  # primaries, transfer and matrix (ITU-T H.273)
_LIMITED = 1  # colour range, as libav numbers it
_EARLY = Fraction(1, 20)  # of a frame: a frame that much before its time counts as in time


class VideoEncoder:
    """Encodes each displayed frame into the part that contains its time."""

    def __init__(
        self,
        source: VideoStream,
        display: DisplayFormat,
        target: Target,
        frames: int,
        outputs: Sequence[Mp4Output],
        folder: Path,
    ) -> None:
        self._source, self._outputs, self._part, self._target = source, outputs, 0, target
        self._frames, self._decoded, self._last_slot = frames, 0, -1
        self._convert = FrameConverter(display, target, folder)
        assert source.time_base is not None
        self._time_base = 1 / target.fps if target.is_reduced else source.time_base
        is_long = frames * target.width * target.height > _LONG_PIXELS
        options = _options(target, _PRESET_LONG if is_long else _PRESET)
        self._streams = deque(self._add_stream(output, options) for output in outputs)
        self._stream = self._streams.popleft()

    def _add_stream(self, output: Mp4Output, options: dict[str, str]) -> VideoStream:
        rate = self._target.fps.limit_denominator(1001)
        stream = output.container.add_stream("libx264", rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = self._target.width, self._target.height, "yuv420p"
        context.time_base = self._time_base
        context.gop_size = max(1, round(rate * _KEY_SECONDS))
        context.thread_count = _THREADS
        context.color_range = _LIMITED
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        output.writers += 1
        return stream

    def write(self, packet: Packet[Any]) -> None:
        for frame in decoded(self._source, packet) or ():
            self._encode(frame)

    def finish(self) -> None:
        """Raises `MediaRefused("damaged")` when too few frames could be decoded."""
        for frame in decoded(self._source, None) or ():
            self._encode(frame)
        self._flush()
        if self._decoded < _MIN_DECODED * self._frames:
            raise MediaRefused("damaged", f"{self._decoded} of {self._frames} frames decode")

    def _encode(self, frame: VideoFrame) -> None:
        if frame.pts is None:
            return
        at = seconds(self._source, frame.pts)
        while at >= self._outputs[self._part].span.end:
            if self._part + 1 == len(self._outputs):
                return
            self._flush()
            self._part, self._last_slot = self._part + 1, -1
            self._stream = self._streams.popleft()
        output = self._outputs[self._part]
        if at < output.span.start:
            return
        self._decoded += 1
        ticks = self._ticks(at - output.span.start)
        if ticks is None:
            return
        converted = self._convert(frame)
        converted.pts, converted.time_base, converted.pict_type = ticks, self._time_base, PictureType.NONE
        output.container.mux(self._stream.encode(converted))

    def _ticks(self, at: Fraction) -> int | None:
        """The frame's time within its part; None for a frame that is dropped to reduce the frame rate."""
        if not self._target.is_reduced:
            return int(at / self._time_base)
        slot = int(at / self._time_base + _EARLY)
        if slot <= self._last_slot:
            return None
        self._last_slot = slot
        return slot

    def _flush(self) -> None:
        output = self._outputs[self._part]
        output.container.mux(self._stream.encode(None))
        output.release()


def _options(target: Target, preset: str) -> dict[str, str]:
    most = max(200_000, _BITS_PER_PIXEL * target.width * target.height)
    return {"preset": preset, "profile": "high", "crf": _QUALITY, "maxrate": str(most), "bufsize": str(2 * most)}


class AudioEncoder:
    """Encodes audio to AAC, one AAC frame at a time, into the part that contains the frame's midpoint."""

    def __init__(self, source: AudioStream, outputs: Sequence[Mp4Output]) -> None:
        self._source, self._outputs, self._part = source, outputs, 0
        rate = source.codec_context.sample_rate
        self._rate = rate if rate in {44_100, 48_000} else _AAC_RATE
        self._resampler = AudioResampler("fltp", _AAC_LAYOUT, self._rate, frame_size=_AAC_FRAME)
        self._streams = []
        for output in outputs:
            stream = output.container.add_stream("aac", rate=self._rate)
            assert isinstance(stream, AudioStream)
            stream.codec_context.layout = _AAC_LAYOUT
            stream.codec_context.bit_rate = _AAC_BITS
            self._streams.append(stream)
            output.writers += 1

    def write(self, packet: Packet[Any]) -> None:
        for frame in decoded(self._source, packet) or ():
            self._resample(frame)

    def finish(self) -> None:
        for frame in decoded(self._source, None) or ():
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
