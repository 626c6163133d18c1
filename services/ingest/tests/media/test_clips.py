"""Clips become playable MP4 without metadata."""

import os
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image
from stories_ingest.testing.samples import sample_clip


def played(path: Path) -> tuple[list[float], float]:
    """The times of the displayed frames, and the seconds of audio."""
    with av.open(str(path)) as container:
        pictures = [frame.time for frame in container.decode(container.streams.video[0]) if not frame.is_corrupt]
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return pictures, 0.0
        sound = container.streams.audio[0]
        return pictures, sum(frame.samples for frame in container.decode(sound)) / sound.codec_context.sample_rate


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 60


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


def boxes(path: Path) -> list[bytes]:
    content, at, names = path.read_bytes(), 0, []
    while at < len(content):
        names.append(content[at + 4 : at + 8])
        at += int.from_bytes(content[at : at + 4], "big") or len(content)
    return names


async def test_short_clip_is_copied_bit_by_bit_with_moov_first(tmp_path: Path, transcode) -> None:
    source = sample_clip(tmp_path / "a.mp4", 2)
    [made] = await transcode(source)
    assert (made.kind, made.content_type, made.duration_ms, made.has_audio) == ("video", "video/mp4", 2000, True)
    assert (made.width, made.height, made.starts_ms) == (360, 640, 0)
    assert made.size == made.path.stat().st_size
    assert packets(made.path) == packets(source)
    assert boxes(made.path).index(b"moov") < boxes(made.path).index(b"mdat")
    assert Image.open(made.poster_path).size == (360, 640)


def test_av1_sample_does_not_change_the_process_priority(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    sample_clip(tmp_path / "a.mp4", 0.2, codec="av1")
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"codec": "h264"}),
        ("a.mov", {"codec": "hevc", "audio": "alac"}),
        ("a.webm", {"codec": "vp9", "audio": "libopus"}),
        ("a.mp4", {"codec": "av1"}),
        ("a.mkv", {"codec": "hevc", "audio": "pcm_s16le", "deep": True}),
        ("a.webm", {"codec": "av1", "audio": None}),
        ("a.mov", {"codec": "h264", "audio": "pcm_s16le", "uneven": True}),
    ],
)
async def test_every_supported_codec_and_container_becomes_mp4(tmp_path: Path, transcode, name: str, how: dict) -> None:
    [made] = await transcode(sample_clip(tmp_path / name, 2, **how))
    pictures, sound = played(made.path)
    assert len(pictures) == (40 if how.get("uneven") else 60)
    assert pictures[0] == 0
    assert abs(made.duration_ms - 2000) <= 34
    assert sound == (pytest.approx(2, abs=0.05) if how.get("audio", "aac") else 0)
    with av.open(str(made.path)) as container:
        taken = {stream.codec_context.codec.canonical_name for stream in container.streams}
    assert taken <= {"h264", "aac"}


@pytest.mark.parametrize("rotation", [90, 180, 270])
async def test_rotated_clip_keeps_its_rotation_and_display_size(tmp_path: Path, transcode, rotation: int) -> None:
    [made] = await transcode(sample_clip(tmp_path / "a.mov", 1, width=640, height=360, rotation=rotation))
    assert (made.width, made.height) == ((640, 360) if rotation == 180 else (360, 640))
    with av.open(str(made.path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height, frame.rotation % 360) == (640, 360, -rotation % 360)
    red = (
        Image.open(made.poster_path)
        .convert("RGB")
        .getpixel({90: (180, 20), 180: (620, 180), 270: (180, 620)}[rotation])
    )
    assert near(red, (255, 0, 0))  # the card's first bar, rotated


async def test_pixel_aspect_ratio_changes_the_display_width(tmp_path: Path, transcode) -> None:
    [made] = await transcode(sample_clip(tmp_path / "a.mp4", 1, width=320, height=240, pixel_aspect=Fraction(4, 3)))
    assert (made.width, made.height) == (427, 240)
    assert Image.open(made.poster_path).size == (427, 240)


async def test_metadata_of_phones_is_removed(tmp_path: Path, transcode) -> None:
    source = sample_clip(tmp_path / "a.mov", 1, codec="hevc", width=640, height=360, rotation=90, deep=True, phone=True)
    with av.open(str(source)) as container:
        assert len(container.streams) == 4
    [made] = await transcode(source, "video/quicktime")
    with av.open(str(made.path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert not container.chapters()
        assert container.metadata.keys() <= {"major_brand", "minor_version", "compatible_brands"}
        assert container.streams.video[0].codec_context.codec_tag == "avc1"
    assert not any(word in made.path.read_bytes() for word in (b"Apple", b"+52.52", b"holiday", b"Lavf", b"chapter"))


def moved(source: Path, target: Path, picture_s: float, sound_s: float) -> Path:
    """The clip with its tracks shifted in time, which the muxer writes as edit lists."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream, opaque=True) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is None:
                continue
            ticks = int((picture_s if packet.stream.type == "video" else sound_s) / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, streams[packet.stream_index]
            new.mux(packet)
    return target


async def test_packets_hidden_by_an_edit_list_are_dropped(tmp_path: Path, transcode) -> None:
    whole = sample_clip(tmp_path / "a.mp4", 3, key_seconds=100)
    [made] = await transcode(moved(whole, tmp_path / "b.mp4", -1, -1))
    pictures, sound = played(made.path)
    assert (made.duration_ms, len(pictures), pictures[0]) == (2000, 60, 0)
    assert sound == pytest.approx(2, abs=0.03)


async def test_clip_starts_with_its_first_video_frame(tmp_path: Path, transcode) -> None:
    whole = sample_clip(tmp_path / "a.mp4", 3)
    [made] = await transcode(moved(whole, tmp_path / "b.mp4", 1, 0))
    pictures, sound = played(made.path)
    assert (made.duration_ms, len(pictures), pictures[0]) == (3000, 90, 0)
    assert sound == pytest.approx(2, abs=0.05)


async def test_audio_longer_than_the_video_is_cut(tmp_path: Path, transcode) -> None:
    [made] = await transcode(sample_clip(tmp_path / "a.mp4", 2, audio_seconds=5))
    pictures, sound = played(made.path)
    assert (len(pictures), made.duration_ms) == (60, 2000)
    assert sound == pytest.approx(2, abs=0.025)


async def test_browser_recordings_are_accepted(tmp_path: Path, transcode) -> None:
    live = sample_clip(tmp_path / "a.webm", 2, codec="vp9", audio="libopus", container_options={"live": "1"})
    [made] = await transcode(live, "video/webm")
    assert made.duration_ms == pytest.approx(2000, abs=35)
    fragments = sample_clip(tmp_path / "a.mp4", 2, container_options={"movflags": "frag_keyframe+empty_moov"})
    [made] = await transcode(fragments)
    assert made.duration_ms == pytest.approx(2000, abs=35)


async def test_trailer_that_is_not_a_box_is_accepted(tmp_path: Path, transcode) -> None:
    source = sample_clip(tmp_path / "a.mp4", 1)
    source.write_bytes(source.read_bytes() + b"SEFH what some phones leave behind" * 9)
    [made] = await transcode(source)
    assert made.duration_ms == 1000


async def test_clip_of_a_single_frame_is_accepted(tmp_path: Path, transcode) -> None:
    [made] = await transcode(sample_clip(tmp_path / "a.webm", 0.03, codec="vp9", audio=None))
    assert made.duration_ms == 33


async def test_poster_is_not_the_black_before_a_fade_in(tmp_path: Path, transcode) -> None:
    [made] = await transcode(sample_clip(tmp_path / "a.mp4", 3, dark_seconds=1))
    levels = Image.open(made.poster_path).convert("L").getextrema()
    assert levels[1] > 150


async def test_poster_is_at_most_1080_on_its_longer_side(tmp_path: Path, transcode) -> None:
    [made] = await transcode(sample_clip(tmp_path / "a.mp4", 0.5, width=1080, height=1920, fps=10))
    assert Image.open(made.poster_path).size == (608, 1080)


async def test_progress_rises_to_one(tmp_path: Path, into: Path) -> None:
    from stories_ingest.media import MediaLimits, make

    said: list[float] = []
    await make(sample_clip(tmp_path / "a.mp4", 2), "video/mp4", False, MediaLimits(), into, said.append)
    assert said == sorted(said)
    assert said[-1] == 1
    assert len(said) > 5
