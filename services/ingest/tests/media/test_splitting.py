"""Long clips are split into parts of about equal length."""

from pathlib import Path

import av
import pytest
from stories_ingest.media import MediaLimits
from stories_ingest.testing.samples import sample_clip

SMALL = {"width": 180, "height": 320, "fps": 15}


def pictures(path: Path) -> list[bytes]:
    """Small grey copies of every displayed frame."""
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(video=0) if not frame.is_corrupt]
    return [bytes(frame.reformat(16, 16, "gray").planes[0]) for frame in frames]


async def test_clip_within_the_tolerance_is_not_split(tmp_path: Path, transcode) -> None:
    [made] = await transcode(sample_clip(tmp_path / "a.mp4", 15.4, **SMALL), split=False)
    assert made.duration_ms == 15_400


async def test_longer_clip_is_two_parts_or_too_long_without_split(tmp_path: Path, transcode, rejection) -> None:
    source = sample_clip(tmp_path / "a.mp4", 15.6, **SMALL)
    assert await rejection(source, split=False) == "too_long"
    made = await transcode(source, split=True)
    assert len(made) == 2
    assert sum(part.duration_ms for part in made) == 15_600


@pytest.mark.parametrize("key_seconds", [1.0, 100.0], ids=["copied", "encoded"])
async def test_five_parts_of_64_seconds_contain_every_frame_once(tmp_path: Path, transcode, key_seconds: float) -> None:
    source = sample_clip(tmp_path / "a.mp4", 64, key_seconds=key_seconds, **SMALL)
    made = await transcode(source)
    assert len(made) == 5
    assert [part.starts_ms for part in made] == [sum(p.duration_ms for p in made[:n]) for n in range(5)]
    assert sum(part.duration_ms for part in made) == 64_000
    assert max(abs(part.duration_ms - 12_800) for part in made) <= 1000
    assert len({part.path for part in made} | {part.poster_path for part in made}) == 10
    shown, whole = [picture for part in made for picture in pictures(part.path)], pictures(source)
    assert len(shown) == len(whole)
    apart = [max(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in zip(shown, whole, strict=True)]
    assert sorted(apart)[len(apart) // 2] < 24


async def test_parts_of_a_rotated_10_bit_clip_are_upright_in_8_bits(tmp_path: Path, transcode) -> None:
    source = sample_clip(
        tmp_path / "a.mov", 17, codec="hevc", deep=True, rotation=90, key_seconds=100, audio="pcm_s16le", **SMALL
    )
    made = await transcode(source)
    assert [(part.width, part.height) for part in made] == [(320, 180)] * 2
    with av.open(str(made[1].path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.rotation, frame.format.name, int(frame.color_trc)) == (0, "yuv420p", 1)
        assert container.streams.audio[0].codec_context.codec.canonical_name == "aac"


async def test_odd_sizes_and_variable_frame_rates_can_be_split(tmp_path: Path, transcode) -> None:
    source = sample_clip(
        tmp_path / "a.webm",
        16,
        codec="vp9",
        audio="libopus",
        width=181,
        height=99,
        fps=10,
        key_seconds=100,
        uneven=True,
    )
    made = await transcode(source, "video/webm")
    assert len(made) == 2
    assert abs(sum(part.duration_ms for part in made) - 16_000) <= 100
    assert sum(len(pictures(part.path)) for part in made) == len(pictures(source))


async def test_clip_with_too_many_parts_is_too_long(tmp_path: Path, rejection) -> None:
    source = sample_clip(tmp_path / "a.mp4", 31, width=64, height=64, fps=5)
    assert await rejection(source, bounds=MediaLimits(max_parts=2)) == "too_long"


async def test_only_parts_with_audio_get_an_audio_track(tmp_path: Path, transcode) -> None:
    made = await transcode(sample_clip(tmp_path / "a.mp4", 20, audio_seconds=3, **SMALL))
    assert [part.has_audio for part in made] == [True, False]
