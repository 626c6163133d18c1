"""PNG files are read chunk by chunk before any decoder sees them: text is dropped, and bombs in it are found."""

import io
import os
import struct
import zlib
from pathlib import Path

from stories_ingest.media.types import MediaRejected

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"sRGB", b"eXIf"})
_COMPRESSED = frozenset({b"zTXt", b"iTXt", b"iCCP"})
# Text and colour profiles of real files stay below a megabyte or two; a bomb inflates to hundreds.
_MAX_INFLATED = 4 * 1024 * 1024
_MAX_PROFILE = 1024 * 1024  # what Pillow takes; a larger one is dropped
_MAX_CHUNKS = 200_000
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_IDAT_SLACK = 64 * 1024


def stripped(source: Path) -> io.BytesIO:
    """The same picture with only the chunks that show. Raises `MediaRejected`: `too_large` for a bomb, `damaged`."""
    out = io.BytesIO()
    out.write(_SIGNATURE)
    inflated, packed, max_packed = 0, 0, 0
    with source.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(len(_SIGNATURE))
        for _ in range(_MAX_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                raise MediaRejected("damaged", "ends before IEND")
            length, name = struct.unpack(">I4s", head)
            if length + 4 > end - file.tell():
                raise MediaRejected("damaged", f"ends within {name!r}")
            body = file.read(length + 4)
            if name == b"IHDR":
                max_packed = _raw_size(body)
            if name == b"IDAT":
                packed += length
            if name in _COMPRESSED:
                size = _inflated_size(name, body[:-4], _MAX_INFLATED - inflated)
                inflated += size
                if inflated >= _MAX_INFLATED:
                    raise MediaRejected("too_large", f"{name!r} inflates to over {_MAX_INFLATED} bytes")
                if size > _MAX_PROFILE:
                    continue
            if name in _KEPT:
                out.write(head + body)
            if name == b"IEND":
                break
        else:
            raise MediaRejected("too_large", f"over {_MAX_CHUNKS} chunks")
    if packed > max_packed + _IDAT_SLACK:
        raise MediaRejected("too_large", f"{packed} packed bytes for a picture of {max_packed}")
    out.seek(0)
    return out


def _raw_size(header: bytes) -> int:
    """Bytes of the picture before packing, from its header, with slack for rows of filters and interlacing."""
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    return int(height * (width * _CHANNELS.get(colour, 4) * depth // 8 + 2) * 1.25)


def _inflated_size(name: bytes, body: bytes, limit: int) -> int:
    """How large the packed part of a chunk is when unpacked, counted up to the limit. Broken ones count nothing."""
    start = body.find(b"\0")
    if start < 0:
        return 0
    start += 2  # the method of packing follows the keyword
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
