"""Renditions: what plays everywhere is copied, everything else encoded within the bounds of docs/http.md."""

from pathlib import Path

import av
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from stories_ingest.media import MediaLimits, make_smaller
from stories_ingest.media.playable import smaller_sides
from stories_ingest.media.posters import preview_of
from stories_ingest.settings import Renditions
from stories_ingest.testing.samples import sample_clip, sample_photo
from stories_ingest.testing.unusual_clips import Picture, Tone, clip


async def test_portrait_4k_in_hevc_becomes_1080_by_1920(tmp_path: Path, transcode) -> None:
    fast = (("preset", "ultrafast"), ("x265-params", "log-level=none"))
    picture = Picture(codec="libx265", options=fast, size=(1152, 2048), frames=2, tag="hvc1")
    source = clip(tmp_path / "a.mov", picture, None)
    [output] = await transcode(source)
    assert (output.width, output.height) == (1080, 1920)
    with av.open(str(output.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height, context.profile) == (1080, 1920, "High")


async def test_mono_sound_beside_an_encoded_picture_becomes_stereo(tmp_path: Path, transcode) -> None:
    source = clip(tmp_path / "a.mp4", Picture(pixels="yuv444p"), Tone(layout="mono"))
    [output] = await transcode(source)
    with av.open(str(output.path)) as container:
        assert container.streams.audio[0].codec_context.channels == 2


async def test_renditions_off_keeps_codec_and_size(tmp_path: Path, transcode) -> None:
    source = sample_clip(tmp_path / "a.mp4", 0.5, width=180, height=320, codec="hevc", deep=True)
    [output] = await transcode(source, bounds=MediaLimits(renditions=()))
    assert output.codecs.startswith("hvc1.")
    photo = sample_photo(tmp_path / "a.jpg", width=2400, height=1200)
    [still] = await transcode(photo, "image/jpeg", bounds=MediaLimits(renditions=()))
    assert (still.width, len(still.renditions)) == (2400, 1)


@pytest.mark.parametrize(("mode", "content_type"), [("RGB", "image/jpeg"), ("RGBA", "image/webp")])
async def test_large_photo_has_two_sizes(tmp_path: Path, transcode, mode: str, content_type: str) -> None:
    source = sample_photo(tmp_path / "a.png", width=2400, height=1200, mode=mode)
    [output] = await transcode(source, "image/png")
    sizes = [(rendition.width, rendition.height, rendition.content_type) for rendition in output.renditions]
    assert sizes == [(2160, 1080, content_type), (1080, 540, content_type)]
    assert output.renditions[0] == output.itself
    for rendition in output.renditions:
        path = output.folder / rendition.key
        assert (Image.open(path).size, path.stat().st_size) == ((rendition.width, rendition.height), rendition.size)


async def test_finished_clip_gets_a_smaller_rendition(tmp_path: Path, transcode, into: Path) -> None:
    picture = Picture(size=(1072, 1904), frames=3, matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
    [output] = await transcode(clip(tmp_path / "a.mov", picture, Tone(seconds=0.1)))
    assert (output.width, output.height, output.part.lacks_smaller) == (1904, 1072, True)
    [small] = await make_smaller(output.path, MediaLimits(), into)
    assert (small.width, small.height, small.codecs.partition(".")[0]) == (1278, 720, "avc1")
    assert small.size == (into / small.key).stat().st_size
    with av.open(str(into / small.key)) as container:
        frames = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in frames] == [(1278, 720)] * 3


async def test_clip_of_720p_lacks_no_rendition(tmp_path: Path, transcode) -> None:
    [output] = await transcode(clip(tmp_path / "a.mp4", Picture(size=(720, 1280), frames=2), None))
    assert output.part.lacks_smaller is False


@pytest.mark.parametrize(
    ("sides", "expected"), [((720, 1080), {1080: [720], 720: [], 500: [], 721: [720]}), ((), {1080: []})]
)
def test_smaller_renditions_are_those_below_the_source(sides: tuple[int, ...], expected: dict) -> None:
    assert {side: smaller_sides(side, sides) for side in expected} == expected


@pytest.mark.parametrize(("text", "sides"), [("off", ()), ("720", (720,)), ("720, 1080", (720, 1080))])
def test_setting_lists_sides_or_is_off(text: str, sides: tuple[int, ...]) -> None:
    assert TypeAdapter(Renditions).validate_python(text) == sides


@pytest.mark.parametrize("text", ["", "1440", "720p", "720,"])
def test_setting_accepts_no_other_sides(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Renditions).validate_python(text)


def test_preview_is_what_the_reference_encoder_makes() -> None:
    """Values of the package blurhash 1.1.5 (4 x 3 components) for the same 32 x 32 pixels."""
    image = Image.linear_gradient("L").resize((32, 32)).convert("RGB")
    image.paste((220, 20, 20), (0, 0, 16, 16))
    assert preview_of(image).blurhash == "L%L3ZP;hn%S#D4#mo1S2%Ms:j[a|"
    assert preview_of(Image.new("RGB", (8, 8), (18, 52, 86))).color == "#123456"
