"""Decoding as a proof: pictures while the budget lasts, then key pictures alone; all of the sound."""

from __future__ import annotations

from dataclasses import dataclass

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from stories_ingest.media.display import DisplayFormat, display_format
from stories_ingest.media.types import MediaRejected

# Some 0.4 s of one core: all of 15 s at 360 x 640, the first two seconds at 1080 x 1920. What comes later is watched
# at its key pictures, and the structure of every packet is looked at anyway.
_BUDGET_PIXELS = 120_000_000
_MAX_KEYS = 32  # decoded beyond the budget, not more than one in `_KEY_STEP` pictures
_KEY_STEP = 10
# A stray error is heard or seen as a flaw, not as damage: players conceal it, and so did the author's own.
_TOLERATED = 0.02
_TOLERATED_AUDIO = 0.1


@dataclass(slots=True)
class DecodeCheck:
    """Counts what decodes and what does not. Packets must come in decoding order, none left out."""

    picture: VideoStream
    sound: AudioStream | None
    max_side: int
    sent: int = 0
    decoded: int = 0
    keys_left: int = _MAX_KEYS
    pixels_decoded: int = 0
    since_key: int = 0
    malformed: int = 0  # packets whose structure is wrong
    packets: int = 0
    audio_frames: int = 0
    audio_errors: int = 0
    display: DisplayFormat | None = None

    def video(self, packet: Packet[VideoStream], intact: bool) -> None:
        """A packet of the picture track; `whole` is what its structure says."""
        self.packets += 1
        self.since_key += 1
        self.malformed += not intact
        if self.pixels_decoded >= _BUDGET_PIXELS:
            if not packet.is_keyframe or not self.keys_left or self.since_key < _KEY_STEP:
                return
            self.keys_left -= 1
        if packet.is_keyframe:
            self.since_key = 0
        self.sent += not packet.is_discard
        self._decode(packet)

    def audio(self, packet: Packet[AudioStream]) -> None:
        """A packet of the sound track."""
        assert self.sound is not None
        try:
            self.audio_frames += len(self.sound.decode(packet))
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            self.audio_errors += 1

    def finish(self) -> None:
        """Raises `MediaRejected("damaged")` when too much of what was tried did not decode."""
        self._decode(None)
        if self.malformed > _TOLERATED * self.packets:
            raise MediaRejected("damaged", f"{self.malformed} of {self.packets} pictures are broken")
        if self.sent - self.decoded > _TOLERATED * self.sent or not self.decoded:
            raise MediaRejected("damaged", f"{self.decoded} of {self.sent} pictures decode")
        if self.audio_errors > _TOLERATED_AUDIO * (self.audio_frames + self.audio_errors):
            raise MediaRejected(
                "damaged", f"{self.audio_errors} of {self.audio_frames + self.audio_errors} sound packets do not decode"
            )

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        try:
            frames = self.picture.decode(packet)
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            return
        for frame in frames:
            if max(frame.width, frame.height) > self.max_side:
                raise MediaRejected("too_large", f"{frame.width} x {frame.height}")
            self.display = self.display or display_format(frame, self.picture.sample_aspect_ratio)
            self.pixels_decoded += frame.width * frame.height
            self.decoded += not frame.is_corrupt
