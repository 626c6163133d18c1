"""The `codecs` parameter of a finished MP4 (RFC 6381), read from its decoder configuration boxes."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

_HEVC_SPACES = ("", "A", "B", "C")
_AV1_TIERS = "MH"


def codecs_of(path: Path, names: Sequence[str]) -> str:
    """Each track's codec with profile and level, e.g. `avc1.640028,mp4a.40.2`; `moov` must precede `mdat`.

    `names` are the canonical names of the tracks' codecs in order.
    """
    with path.open("rb") as file:
        length, name = 0, b""
        while name != b"moov":
            file.seek(max(0, length - 8), os.SEEK_CUR)
            head = file.read(8)
            length, name = int.from_bytes(head[:4], "big"), head[4:]
            if length < 8:
                raise ValueError(f"there is no moov box in {path.name}")
        index = file.read(length - 8)
    return ",".join(_NAMED[name](index) for name in names)


def _config(index: bytes, box: bytes) -> bytes:
    """The bytes after the name of a box in `moov`."""
    at = index.find(box)
    if at < 0:
        raise ValueError(f"there is no {box!r} in moov")
    return index[at + len(box) :]


def _h264(index: bytes) -> str:
    """ISO/IEC 14496-15, annex E: profile, compatibility and level, as stored in `avcC`."""
    return f"avc1.{_config(index, b'avcC')[1:4].hex().upper()}"


def _hevc(index: bytes) -> str:
    """The same annex: profile, compatibility flags in reverse bit order, tier and level, constraint bytes."""
    config = _config(index, b"hvcC")
    space, tier, profile = config[1] >> 6, config[1] >> 5 & 1, config[1] & 31
    flags = int(f"{int.from_bytes(config[2:6], 'big'):032b}"[::-1], 2)
    constraints = config[6:12].rstrip(b"\0")
    parts = [f"{_HEVC_SPACES[space]}{profile}", f"{flags:X}", f"{'LH'[tier]}{config[12]}"]
    return ".".join(["hvc1", *parts, *(f"{byte:X}" for byte in constraints)])


def _av1(index: bytes) -> str:
    """AV1 Codec ISO Media File Format Binding, section 5: profile, level and tier, bits of a sample."""
    config = _config(index, b"av1C")
    profile, level = config[1] >> 5, config[1] & 31
    tier, high, twelve = config[2] >> 7, config[2] >> 6 & 1, config[2] >> 5 & 1
    depth = 12 if twelve and profile == 2 else 10 if high else 8
    return f"av01.{profile}.{level:02}{_AV1_TIERS[tier]}.{depth:02}"


def _vp9(index: bytes) -> str:
    """VP Codec ISO Media File Format Binding: profile, level, bits of a sample, after the version of the box."""
    config = _config(index, b"vpcC")
    return f"vp09.{config[4]:02}.{config[5]:02}.{config[6] >> 4:02}"


def _aac(index: bytes) -> str:
    """ISO/IEC 14496-3: the first five bits of the decoder's configuration are the kind of AAC, 31 means six more."""
    esds = _config(index, b"esds")
    at = esds.find(b"\x05", esds.find(b"\x04"))  # the decoder's configuration within its description
    while esds[at + 1] & 0x80:  # a length may have up to four bytes
        at += 1
    kind = esds[at + 2] >> 3
    return f"mp4a.40.{kind if kind != 31 else 32 + ((esds[at + 2] & 7) << 3 | esds[at + 3] >> 5)}"


_NAMED: dict[str, Callable[[bytes], str]] = {
    "h264": _h264,
    "hevc": _hevc,
    "av1": _av1,
    "vp9": _vp9,
    "aac": _aac,
    "opus": lambda _: "opus",
    "alac": lambda _: "alac",
}
