"""Decode to verify: frames within a budget, then key frames only; all of the audio."""

from __future__ import annotations

from dataclasses import dataclass

from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.media.display import DisplayFormat, display_format
from stories_ingest.media.tracks import decoded

# About 0.4 s of one core: all of 15 s at 360 x 640, the first two seconds at 1080 x 1920. Of later frames only key
# frames are decoded; the structure of every packet is checked anyway.
_BUDGET_PIXELS = 120_000_000
_MAX_KEYS = 32  # decoded beyond the budget, at most one in `_KEY_STEP` frames
_KEY_STEP = 10
# Players conceal occasional decode errors, so they do not count as damage.
_TOLERATED = 0.02
_TOLERATED_AUDIO = 0.1


@dataclass(slots=True)
class DecodeCheck:
    """Counts decoded and undecodable frames. Needs every packet, in decoding order."""

    video_stream: VideoStream
    audio_stream: AudioStream | None
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
        """Check a video packet; `intact` is the result of its structure check."""
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
        """Check an audio packet."""
        assert self.audio_stream is not None
        frames = decoded(self.audio_stream, packet)
        self.audio_errors += frames is None
        self.audio_frames += len(frames or ())

    def finish(self) -> None:
        """Flush. Raises `MediaRefused("damaged")` when too many frames did not decode."""
        self._decode(None)
        if self.malformed > _TOLERATED * self.packets:
            raise MediaRefused("damaged", f"{self.malformed} of {self.packets} frames are malformed")
        if self.sent - self.decoded > _TOLERATED * self.sent or not self.decoded:
            raise MediaRefused("damaged", f"{self.decoded} of {self.sent} frames decode")
        if self.audio_errors > _TOLERATED_AUDIO * (self.audio_frames + self.audio_errors):
            raise MediaRefused(
                "damaged", f"{self.audio_errors} of {self.audio_frames + self.audio_errors} audio packets do not decode"
            )

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        for frame in decoded(self.video_stream, packet) or ():
            if max(frame.width, frame.height) > self.max_side:
                raise MediaRefused("too_large", f"{frame.width} x {frame.height}")
            self.display = self.display or display_format(frame, self.video_stream.sample_aspect_ratio)
            self.pixels_decoded += frame.width * frame.height
            self.decoded += not frame.is_corrupt
