"""Photos become upright sRGB images without metadata."""

import io
import struct
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from stories_ingest.media.tone_mapping import to_srgb
from stories_ingest.testing.samples import sample_photo


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int], by: int = 30) -> bool:
    return all(abs(a - b) <= by for a, b in zip(image.convert("RGB").getpixel(at), colour, strict=True))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.heic", "a.avif"])
async def test_photo_of_every_format_is_upright_and_without_metadata(tmp_path: Path, transcode, name: str) -> None:
    [made] = await transcode(sample_photo(tmp_path / name, orientation=6), "image/heic")
    assert (made.kind, made.content_type, made.duration_ms, made.has_audio) == ("photo", "image/jpeg", None, False)
    assert (made.width, made.height) == (800, 1200)
    for path in (made.path, made.poster_path):
        image = Image.open(path)
        assert not image.getexif()
        assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression"}
        assert near(image, (image.width - 20, 20), (220, 20, 20))  # the upper left corner, rotated by 90 degrees
        assert b"Apple" not in path.read_bytes()
    assert Image.open(made.poster_path).size == (720, 1080)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 7, 8])
async def test_every_exif_orientation_is_applied(tmp_path: Path, transcode, orientation: int) -> None:
    [made] = await transcode(sample_photo(tmp_path / "a.jpg", orientation=orientation), "image/jpeg")
    image = Image.open(made.path)
    left, right, top, bottom = 20, image.width - 20, 20, image.height - 20
    corner = {
        1: (left, top),
        2: (right, top),
        3: (right, bottom),
        4: (left, bottom),
        5: (left, top),
        7: (right, bottom),
        8: (left, bottom),
    }
    assert near(image, corner[orientation], (220, 20, 20))
    assert (image.width > image.height) == (orientation < 5)


async def test_transparent_photo_becomes_webp_with_a_white_poster(tmp_path: Path, transcode) -> None:
    [made] = await transcode(sample_photo(tmp_path / "a.png", mode="RGBA"), "image/png")
    assert made.content_type == "image/webp"
    image = Image.open(made.path)
    assert (image.format, image.mode, image.size) == ("WEBP", "RGBA", (1200, 800))
    assert image.getchannel("A").getextrema()[0] < 20
    assert Image.open(made.poster_path).mode == "RGB"


async def test_opaque_alpha_channel_is_dropped(tmp_path: Path, transcode) -> None:
    Image.new("RGBA", (40, 30), (10, 200, 30, 255)).save(tmp_path / "a.png")
    [made] = await transcode(tmp_path / "a.png", "image/png")
    assert made.content_type == "image/jpeg"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "I;16", "CMYK", "RGBA"])
async def test_every_image_mode_is_accepted(tmp_path: Path, transcode, mode: str) -> None:
    grey = Image.linear_gradient("L")
    if mode == "I;16":
        image = Image.frombytes(
            "I;16", (256, 256), b"".join(struct.pack("<256H", *[y * 257] * 256) for y in range(256))
        )
    elif mode == "PA":
        image = grey.convert("P")
        image.info["transparency"] = 0
    else:
        image = grey.convert("RGB").convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path, **({"transparency": 0} if mode == "PA" else {}))
    [made] = await transcode(path, "image/png")
    shown = Image.open(made.path).convert("RGB")
    assert shown.size == (256, 256)
    assert near(shown, (128, 250), (250, 250, 250), 40)
    if mode != "1":
        assert near(shown, (128, 128), (128, 128, 128), 40)


async def test_colours_are_converted_by_the_icc_profile(tmp_path: Path, transcode) -> None:
    """A profile with swapped primaries: its green is red."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {}
    for at in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12):
        entries[bytes(profile[at : at + 4])] = at
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64), (0, 255, 0)).save(path, icc_profile=bytes(profile))
    [made] = await transcode(path, "image/png")
    assert near(Image.open(made.path), (32, 32), (255, 0, 0))
    assert "icc_profile" not in Image.open(made.path).info


@pytest.mark.parametrize(
    ("transfer", "primaries", "told", "shown"),
    [
        (18, 9, (191, 191, 191), (238, 238, 238)),  # HLG's paper white
        (16, 9, (148, 148, 148), (238, 238, 238)),  # PQ's
        (13, 12, (128, 128, 128), (128, 128, 128)),
        (13, 12, (0, 255, 0), (0, 255, 0)),
        (1, 1, (10, 20, 30), (10, 20, 30)),
    ],
)
def test_hdr_is_tone_mapped_to_srgb(
    transfer: int, primaries: int, told: tuple[int, int, int], shown: tuple[int, int, int]
) -> None:
    image = to_srgb(Image.new("RGB", (4, 4), told), transfer, primaries)
    assert near(image, (1, 1), shown, 8)


async def test_broken_icc_profile_is_ignored(tmp_path: Path, transcode) -> None:
    [made] = await transcode(sample_photo(tmp_path / "a.jpg", icc=b"junk" * 100), "image/jpeg")
    assert (made.width, made.height) == (1200, 800)


async def test_first_image_of_a_multi_picture_file_is_used(tmp_path: Path, transcode) -> None:
    first, second = Image.new("RGB", (90, 60), (200, 10, 10)), Image.new("RGB", (30, 20), (10, 10, 200))
    path = tmp_path / "a.jpg"
    first.save(path, format="MPO", save_all=True, append_images=[second])
    assert Image.open(path).format == "MPO"
    [made] = await transcode(path, "image/jpeg")
    assert (made.width, made.height) == (90, 60)
    assert near(Image.open(made.path), (45, 30), (200, 10, 10))
    assert Image.open(made.path).format == "JPEG"


async def test_still_of_a_motion_photo_is_used(tmp_path: Path, transcode) -> None:
    from stories_ingest.testing.samples import sample_clip

    photo, clip = sample_photo(tmp_path / "a.jpg"), sample_clip(tmp_path / "a.mp4", 1)
    photo.write_bytes(photo.read_bytes() + clip.read_bytes())
    [made] = await transcode(photo, "image/jpeg")
    assert (made.kind, made.width) == ("photo", 1200)
    assert b"ftyp" not in made.path.read_bytes()


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.avif"])
async def test_first_frame_of_an_animation_is_used(tmp_path: Path, transcode, name: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "blue")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100)
    [made] = await transcode(tmp_path / name, "image/webp")
    assert near(Image.open(made.path), (32, 32), (255, 0, 0))


async def test_long_png_text_is_accepted(tmp_path: Path, transcode) -> None:
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    words.add_text("prompt", "a long story " * 200_000, zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG", pnginfo=words)
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    [made] = await transcode(tmp_path / "a.png", "image/png")
    assert b"long story" not in made.path.read_bytes()
