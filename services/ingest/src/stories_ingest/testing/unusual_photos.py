"""Photos as phones, browsers and editors write them. Each displays a red upper left quarter."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageDraw

PLACE = b"52.5163 N 13.3777 E"
"""A location in the metadata of these files, which must not be in the output."""
RED = (220, 20, 20)
# The inverse of each orientation, so that the displayed image is upright.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def card(mode: str = "RGB", size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A grey image with a red upper left quarter."""
    image = Image.new("RGB", size, (128, 128, 128))
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1] // 2 - 1), fill=RED)
    return image.convert(mode)


def photo(path: Path, mode: str = "RGB", orientation: int = 1, **options: Any) -> Path:
    """Write the card in the format of `path`'s suffix, stored with this orientation. Returns `path`."""
    image = card(mode)
    if orientation in _STORED:
        image = image.transpose(_STORED[orientation])
    if path.suffix in {".heic", ".heif"}:
        import pillow_heif

        pillow_heif.register_heif_opener()
    elif path.suffix != ".bmp":
        options.setdefault("exif", exif(orientation))
    image.save(path, **options)
    return path


def exif(orientation: int, more: bytes = b"") -> bytes:
    """EXIF with a camera, a location and an orientation; `more` is the maker note."""
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0112] = "Apple", PLACE.decode(), orientation
    tags.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    if more:
        tags[0x927C] = more
    return tags.tobytes()


def malformed_exif(orientation: int) -> bytes:
    """EXIF whose resolution is a negative rational where only positive ones are allowed."""
    entries = [
        struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0),
        struct.pack(">HHII", 0x011A, 10, 1, 8 + 2 + 2 * 12 + 4),
    ]
    body = struct.pack(">H", len(entries)) + b"".join(entries) + struct.pack(">I", 0) + struct.pack(">ii", -1, -72)
    return b"Exif\0\0MM\0*\0\0\0\x08" + body


def tailed(path: Path, tail: bytes) -> Path:
    """Append bytes to the file. Returns `path`."""
    path.write_bytes(path.read_bytes() + tail)
    return path


def in_app_segment(path: Path, marker: int, content: bytes) -> Path:
    """Insert a segment after the start of a JPEG. Returns `path`."""
    data = path.read_bytes()
    segment = struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
    path.write_bytes(data[:2] + segment + data[2:])
    return path


def moving(path: Path) -> Path:
    """An animation that starts with the card. Returns `path`."""
    others = [Image.new("RGB", (96, 64), colour) for colour in ("blue", "green")]
    card().save(path, save_all=True, append_images=others, duration=100)
    return path


def several(path: Path, size: tuple[int, int] = (24, 16)) -> Path:
    """A JPEG with several images, as with a gain map or stereo. Returns `path`."""
    card().save(path, format="MPO", save_all=True, append_images=[Image.new("RGB", size, "blue")])
    return path


def burst(path: Path) -> Path:
    """A HEIF with several images; the first is the primary one. Returns `path`."""
    import pillow_heif

    heif = pillow_heif.from_pillow(card())
    heif.add_from_pillow(Image.new("RGB", (96, 64), "blue"))
    heif.save(path)
    return path


def raw_png(path: Path, depth: int, colour: int, row: Callable[[int], bytes], *chunks: bytes) -> Path:
    """A PNG of 96 x 64 that Pillow cannot write. Returns `path`."""
    header = struct.pack(">IIBBBBB", 96, 64, depth, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row(y) for y in range(64))
    body = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))
    return path


def sixteen_bits(y: int) -> bytes:
    """A row of the card in 16 bits a colour."""
    red = struct.pack(">3H", *(level * 257 for level in RED)) * 48
    grey = struct.pack(">3H", *[128 * 257] * 3)
    return (red if y < 32 else grey * 48) + grey * 48


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def display_p3() -> bytes:
    """An ICC profile with the primaries of Display P3, which phones shoot in."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.51512, 0.2412, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.1571, 0.06657, 0.78407),
    }
    for at in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12):
        name, offset = bytes(profile[at : at + 4]), struct.unpack(">I", profile[at + 4 : at + 8])[0]
        if name in primaries:
            profile[offset + 8 : offset + 20] = struct.pack(">3i", *(round(v * 65536) for v in primaries[name]))
    return bytes(profile)
