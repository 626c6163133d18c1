"""Parse, edit and write MP4 boxes, to imitate files of phones and editors."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"})


@dataclass(slots=True)
class Box:
    """A box: its content, or its child boxes."""

    name: bytes
    content: bytes = b""
    inner: list["Box"] = field(default_factory=list)

    def __bytes__(self) -> bytes:
        """The serialized box."""
        content = b"".join(map(bytes, self.inner)) if self.name in _PARENTS else self.content
        return struct.pack(">I4s", 8 + len(content), self.name) + content

    def all(self, name: bytes) -> Iterator["Box"]:
        """All descendants of that name, in order."""
        for box in self.inner:
            if box.name == name:
                yield box
            yield from box.all(name)


def edited(path: Path, change: Callable[[Box], object]) -> Path:
    """Edit the `moov` box of a file; it must follow `mdat`, so that offsets stay valid. Returns `path`."""
    boxes = parsed(path.read_bytes())
    names = [box.name for box in boxes]
    assert names.index(b"moov") > names.index(b"mdat"), names
    change(next(box for box in boxes if box.name == b"moov"))
    path.write_bytes(b"".join(map(bytes, boxes)))
    return path


def parsed(content: bytes) -> list[Box]:
    """The boxes of a byte string."""
    boxes, at = [], 0
    while at + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, start)
            start += 8
        body = content[start : at + size]
        boxes.append(Box(name, body, parsed(body)) if name in _PARENTS else Box(name, body))
        at += size
    return boxes


def with_edits(path: Path, edits: Sequence[tuple[float, float | None]]) -> Path:
    """Give every track this edit list: (duration, start) in seconds; start None is an empty edit."""

    def change(moov: Box) -> None:
        (film_scale,) = struct.unpack_from(">I", next(moov.all(b"mvhd")).content, 12)
        for track in moov.all(b"trak"):
            (scale,) = struct.unpack_from(">I", next(track.all(b"mdhd")).content, 12)
            entries = b"".join(
                struct.pack(">IihH", round(shown * film_scale), -1 if begins is None else round(begins * scale), 1, 0)
                for shown, begins in edits
            )
            track.inner = [box for box in track.inner if box.name != b"edts"]
            track.inner.insert(1, Box(b"edts", inner=[Box(b"elst", struct.pack(">II", 0, len(edits)) + entries)]))

    return edited(path, change)


def with_user_data(path: Path, content: bytes) -> Path:
    """Add a `udta` box, where cameras write location, maker and serial number."""
    return edited(path, lambda moov: moov.inner.append(Box(b"udta", content)))


def in_sample_entry(path: Path, box: Box) -> Path:
    """Add a box to the sample entry of the first track."""

    def change(moov: Box) -> None:
        table = next(moov.all(b"stsd"))
        (size,) = struct.unpack_from(">I", table.content, 8)
        entry = table.content[8 : 8 + size] + bytes(box)
        table.content = table.content[:8] + struct.pack(">I", len(entry)) + entry[4:] + table.content[8 + size :]

    return edited(path, change)
