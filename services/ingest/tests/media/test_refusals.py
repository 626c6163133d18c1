"""Invalid uploads are refused with the reasons of docs/http.md, and no file remains."""

import struct
import zlib
from pathlib import Path

import av
import pytest
from PIL import Image
from stories_ingest.media import MediaLimits
from stories_ingest.testing.samples import sample_clip, sample_photo


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def rows(width: int, height: int) -> bytes:
    return chunk(b"IDAT", zlib.compress((b"\0" + b"\x40" * width * 3) * height))


@pytest.mark.parametrize(
    "content",
    [
        b"hello, I am text\n" * 100,
        b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<?xml version='1.0'?><MPD/>",
        b"\0" * 5000,
        b"x",
    ],
    ids=["text", "hls", "concat", "svg", "dash", "zeros", "one byte"],
)
async def test_unknown_content_is_not_media_regardless_of_its_type(tmp_path: Path, rejection, content: bytes) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(content)
    assert await rejection(source, "video/mp4") == "not_media"
    assert await rejection(source, "image/jpeg") == "not_media"


async def test_playlist_after_an_mp4_header_opens_no_other_file(tmp_path: Path, rejection) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 512) + b"#EXTM3U\nfile:///etc/passwd\n")
    assert await rejection(source) == "damaged"


async def test_photo_declared_as_video_and_reverse_are_mismatches(tmp_path: Path, rejection) -> None:
    assert await rejection(sample_photo(tmp_path / "a.jpg"), "video/mp4") == "type_mismatch"
    assert await rejection(sample_photo(tmp_path / "a.heic"), "video/quicktime") == "type_mismatch"
    assert await rejection(sample_clip(tmp_path / "a.mp4", 1), "image/jpeg") == "type_mismatch"


async def test_the_container_within_a_kind_need_not_match(tmp_path: Path, transcode) -> None:
    [clip] = await transcode(sample_clip(tmp_path / "a.mp4", 1), "video/webm")
    assert clip.content_type == "video/mp4"


@pytest.mark.parametrize("faststart", [True, False], ids=["index first", "index last"])
@pytest.mark.parametrize("kept", [0.98, 0.5, 0.1])
async def test_a_truncated_mp4_is_damaged(tmp_path: Path, rejection, faststart: bool, kept: float) -> None:
    options = {"movflags": "faststart"} if faststart else {}
    source = sample_clip(tmp_path / "a.mp4", 3, container_options=options)
    content = source.read_bytes()
    source.write_bytes(content[: int(len(content) * kept)])
    assert await rejection(source) == "damaged"


@pytest.mark.parametrize("name", ["a.webm", "fragments.mp4"])
async def test_truncated_clip_of_other_codecs_is_damaged(tmp_path: Path, rejection, name: str) -> None:
    fragments = {"movflags": "frag_keyframe+empty_moov"} if name == "fragments.mp4" else {}
    source = sample_clip(
        tmp_path / name, 3, **({} if fragments else {"codec": "vp9", "audio": "libopus"}), container_options=fragments
    )
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 2 // 3])
    assert await rejection(source) == "damaged"


async def test_clip_with_a_corrupt_middle_is_damaged(tmp_path: Path, rejection) -> None:
    source = sample_clip(tmp_path / "a.mp4", 3)
    content = bytearray(source.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(range(256)) * (third // 256) + bytes(third % 256)
    source.write_bytes(content)
    assert await rejection(source) == "damaged"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.heic", "a.avif"])
async def test_a_truncated_photo_is_damaged(tmp_path: Path, rejection, name: str) -> None:
    source = sample_photo(tmp_path / name)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    assert await rejection(source, "image/jpeg") == "damaged"


async def test_other_codecs_are_unsupported(tmp_path: Path, rejection) -> None:
    assert await rejection(sample_clip(tmp_path / "mp3.mp4", 1, audio="libmp3lame")) == "unsupported"
    path = tmp_path / "mpeg4.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.codec_context.width, stream.codec_context.height = 64, 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    assert await rejection(path) == "unsupported"


async def test_too_many_tracks_are_unsupported(tmp_path: Path, rejection) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        for _ in range(65):
            container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for stream in container.streams:
            frame = av.AudioFrame(format="s16", layout="mono", samples=80)
            frame.sample_rate, frame.pts = 8000, 0
            container.mux(stream.encode(frame))
    assert await rejection(path) == "unsupported"


async def test_other_formats_are_unsupported(tmp_path: Path, rejection) -> None:
    for name in ("a.gif", "a.tiff", "a.bmp"):
        Image.new("RGB", (64, 64), "red").save(tmp_path / name)
        assert await rejection(tmp_path / name, "image/jpeg") == "unsupported"


async def test_audio_only_file_is_unsupported(tmp_path: Path, rejection) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        frame.sample_rate = 48_000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert await rejection(path) == "unsupported"


async def test_too_many_bytes_and_too_many_pixels_are_too_large(tmp_path: Path, rejection) -> None:
    clip = sample_clip(tmp_path / "a.mp4", 1)
    assert await rejection(clip, bounds=MediaLimits(max_bytes=1000)) == "too_large"
    assert await rejection(clip, bounds=MediaLimits(max_side=600)) == "too_large"
    photo = sample_photo(tmp_path / "a.jpg")
    assert await rejection(photo, "image/jpeg", bounds=MediaLimits(max_pixels_photo=1200 * 800 - 1)) == "too_large"


async def test_png_header_of_20000_by_20000_is_too_large(tmp_path: Path, rejection) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(png(20_000, 20_000, chunk(b"IDAT", zlib.compress(b"\0" * 1000))))
    assert await rejection(source, "image/png") == "too_large"


async def test_png_text_that_inflates_to_a_gigabyte_is_too_large(tmp_path: Path, rejection) -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(200)) + packer.flush()
    source = tmp_path / "a.png"
    for name, head in ((b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0\0\0"), (b"iCCP", b"sRGB\0\0")):
        source.write_bytes(png(16, 16, chunk(name, head + bomb), rows(16, 16)))
        assert await rejection(source, "image/png") == "too_large"


async def test_chunk_that_declares_gigabytes_is_damaged(tmp_path: Path, rejection) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(png(16, 16, struct.pack(">I4s", 0xFFFFFFFF, b"tEXt"), rows(16, 16)))
    assert await rejection(source, "image/png") == "damaged"


async def test_small_image_with_huge_image_data_is_too_large(tmp_path: Path, rejection) -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(200)) + packer.flush()
    source = tmp_path / "a.png"
    source.write_bytes(png(16, 16, chunk(b"IDAT", bomb)))
    assert await rejection(source, "image/png") == "too_large"


async def test_long_film_is_refused_by_its_header(tmp_path: Path, rejection) -> None:
    assert await rejection(sample_clip(tmp_path / "a.mp4", 200, width=64, height=64, fps=2, audio=None)) == "too_long"


async def test_more_than_240_fps_are_unsupported(tmp_path: Path, rejection) -> None:
    assert await rejection(sample_clip(tmp_path / "a.mp4", 1, width=64, height=64, fps=300)) == "unsupported"


async def test_photos_are_refused_when_disabled(tmp_path: Path, rejection) -> None:
    assert (
        await rejection(sample_photo(tmp_path / "a.jpg"), "image/jpeg", bounds=MediaLimits(still_images=False))
        == "still_images_off"
    )
