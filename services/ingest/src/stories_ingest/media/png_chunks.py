"""Filter the chunks of PNG files before decoding: drop text, detect decompression bombs."""

import io
import os
import struct
import zlib
from pathlib import Path

from stories_ingest.domain.errors import MediaRefused

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"sRGB", b"eXIf"})
_COMPRESSED = frozenset({b"zTXt", b"iTXt", b"iCCP"})
# Text and colour profiles of real files inflate to a megabyte or two, a bomb to hundreds.
_MAX_INFLATED = 4 * 1024 * 1024
_MAX_PROFILE = 1024 * 1024  # Pillow's limit; a larger profile is dropped
_MAX_CHUNKS = 200_000
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_IDAT_SLACK = 64 * 1024


def stripped(source: Path) -> io.BytesIO:
    """The image with only the chunks that affect display. Raises `MediaRefused`: `too_large` (bomb), `damaged`."""
    out = io.BytesIO()
    out.write(_SIGNATURE)
    inflated, packed, max_packed = 0, 0, 0
    with source.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(len(_SIGNATURE))
        for _ in range(_MAX_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                raise MediaRefused("damaged", "ends before IEND")
            length, name = struct.unpack(">I4s", head)
            if length + 4 > end - file.tell():
                raise MediaRefused("damaged", f"ends within {name!r}")
            body = file.read(length + 4)
            if name == b"IHDR":
                max_packed = _raw_size(body)
            if name == b"IDAT":
                packed += length
            if name in _COMPRESSED:
                size = _inflated_size(name, body[:-4], _MAX_INFLATED - inflated)
                inflated += size
                if inflated >= _MAX_INFLATED:
                    raise MediaRefused("too_large", f"{name!r} inflates to over {_MAX_INFLATED} bytes")
                if size > _MAX_PROFILE:
                    continue
            if name in _KEPT:
                out.write(head + body)
            if name == b"IEND":
                break
        else:
            raise MediaRefused("too_large", f"over {_MAX_CHUNKS} chunks")
    if packed > max_packed + _IDAT_SLACK:
        raise MediaRefused("too_large", f"{packed} compressed bytes for an image of {max_packed}")
    out.seek(0)
    return out


def _raw_size(header: bytes) -> int:
    """Uncompressed size in bytes from the header, with slack for filter bytes and interlacing."""
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    return int(height * (width * _CHANNELS.get(colour, 4) * depth // 8 + 2) * 1.25)


def _inflated_size(name: bytes, body: bytes, limit: int) -> int:
    """Inflated size of a chunk's compressed part, counted up to the limit; 0 for invalid chunks."""
    start = body.find(b"\0")
    if start < 0:
        return 0
    start += 2  # the compression method follows the keyword
    if name == b"iTXt":
        if body[start - 1 : start] != b"\1":
            return 0
        start += 1
        for _ in range(2):  # language and translated keyword
            start = body.find(b"\0", start) + 1
            if not start:
                return 0
    unpacker, size, rest = zlib.decompressobj(), 0, body[start:]
    try:
        while rest and size <= limit and not unpacker.eof:
            size += len(unpacker.decompress(rest, 64 * 1024))
            rest = unpacker.unconsumed_tail
    except zlib.error:
        return size
    return size
