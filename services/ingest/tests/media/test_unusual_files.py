"""Files of phones, browsers and editors are transcoded correctly or refused with the right reason."""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from PIL import Image
from stories_ingest.domain.media import Media
from stories_ingest.media import MediaLimits, worker
from stories_ingest.media.display import display_format
from stories_ingest.media.output_probe import rotated
from stories_ingest.media.tracks import open_tracks
from stories_ingest.testing.chromium import CHROMIUM, GRID, Played, play
from stories_ingest.testing.mp4_boxes import Box, edited, in_sample_entry, with_edits, with_user_data
from stories_ingest.testing.samples import sample_clip
from stories_ingest.testing.unusual_clips import (
    MIRRORED,
    MIRRORED_PORTRAIT,
    PLACE,
    Picture,
    Tone,
    clip,
    covered,
    cut_off,
    empty_track,
    moved,
)
from stories_ingest.testing.unusual_photos import (
    RED,
    burst,
    card,
    chunk,
    display_p3,
    exif,
    in_app_segment,
    malformed_exif,
    moving,
    photo,
    raw_png,
    several,
    sixteen_bits,
    tailed,
)

Writer = Callable[[Path], Path]
PLACED = PLACE.encode()
MARKS = (PLACED, b"Apple", b"iPhone", b"holiday", b"a chapter", b"Exif\0")
X264, X265 = "libx264", "libx265"
FAST = (("preset", "ultrafast"), ("x265-params", "log-level=none"))
OPEN_GROUPS = (("preset", "veryfast"), ("x264-params", "bframes=3:b-pyramid=normal"))
H264, HIGH, AAC = r"avc1\.[0-9A-F]{6}", r"avc1\.6400[0-9A-F]{2}", r"mp4a\.40\.2"
BT709 = 1
LIVE = {"live": "1"}
PIECES = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


@dataclass(frozen=True, kw_only=True)
class Video:
    """The expected output of a clip: its streams copied, or `encoded` so that every browser plays it."""

    frames: int = 30
    ms: int = 1000
    size: tuple[int, int] = (96, 64)
    encoded: bool = False
    sound: float | None = 1.0  # seconds
    red: str | None = "left"  # where on the poster
    within: int = 40  # ms

    def check(self, output: Any) -> None:
        assert (output.kind, output.content_type) == ("video", "video/mp4")
        assert (output.width, output.height) == self.size
        assert abs(output.duration_ms - self.ms) <= self.within
        assert output.has_audio == (self.sound is not None)
        picture = HIGH if self.encoded else H264
        assert re.fullmatch(picture if self.sound is None else f"{picture},{AAC}", output.codecs)
        assert output.renditions == (output.itself,)
        assert_preview(output)
        with opened(output.path) as container:
            assert {stream.type for stream in container.streams} <= {"video", "audio"}
            assert len(container.streams) == 1 + output.has_audio
            assert container.metadata.keys() <= {"major_brand", "minor_version", "compatible_brands"}
            assert not container.chapters()
            shown = [frame for frame in container.decode(video=0) if not frame.is_corrupt]
            assert len(shown) == self.frames
            if self.encoded:
                assert_plays_everywhere(shown[0], self.size)
        with opened(output.path, ignore_editlist="1") as container:  # every packet is displayed
            assert sum(packet.size > 0 for packet in container.demux(video=0)) == self.frames
        content = output.path.read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")
        if self.sound is not None:
            with opened(output.path) as container:
                rate = container.streams.audio[0].codec_context.sample_rate
                assert sum(frame.samples for frame in container.decode(audio=0)) / rate == pytest.approx(
                    self.sound, abs=0.06
                )
        poster = Image.open(output.poster_path).convert("RGB")
        assert poster.size == self.size
        if self.red is not None:
            x, y = {"left": (0.2, 0.5), "right": (0.8, 0.5), "top": (0.5, 0.2), "bottom": (0.5, 0.8)}[self.red]
            colour = poster.getpixel((int(x * poster.width), int(y * poster.height)))
            assert colour[0] > 120 > colour[2]
        assert_no_metadata(output)


@dataclass(frozen=True, kw_only=True)
class Still:
    """The expected output of a photo."""

    size: tuple[int, int] = (96, 64)
    content_type: str = "image/jpeg"
    red: tuple[int, int, int] | None = RED
    by: int = 12

    def check(self, output: Any) -> None:
        assert (output.kind, output.content_type, output.duration_ms, output.codecs) == (
            "photo",
            self.content_type,
            None,
            None,
        )
        assert (output.width, output.height) == self.size
        assert output.renditions == (output.itself,)
        assert_preview(output)
        for path in (output.path, output.poster_path):
            image = Image.open(path)
            assert image.size == self.size
            assert not image.getexif()
            assert "icc_profile" not in image.info
            if self.red:
                pixel = image.convert("RGB").getpixel((image.width // 5, image.height // 5))
                assert max(abs(a - b) for a, b in zip(pixel, self.red, strict=True)) <= self.by
        assert_no_metadata(output)


def opened(path: Path, **options: str) -> InputContainer:
    return av.open(str(path), container_options=options)


def assert_no_metadata(output: Any) -> None:
    for path in (output.path, output.poster_path):
        content = path.read_bytes()
        assert not [mark for mark in MARKS if mark in content]


def assert_plays_everywhere(frame: VideoFrame, size: tuple[int, int]) -> None:
    """Upright square pixels in 8 bits 4:2:0, BT.709, limited range."""
    assert (frame.width, frame.height, frame.format.name, frame.rotation) == (*size, "yuv420p", 0)
    assert (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)) == (BT709, BT709, BT709)
    assert int(frame.color_range) == 1


def assert_preview(output: Any) -> None:
    poster = Image.open(output.poster_path).convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    color = tuple(bytes.fromhex(output.preview.color[1:]))
    assert max(abs(a - b) for a, b in zip(color, poster, strict=True)) < 70  # one averages light, the other signals
    assert len(output.preview.blurhash) == 28


def remuxed(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of the file with changed bytes."""
    other = path.with_name(name)
    other.write_bytes(change(path.read_bytes()))
    return other


def media_first(content: bytes) -> bytes:
    """An early QuickTime file without `ftyp`: `wide`, `mdat`, then `moov`."""
    return content.replace(b"ftyp", b"wide", 1)


def renamed(path: Path, samples: bytes, handler: bytes = b"soun") -> Path:
    """Rename the last track's sample entry and handler to unknown types."""

    def change(moov: Box) -> None:
        track = list(moov.all(b"trak"))[-1]
        kind, table = next(track.all(b"hdlr")), next(track.all(b"stsd"))
        kind.content = kind.content.replace(b"soun", handler)
        table.content = table.content.replace(b"mp4a", samples, 1)

    return edited(path, change)


TRIMMED = partial(clip, picture=Picture(frames=90, gop=30, options=OPEN_GROUPS), sound=Tone(seconds=3))
CARD = Picture(frames=30)
STILLS = "image/jpeg"

TAKEN: dict[str, tuple[str, Writer, Video | Still]] = {
    # phones
    "iphone portrait": (
        "a.mov",
        lambda p: clip(
            p, Picture(codec=X265, options=FAST, tag="hvc1", matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
        ),
        Video(size=(64, 96), encoded=True, red="top"),
    ),
    "upside down": (
        "a.mov",
        lambda p: clip(p, Picture(matrix=(-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30))),
        Video(red="right"),
    ),
    "mirrored selfie": ("a.mov", lambda p: clip(p, Picture(matrix=MIRRORED)), Video(red="right")),
    "mirrored portrait selfie": (
        "a.mov",
        lambda p: clip(p, Picture(matrix=MIRRORED_PORTRAIT)),
        Video(size=(64, 96), red="top"),
    ),
    "slow motion at 240": (
        "a.mov",
        lambda p: clip(p, Picture(fps=240, frames=120), Tone(seconds=0.5)),
        Video(frames=15, ms=500, sound=0.5, encoded=True),
    ),
    "screen recording at 120": (
        "a.mp4",
        lambda p: clip(p, Picture(fps=120, frames=120), None),
        Video(frames=30, sound=None, encoded=True),
    ),
    "screen recording that stands still": (
        "a.mp4",
        lambda p: clip(p, Picture(times=(0, 16, 33, 900, 933)), None),
        Video(frames=5, ms=950, sound=None),
    ),
    "uneven times": (
        "a.mp4",
        lambda p: clip(p, Picture(times=tuple(n * 33 + n % 3 * 7 for n in range(30)))),
        Video(ms=1000),
    ),
    "hlg": (
        "a.mov",
        lambda p: clip(p, Picture(codec=X265, options=FAST, tag="hvc1", pixels="yuv420p10le", colours=(9, 18, 9))),
        Video(encoded=True),
    ),
    "hdr10": (
        "a.mp4",
        lambda p: clip(p, Picture(codec=X265, options=FAST, tag="hvc1", pixels="yuv420p10le", colours=(9, 16, 9))),
        Video(encoded=True),
    ),
    "dolby vision 8.4": (
        "a.mov",
        lambda p: in_sample_entry(
            clip(p, Picture(codec=X265, options=FAST, tag="hvc1", pixels="yuv420p10le", colours=(9, 18, 9))),
            Box(b"dvvC", bytes([1, 0, 8 << 1, 5 << 3 | 0b101, 4 << 4]) + bytes(19)),
        ),
        Video(encoded=True),
    ),
    "place and model": (
        "a.mp4",
        lambda p: with_user_data(clip(p), bytes(Box(b"\xa9xyz", struct.pack(">HH", len(PLACED), 0) + PLACED))),
        Video(),
    ),
    "timecode and chapters": ("a.mov", lambda p: sample_clip(p, 1, width=96, height=64, phone=True), Video(red=None)),
    "old android, baseline": (
        "a.mp4",
        lambda p: clip(
            p, Picture(options=(("preset", "ultrafast"), ("profile", "baseline"))), Tone(rate=16_000, layout="mono")
        ),
        Video(),
    ),
    "five sound channels": ("a.mov", lambda p: clip(p, CARD, Tone(layout="5.1")), Video()),
    "sound of a telephone in pcm": (
        "a.mov",
        lambda p: clip(p, CARD, Tone(codec="pcm_s16le", rate=8_000, layout="mono")),
        Video(),
    ),
    "lossless sound": ("a.mov", lambda p: clip(p, CARD, Tone(codec="alac")), Video()),
    "sound that begins late": ("a.mp4", lambda p: clip(p, CARD, Tone(begins=0.4, seconds=0.6)), Video(sound=0.6)),
    "sound that goes on": ("a.mp4", lambda p: clip(p, CARD, Tone(seconds=2)), Video(sound=1)),
    "sound that ends early": ("a.mp4", lambda p: clip(p, CARD, Tone(seconds=0.4)), Video(sound=0.4)),
    "picture that begins late": (
        "a.mp4",
        lambda p: clip(p, Picture(times=tuple(300 + n * 33 for n in range(30))), Tone(seconds=1.3)),
        Video(),
    ),
    "two cameras at once": (
        "a.mov",
        lambda p: clip(p, CARD, Tone(), Picture(size=(64, 64), frames=30, disposition=Disposition(0))),
        Video(),
    ),
    "two sounds": ("a.mov", lambda p: clip(p, CARD, Tone(), Tone(codec="pcm_s16le", layout="mono")), Video()),
    "a track that nobody knows": ("a.mov", lambda p: renamed(clip(p), b"gpmd", b"meta"), Video(sound=None)),
    "spatial sound beside the plain one": (
        "a.mov",
        lambda p: renamed(clip(p, CARD, Tone(), Tone(layout="mono")), b"apac"),
        Video(),
    ),
    "one picture": ("a.mp4", lambda p: clip(p, Picture(frames=1), None), Video(frames=1, ms=33, sound=None)),
    # browsers
    "recorder of chrome": (
        "a.webm",
        lambda p: clip(p, Picture(codec="libvpx", options=(("deadline", "realtime"),)), Tone(codec="libopus"), **LIVE),
        Video(encoded=True),
    ),
    "recorder of chrome, vp9": (
        "a.webm",
        lambda p: clip(
            p, Picture(codec="libvpx-vp9", options=(("deadline", "realtime"),)), Tone(codec="libopus"), **LIVE
        ),
        Video(encoded=True),
    ),
    "recorder without a microphone": (
        "a.webm",
        lambda p: clip(p, Picture(codec="libvpx", options=(("deadline", "realtime"),)), None, **LIVE),
        Video(sound=None, encoded=True),
    ),
    "one picture of a recorder": (
        "a.webm",
        lambda p: clip(p, Picture(codec="libvpx", frames=1, options=()), None, **LIVE),
        Video(frames=1, ms=33, sound=None, encoded=True),
    ),
    "av1 of a browser": (
        "a.webm",
        lambda p: sample_clip(p, 1, width=96, height=64, codec="av1", audio="libopus"),
        Video(encoded=True, red=None),
    ),
    "recorder of chrome, h264": (
        "a.mkv",
        lambda p: clip(p, CARD, Tone(codec="libopus"), **LIVE),
        Video(),
    ),
    "recorder of safari": ("a.mp4", lambda p: clip(p, CARD, Tone(), **PIECES), Video()),
    "recorder of firefox": ("a.mp4", lambda p: clip(p, CARD, Tone(codec="libopus")), Video()),
    # editors
    "b-pictures": ("a.mp4", lambda p: clip(p, Picture(bframes=3, options=OPEN_GROUPS)), Video()),
    "trimmed between key pictures": ("a.mp4", lambda p: with_edits(TRIMMED(p), [(1.0, 1.5)]), Video(frames=30)),
    "trimmed at a key picture": (
        "a.mp4",
        lambda p: with_edits(clip(p, Picture(frames=90), Tone(seconds=3)), [(1.0, 1.0)]),
        Video(frames=30),
    ),
    "trimmed at its end": (
        "a.mp4",
        lambda p: with_edits(clip(p, Picture(frames=90), Tone(seconds=3)), [(1.0, 0.0)]),
        Video(frames=30),
    ),
    "a scene cut out": (
        "a.mp4",
        lambda p: with_edits(clip(p, Picture(frames=90, gop=100), Tone(seconds=3)), [(0.5, 0.0), (0.5, 2.0)]),
        Video(frames=30),
    ),
    "a pause before it": (
        "a.mp4",
        lambda p: with_edits(clip(p, CARD, None), [(0.5, None), (1.0, 0.0)]),
        Video(sound=None),
    ),
    "time before zero": ("a.mp4", lambda p: moved(p, -0.5), Video(frames=15, ms=500, sound=0.5, red=None)),
    "time far behind zero": ("a.mp4", lambda p: moved(p, 5), Video(red=None)),
    "without a word about its kind": ("a.mov", lambda p: remuxed(clip(p), "b.mov", media_first), Video()),
    "the index in front": ("a.mp4", lambda p: clip(p, movflags="faststart"), Video()),
    "a cover": ("a.mp4", covered, Video(sound=None)),
    "an empty track": ("a.mp4", empty_track, Video(sound=None)),
    "hev1": ("a.mp4", lambda p: clip(p, Picture(codec=X265, options=FAST, tag="hev1")), Video(encoded=True)),
    "interlaced": (
        "a.mov",
        lambda p: clip(p, Picture(options=(("preset", "ultrafast"), ("x264-params", "tff=1")))),
        Video(),
    ),
    "wide pixels": ("a.mp4", lambda p: clip(p, Picture(aspect=Fraction(4, 3))), Video(size=(128, 64))),
    "wide pixels, turned": (
        "a.mp4",
        lambda p: clip(p, Picture(aspect=Fraction(4, 3), matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))),
        Video(size=(64, 128), red="top"),
    ),
    "odd sides": (
        "a.mp4",
        lambda p: clip(p, Picture(size=(97, 65), pixels="yuv444p")),
        Video(size=(96, 64), encoded=True),
    ),
    "all colours of every pixel": ("a.mp4", lambda p: clip(p, Picture(pixels="yuv444p")), Video(encoded=True)),
    "ten bits of a camera": ("a.mov", lambda p: clip(p, Picture(pixels="yuv422p10le")), Video(encoded=True)),
    "one key picture": ("a.mkv", lambda p: clip(p, Picture(gop=300), Tone()), Video()),
    "a trailer of a phone": ("a.mp4", lambda p: tailed(clip(p), b"SEFH" + bytes(40)), Video()),
    # photos of phones
    **{f"orientation {number}": ("a.jpg", partial(photo, orientation=number), Still()) for number in range(1, 9)},
    "malformed exif": ("a.jpg", lambda p: photo(p, orientation=6, exif=malformed_exif(6)), Still()),
    "exif of nonsense": ("a.jpg", lambda p: photo(p, exif=b"Exif\0\0II*\0\xff\xff\xff\xff junk"), Still()),
    "an unknown orientation": ("a.jpg", lambda p: photo(p, exif=exif(99)), Still()),
    "a maker's note of 60 KB": ("a.jpg", lambda p: photo(p, exif=exif(6, bytes(60_000)), orientation=6), Still()),
    "wide colours": ("a.jpg", lambda p: photo(p, icc_profile=display_p3()), Still(red=(241, 0, 0), by=30)),
    "a motion photo": ("a.jpg", lambda p: tailed(photo(p), clip(p.with_name("m.mp4")).read_bytes()), Still()),
    "an ultra hdr photo": ("a.jpg", several, Still()),
    "two eyes": ("a.jpg", lambda p: several(p, (96, 64)), Still()),
    "a burst": ("a.heic", burst, Still()),
    "heic": ("a.heic", photo, Still()),
    "heif that calls itself so": ("a.heif", photo, Still()),
    "a trailer behind a photo": ("a.jpg", lambda p: tailed(photo(p), b"SEFH" + bytes(999)), Still()),
    # photos of browsers and editors
    "photoshop's words": ("a.jpg", lambda p: in_app_segment(photo(p), 0xED, b"Photoshop 3.0\0" + PLACED), Still()),
    "xmp": ("a.jpg", lambda p: in_app_segment(photo(p), 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PLACED), Still()),
    "progressive": ("a.jpg", partial(photo, progressive=True), Still()),
    "grey": ("a.jpg", partial(photo, mode="L"), Still(red=(81, 81, 81))),
    "cmyk": ("a.jpg", partial(photo, mode="CMYK"), Still()),
    "palette": ("a.png", partial(photo, mode="P"), Still(by=40)),
    "one bit": ("a.png", partial(photo, mode="1"), Still(red=None)),
    "sixteen bits": ("a.png", lambda p: raw_png(p, 16, 2, sixteen_bits), Still()),
    "a time and words in a png": (
        "a.png",
        lambda p: raw_png(p, 16, 2, sixteen_bits, chunk(b"tEXt", b"place\0" + PLACED), chunk(b"tIME", bytes(7))),
        Still(),
    ),
    "a png that a phone turned": ("a.png", partial(photo, orientation=6), Still()),
    "a webp that a phone turned": ("a.webp", partial(photo, orientation=6, quality=95), Still(by=25)),
    "a webp without loss": ("a.webp", partial(photo, lossless=True), Still()),
    "a moving webp": ("a.webp", moving, Still(by=25)),
    "a moving png": ("a.png", moving, Still()),
    "a moving avif": ("a.avif", moving, Still(by=25)),
    "an avif": ("a.avif", partial(photo, quality=90), Still(by=25)),
    "transparency that hides nothing": ("a.png", partial(photo, mode="RGBA"), Still()),
    "a sticker": ("a.png", lambda p: sticker(p), Still(content_type="image/webp", by=25)),
    "a sticker in avif": ("a.avif", lambda p: sticker(p), Still(content_type="image/webp", by=40)),
    "one pixel": ("a.png", lambda p: saved(Image.new("RGB", (1, 1), RED), p), Still(size=(1, 1))),
    "a strip": ("a.jpg", lambda p: saved(Image.new("RGB", (3, 900), RED), p, quality=95), Still(size=(3, 900))),
}

REFUSED: dict[str, tuple[str, Writer, str]] = {
    "half an upload": ("a.mp4", lambda p: cut_off(clip(p), 0.5), "damaged"),
    "half an upload with its index": ("a.mp4", lambda p: cut_off(clip(p, movflags="faststart"), 0.5), "damaged"),
    "an upload whose rest is zeros": (
        "a.mp4",
        lambda p: cut_off(clip(p, movflags="faststart"), 0.6, zeros=True),
        "damaged",
    ),
    "half a fragmented upload": ("a.mp4", lambda p: cut_off(clip(p, **PIECES), 0.6), "damaged"),
    "half a photo": ("a.jpg", lambda p: cut_off(photo(p), 0.5), "damaged"),
    "half a heic": ("a.heic", lambda p: cut_off(photo(p), 0.6), "damaged"),
    "sound of a telephone": (
        "a.mp4",
        lambda p: clip(p, CARD, Tone(codec="libopencore_amrnb", rate=8_000, layout="mono"), format="mov"),
        "unsupported",
    ),
    "picture of a telephone": (
        "a.mp4",
        lambda p: clip(p, Picture(codec="h263", options=(), size=(176, 144)), None, format="3gp"),
        "unsupported",
    ),
    "mp3 sound": ("a.mp4", lambda p: clip(p, CARD, Tone(codec="libmp3lame")), "unsupported"),
    "cinema sound": ("a.mp4", lambda p: clip(p, CARD, Tone(codec="ac3")), "unsupported"),
    "vorbis": ("a.webm", lambda p: clip(p, Picture(codec="libvpx", options=()), Tone(codec="vorbis")), "unsupported"),
    "an editor's master": (
        "a.mov",
        lambda p: clip(p, Picture(codec="prores_ks", options=(), pixels="yuv422p10le"), None),
        "unsupported",
    ),
    "an old camera": (
        "a.mov",
        lambda p: clip(p, Picture(codec="mjpeg", options=(), pixels="yuvj420p"), None),
        "unsupported",
    ),
    "a broadcast renamed": ("a.mp4", lambda p: clip(p, CARD, Tone(), format="mpegts"), "unsupported"),
    "a voice message": ("a.mp4", lambda p: clip(p, None, Tone()), "unsupported"),
    "an avi renamed": ("a.mp4", lambda p: clip(p, CARD, None, format="avi"), "unsupported"),
    "a film of an hour": (
        "a.mp4",
        lambda p: clip(p, Picture(times=tuple(range(0, 3_600_000, 60_000))), None),
        "too_long",
    ),
    "a gif renamed": ("a.jpg", lambda p: saved(card(), p, format="GIF"), "unsupported"),
    "a tiff": ("a.tiff", lambda p: saved(card(), p), "unsupported"),
    "a bitmap": ("a.bmp", photo, "unsupported"),
    "a jpeg xl": ("a.jpg", lambda p: written(p, b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99)), "unsupported"),
    "a page of an error": ("a.jpg", lambda p: written(p, b"<!doctype html><title>502</title>"), "not_media"),
    "a document": ("a.jpg", lambda p: written(p, b"%PDF-1.7\n"), "not_media"),
    "a photo called a clip": ("a.mp4", lambda p: saved(card(), p, format="JPEG"), "type_mismatch"),
}


def sticker(path: Path) -> Path:
    image = card()
    image.putalpha(Image.new("L", image.size, 255))
    image.paste((0, 0, 0, 0), (60, 40, 96, 64))
    return saved(image, path)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def declared(name: str) -> str:
    return "video/mp4" if Path(name).suffix in {".mp4", ".mov", ".webm", ".mkv"} else STILLS


@pytest.mark.parametrize("case", TAKEN)
async def test_file_is_accepted_with_the_expected_output(tmp_path: Path, transcode, case: str) -> None:
    name, make, right = TAKEN[case]
    [output] = await transcode(make(tmp_path / name), declared(name))
    right.check(output)


@pytest.mark.parametrize("case", REFUSED)
async def test_file_is_refused_with_the_expected_reason(tmp_path: Path, rejection, case: str) -> None:
    name, make, reason = REFUSED[case]
    assert await rejection(make(tmp_path / name), declared(name)) == reason


@pytest.mark.nightly
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_chromium_plays_every_clip_and_shows_the_pixels_of_its_source(tmp_path: Path) -> None:
    """Runs the worker's code in this process; the processes are tested above."""
    sources: dict[str, Path] = {}
    outputs: dict[str, Media] = {}
    frames: dict[str, int] = {}
    for number, (name, make, right) in enumerate(TAKEN.values()):
        if isinstance(right, Video):
            folder = tmp_path / str(number)
            folder.mkdir()
            source = make(folder / name)
            job = {
                "bounds": asdict(MediaLimits()),
                "source": source,
                "into": folder,
                "declared": "video/mp4",
                "split": True,
            }
            [made] = worker.run(job, lambda _: None)
            key = f"{number}/{made.media.key}"
            sources[key], outputs[key], frames[key] = source, made.media, right.frames
    played = play(tmp_path, {key: f'{media.content_type}; codecs="{media.codecs}"' for key, media in outputs.items()})
    assert len(played) == len(outputs)
    wrong = {key: what for key, what in played.items() if not isinstance(what, Played) or what.can_play != "probably"}
    assert wrong == {}
    for key, shown in played.items():
        assert (shown.width, shown.height) == (outputs[key].width, outputs[key].height)
        assert shown.frames == frames[key]
        assert distance(shown.pixels, first_picture(sources[key])) < 8, key


def distance(one: Sequence[tuple[int, ...]], other: Sequence[tuple[int, ...]]) -> float:
    """The mean difference of two grids, of 255."""
    apart = [abs(a - b) for ours, theirs in zip(one, other, strict=True) for a, b in zip(ours, theirs, strict=True)]
    return sum(apart) / len(apart)


def first_picture(source: Path) -> list[tuple[int, int, int]]:
    """The first displayed frame of an upload, upright and in sRGB, as a grid."""
    form = "matroska" if source.suffix in {".webm", ".mkv"} else "mov"
    with open_tracks(source, form) as tracks:
        frame = next(frame for frame in tracks.container.decode(tracks.video) if not frame.is_corrupt)
        display = display_format(frame, tracks.video.sample_aspect_ratio)
        image = rotated(frame, display).resize((GRID, GRID), Image.Resampling.BOX)
    levels = image.tobytes()
    return [tuple(levels[at : at + 3]) for at in range(0, len(levels), 3)]
