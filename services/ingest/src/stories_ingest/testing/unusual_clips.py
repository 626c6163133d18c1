"""Small clips as phones, browsers and editors write them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from stories_ingest.testing.samples import sample_clip

PLACE = "52.5163 N 13.3777 E"
"""A location in the metadata of these files, which must not be in the output."""
_ONE = 1 << 16
MIRRORED = (-_ONE, 0, 0, 0, _ONE, 0, 0, 0, 1 << 30)
MIRRORED_PORTRAIT = (0, _ONE, 0, _ONE, 0, 0, 0, 0, 1 << 30)
Write = Callable[[OutputContainer], Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One video track: the left half is red, the right one blue, with a moving stripe."""

    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("preset", "ultrafast"),)
    size: tuple[int, int] = (96, 64)
    fps: int = 30
    frames: int = 30
    times: tuple[int, ...] | None = None  # in milliseconds, instead of even intervals
    pixels: str = "yuv420p"
    gop: int = 15
    bframes: int = 0
    matrix: tuple[int, ...] | None = None
    colours: tuple[int, int, int] | None = None  # primaries, transfer, matrix
    tag: str | None = None
    interlaced: bool = False
    aspect: Fraction = Fraction(1)
    disposition: Disposition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """One audio track."""

    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    begins: float = 0.0
    seconds: float = 1.0


def clip(
    path: Path,
    picture: Picture | None = Picture(),
    sound: Tone | None = Tone(),
    *more: Picture | Tone,
    format: str | None = None,  # noqa: A002  (as libav calls it)
    **options: str,
) -> Path:
    """Write a file of these tracks; `options` are the container's. Returns `path`."""
    tracks = [track for track in (picture, sound, *more) if track is not None]
    with av.open(str(path), "w", format=format, container_options=options) as container:
        container.metadata["title"] = PLACE
        streams = [_added(container, track) for track in tracks]
        packets = []
        for track, stream in zip(tracks, streams, strict=True):
            frames: Any = _pictures(track) if isinstance(track, Picture) else _tone(track, stream)
            for frame in frames:
                packets += stream.encode(frame)
            packets += stream.encode(None)
        # The muxer interleaves; all streams are known before the first packet comes.
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def empty_track(path: Path) -> Path:
    """A clip with an audio track without samples."""
    with av.open(str(path), "w") as container:
        stream = _added(container, Picture())
        container.add_stream("aac", rate=48_000, layout="stereo")
        for frame in _pictures(Picture()):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def covered(path: Path) -> Path:
    """A clip with an attached cover picture."""
    with av.open(str(path), "w") as container:
        stream = _added(container, Picture())
        cover = container.add_stream("mjpeg", rate=1)
        assert isinstance(cover, VideoStream)
        context = cover.codec_context
        context.width, context.height, context.pix_fmt = 300, 300, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        container.start_encoding()
        container.mux(cover.encode(VideoFrame(300, 300, "yuvj420p")))
        container.mux(cover.encode(None))
        for frame in _pictures(Picture()):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def moved(path: Path, by_s: float, **how: Any) -> Path:
    """A clip whose timestamps do not start at zero."""
    whole = sample_clip(path.with_name("whole.mp4"), 1, width=96, height=64, **how)
    with av.open(str(whole)) as old, av.open(str(path), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream, opaque=True) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is None or packet.pts is None:
                continue
            ticks = int(by_s / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, streams[packet.stream_index]
            new.mux(packet)
    return path


def cut_off(path: Path, share: float, *, zeros: bool = False) -> Path:
    """Truncate a file, or fill the rest with zeros."""
    content = path.read_bytes()
    kept = content[: int(len(content) * share)]
    path.write_bytes(kept + bytes(len(content) - len(kept) if zeros else 0))
    return path


def _added(container: OutputContainer, track: Picture | Tone) -> Any:
    if isinstance(track, Tone):
        sound = container.add_stream(track.codec, rate=track.rate, layout=track.layout)
        assert isinstance(sound, AudioStream)
        if sound.codec_context.codec.experimental:
            sound.codec_context.options = {"strict": "experimental"}
        return sound
    stream = container.add_stream(track.codec, rate=track.fps, options=dict(track.options))
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.width, context.height = track.size
    context.pix_fmt, context.gop_size, context.thread_count = track.pixels, track.gop, 1
    context.sample_aspect_ratio = track.aspect
    if track.times:
        context.time_base = Fraction(1, 1000)
    # Also 0: libx265 gives clips of fewer frames than its B-frame delay timestamps from memory it never wrote.
    context.max_b_frames = track.bframes
    if track.colours:
        context.color_primaries, context.color_trc, context.colorspace = track.colours
    if track.tag:
        context.codec_tag = track.tag
    if track.matrix:
        stream.set_display_matrix(track.matrix)
    if track.disposition is not None:
        stream.disposition = track.disposition
    return stream


def _pictures(track: Picture) -> Any:
    width, height = track.size
    for number in range(len(track.times) if track.times else track.frames):
        frame = VideoFrame(width, height, "rgb24")
        plane = frame.planes[0]
        at = number * width // 60 % width
        row = b"".join(
            b"\xff\xff\xff" if at <= x < at + 4 else b"\xff\x00\x00" if x < width // 2 else b"\x00\x00\xff"
            for x in range(width)
        ).ljust(plane.line_size, b"\0")
        plane.update(row * height)
        frame = frame.reformat(format=track.pixels)
        frame.pict_type = PictureType.NONE
        if track.times:
            frame.pts, frame.time_base = track.times[number], Fraction(1, 1000)
        else:
            frame.pts, frame.time_base = number, Fraction(1, track.fps)
        yield frame


def _tone(track: Tone, stream: AudioStream) -> Any:
    context = stream.codec_context
    size = context.frame_size or 1024
    silence = b"\0"
    for number in range(max(1, round(track.seconds * track.rate / size))):
        frame = AudioFrame(format=context.format.name, layout=track.layout, samples=size)
        for plane in frame.planes:
            plane.update(silence * plane.buffer_size)
        frame.sample_rate, frame.time_base = track.rate, Fraction(1, track.rate)
        frame.pts = round(track.begins * track.rate) + number * size
        yield frame
