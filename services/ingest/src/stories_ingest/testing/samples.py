"""Generate sample clips and photos with a test card, a tone and GPS metadata."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

Codec = Literal["h264", "hevc", "vp9", "av1"]
Sound = Literal["aac", "libopus", "alac", "pcm_s16le", "libmp3lame"]

_ENCODERS: dict[Codec, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"preset": "ultrafast", "crf": "28"}),
    "hevc": ("libx265", {"preset": "ultrafast", "crf": "30", "x265-params": "log-level=none:open-gop=0"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "av1": ("libsvtav1", {"preset": "11", "crf": "50"}),
}
_TAGS = {
    "title": "holiday",
    "com.apple.quicktime.location.ISO6709": "+52.5200+013.4050+034.000/",
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.model": "iPhone 16 Pro",
}


def sample_clip(
    path: Path,
    seconds: float,
    *,
    width: int = 360,
    height: int = 640,
    fps: int = 30,
    codec: Codec = "h264",
    audio: Sound | None = "aac",
    audio_seconds: float | None = None,
    rotation: int = 0,
    key_seconds: float = 1.0,
    dark_seconds: float = 0.0,
    uneven: bool = False,
    deep: bool = False,
    pixel_aspect: Fraction = Fraction(1),
    phone: bool = False,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a clip of a test card and a tone; the suffix of `path` selects the container (mp4, mov, webm, mkv).

    `rotation` is the clockwise display rotation in degrees; `key_seconds` the key frame interval; it fades in after
    `dark_seconds`; `uneven` drops every third frame; `deep` writes 10-bit HLG; `phone` adds what phones add:
    location and model, a timecode track and a chapter track. Returns `path`.
    """
    options = dict(container_options or {})
    if phone:
        options["movflags"] = "use_metadata_tags"

    def write() -> None:
        with av.open(str(path), "w", container_options=options) as container:
            picture = _picture_stream(container, codec, fps, key_seconds, deep)
            picture.codec_context.width, picture.codec_context.height = width, height
            picture.codec_context.sample_aspect_ratio = pixel_aspect
            if rotation:
                picture.set_display_rotation(-rotation)
            sound = _sound_stream(container, audio) if audio else None
            if phone:
                container.metadata.update(_TAGS)
                picture.metadata["timecode"] = "01:00:00:00"
                container.set_chapters(
                    [
                        {
                            "id": 1,
                            "start": 0,
                            "end": 900,
                            "time_base": Fraction(1, 1000),
                            "metadata": {"title": "a chapter"},
                        }
                    ]
                )
            for frame in _card(width, height, fps, seconds, dark_seconds, uneven, picture.codec_context.pix_fmt or ""):
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
            if sound is not None:
                for samples in _tone(audio_seconds or seconds, sound):
                    container.mux(sound.encode(samples))
                container.mux(sound.encode(None))

    # As root, the AV1 encoder sets the highest real-time priority on the calling thread, and child processes inherit
    # it: a server started later would starve the machine. So it gets a thread of its own.
    if codec == "av1":
        with ThreadPoolExecutor(1) as executor:
            executor.submit(write).result()
    else:
        write()
    return path


def sample_photo(
    path: Path, *, width: int = 1200, height: int = 800, mode: str = "RGB", orientation: int = 1, icc: bytes = b""
) -> Path:
    """Write a photo with location and camera in its EXIF; the suffix of `path` selects the format.

    Returns `path`.

    A red square marks its upper left corner as stored. HEIC takes its orientation from the EXIF too.
    """
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 4, height // 4), fill=(220, 20, 20))
    if mode == "RGBA":
        image.putalpha(Image.radial_gradient("L").resize((width, height)))
    image = image.convert(mode)
    options: dict[str, Any] = {"exif": _exif(orientation), "icc_profile": icc}
    if path.suffix in {".heic", ".heif"}:
        import pillow_heif

        pillow_heif.register_heif_opener()
    image.save(path, **{name: option for name, option in options.items() if option})
    return path


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Apple", "iPhone 16 Pro", orientation
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return exif.tobytes()


def _picture_stream(container: OutputContainer, codec: Codec, fps: int, key_seconds: float, deep: bool) -> VideoStream:
    name, options = _ENCODERS[codec]
    if codec == "av1":
        os.environ.setdefault("SVT_LOG", "1")  # it logs a banner to standard error otherwise
    stream = container.add_stream(name, rate=fps, options=options)
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.pix_fmt = "yuv420p10le" if deep else "yuv420p"
    context.gop_size = max(1, round(fps * key_seconds))
    context.thread_count = 2
    if deep:
        context.color_primaries, context.color_trc, context.colorspace = 9, 18, 9  # BT.2020, HLG
    if codec == "hevc" and container.format.name in {"mp4", "mov"}:
        context.codec_tag = "hvc1"
    return stream


def _sound_stream(container: OutputContainer, audio: Sound) -> AudioStream:
    stream = container.add_stream(audio, rate=48_000)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = "stereo"
    return stream


def _card(
    width: int, height: int, fps: int, seconds: float, dark: float, uneven: bool, pixels: str
) -> Iterator[VideoFrame]:
    graph = Graph()
    steps = [graph.add("testsrc2", f"size={width}x{height}:rate={fps}:duration={seconds}")]
    if dark:
        steps.append(graph.add("fade", f"type=in:start_time={dark}:duration=0.2"))
    if uneven:
        steps.append(graph.add("select", "mod(n+1\\,3)"))
    steps += [graph.add("format", pixels), graph.add("buffersink")]
    graph.link_nodes(*steps).configure()
    while True:
        try:
            frame = graph.vpull()
        except (av.EOFError, av.BlockingIOError):
            return
        frame.pict_type = PictureType.NONE
        yield frame


def _tone(seconds: float, stream: AudioStream) -> Iterator[AudioFrame]:
    graph = Graph()
    context = stream.codec_context
    source = graph.add("sine", f"frequency=440:sample_rate={context.sample_rate}:duration={seconds}")
    shape = graph.add("aformat", f"sample_fmts={context.format.name}:channel_layouts={context.layout.name}")
    graph.link_nodes(source, shape, graph.add("abuffersink")).configure()
    while True:
        try:
            frame = graph.pull()
        except (av.EOFError, av.BlockingIOError):
            return
        assert isinstance(frame, AudioFrame)
        yield frame
