"""Detect the format from the first bytes. File names and declared types are ignored."""

from pathlib import Path
from typing import Literal

from stories_ingest.domain.errors import MediaRefused

Container = Literal["mov", "matroska"]
PhotoFormat = Literal["JPEG", "PNG", "WEBP", "HEIF", "AVIF"]

_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_MOV_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof"})
# Media formats that are not accepted: "unsupported" rather than "not_media".
_FOREIGN = (
    b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"FLV", b"OggS", b"fLaC", b"ID3", b"8BPS", b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3", b"\x30\x26\xb2\x75", b"\xff\x0a", b"\x00\x00\x00\x0cJXL ", b"\x00\x00\x00\x0cjP  ",
    b"\xff\xfb", b"\xff\xf3", b"\xff\xf1", b"\xff\xf9",
)  # fmt: skip


def sniff(source: Path) -> Container | PhotoFormat:
    """The demuxer of a video or the decoder of a photo. Raises `MediaRefused`: `not_media`, `unsupported`."""
    with source.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head[4:8] == b"ftyp":
        return _brand(head)
    if head[4:8] in _MOV_ATOMS:
        return "mov"
    if head.startswith(_FOREIGN) or (head[:4] == b"RIFF" and head[8:12] in {b"AVI ", b"WAVE"}) or _transport(head):
        raise MediaRefused("unsupported", f"format not accepted: {head[:12]!r}")
    raise MediaRefused("not_media", f"begins with {head[:12]!r}")


def _brand(head: bytes) -> Container | PhotoFormat:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major, compatible = head[8:12], {head[at : at + 4] for at in range(16, end - 3, 4)}
    if major in _AVIF_BRANDS or (major in {b"mif1", b"msf1", b"miaf"} and compatible & _AVIF_BRANDS):
        return "AVIF"
    if major in _HEIF_BRANDS:
        return "HEIF"
    return "mov"


def _transport(head: bytes) -> bool:
    return len(head) > 376 and head[0] == head[188] == head[376] == 0x47
