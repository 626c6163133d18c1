"""Detect truncated files by cheap structure checks; lenient demuxers accept them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from av.packet import Packet
from av.video.stream import VideoStream

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.media.sniffing import Container
from stories_ingest.media.tracks import codec

_MAX_BOXES = 100_000  # top-level boxes; a fragmented file has two for each fragment
_BOXES = frozenset(b"ftyp moov mdat moof mfra free skip wide uuid meta udta pnot pdin sidx ssix styp emsg prft".split())
_SEGMENT = 0x18538067


def reject_truncated(source: Path, form: Container) -> None:
    """Raises `MediaRefused("damaged")` when the top-level structure declares more bytes than the file has."""
    with source.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        declared_end = _end_of_boxes(file, end) if form == "mov" else _end_of_segment(file, end)
    if declared_end > end:
        raise MediaRefused("damaged", f"ends at {end}, should reach {declared_end}")


def _end_of_boxes(file: BinaryIO, end: int) -> int:
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            break
        file.seek(at)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size == 0:  # to the end of the file
            return end
        if size < 8 or head[4:8] not in _BOXES:  # padding, or a trailer of some phones: left to the demuxer
            return at
        at += size
    return at


def _end_of_segment(file: BinaryIO, end: int) -> int:
    """The end of the first segment if its size is known; a live recording's is not."""
    at = 0
    for _ in range(8):  # the header, perhaps some padding, the segment
        file.seek(at)
        head = file.read(12)
        if len(head) < 12:
            return end
        id_width = 9 - head[0].bit_length()
        size_width = 9 - head[id_width].bit_length() if id_width <= 4 else 9
        if id_width > 4 or size_width > 8:
            return end
        size = int.from_bytes(head[id_width : id_width + size_width], "big") & ((1 << 7 * size_width) - 1)
        if size == (1 << 7 * size_width) - 1:
            return end
        at += id_width + size_width + size
        if int.from_bytes(head[:id_width], "big") == _SEGMENT:
            return at
    return end


def nal_checker(video: VideoStream) -> Callable[[Packet[VideoStream]], bool]:
    """A check whether the lengths of a packet's NAL units add up to its size; H.264 and HEVC only.

    It takes microseconds, so that frames that are not decoded are checked too.
    """
    extra = video.codec_context.extradata or b""
    name = codec(video)
    if extra[:1] != b"\x01" or name not in {"h264", "hevc"} or len(extra) < (7 if name == "h264" else 23):
        return lambda packet: packet.size > 0
    width = (extra[4 if name == "h264" else 21] & 3) + 1

    def is_intact(packet: Packet[VideoStream]) -> bool:
        at, units = 0, 0
        content = memoryview(packet)
        while at + width < len(content):
            length = int.from_bytes(content[at : at + width], "big")
            if length and content[at + width] & 0x80:  # the forbidden bit
                return False
            units += length > 0
            at += width + length
        return units > 0 and at <= len(content)

    return is_intact
