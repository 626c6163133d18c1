"""Probe a finished part and write its poster: an early frame, rotated for display and not black."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame
from PIL import Image

from stories_ingest.domain.media import Media, MediaPart
from stories_ingest.media.codecs import codecs_of
from stories_ingest.media.display import DisplayFormat, display_format
from stories_ingest.media.posters import POSTER_SIDE, save_poster
from stories_ingest.media.probe import packets
from stories_ingest.media.tone_mapping import to_srgb
from stories_ingest.media.tracks import codec, open_tracks, seconds

_SEARCHED = Fraction(3)  # seconds from the start in which a poster frame is searched
_STEP = Fraction(1, 5)
_DARK, _FLAT = 28, 16  # mean and spread of brightness, of 255
_GOOD_ENOUGH = 255
# By quarter turns clockwise; Pillow turns the other way.
_ROTATIONS = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


class Unplayable(Exception):
    """The output file is not playable."""


@dataclass(slots=True)
class _Candidate:
    """The best poster frame so far, and the time of the last sample."""

    frame: VideoFrame | None = None
    brightness: int = -1
    sampled_at: Fraction = -_STEP

    @property
    def is_final(self) -> bool:
        return self.brightness >= _GOOD_ENOUGH or (self.frame is not None and self.sampled_at >= _SEARCHED)

    def offer(self, frame: VideoFrame, at: Fraction) -> None:
        if self.frame is None or at >= self.sampled_at + _STEP:
            self.sampled_at, brightness = at, _brightness(frame)
            if brightness > self.brightness:
                self.frame, self.brightness = frame, brightness


def probe_output(path: Path, starts_ms: int) -> MediaPart:
    """Measure the part at `path` and write its poster beside it. Raises `Unplayable`."""
    poster = path.with_name(path.name.replace("part", "poster")).with_suffix(".jpg")
    candidate, begins, ends, has_audio = _Candidate(), None, Fraction(0), False
    with open_tracks(path, "mov") as tracks:
        video = tracks.video
        for packet in packets(tracks):
            if packet.stream_index != video.index:
                has_audio = True
                continue
            if packet.pts is not None and not packet.is_discard:
                at = seconds(video, packet.pts)
                begins = at if begins is None else min(begins, at)
                ends = max(ends, at + seconds(video, packet.duration or 0))
            if not candidate.is_final:
                for frame in video.decode(packet):
                    candidate.offer(frame, seconds(video, frame.pts or 0))
        if candidate.frame is None:  # the decoder may have buffered every frame
            for frame in video.decode(None):
                candidate.offer(frame, seconds(video, frame.pts or 0))
        if candidate.frame is None or begins is None:
            raise Unplayable(f"no frame of {path.name} decodes")
        display = display_format(candidate.frame, video.sample_aspect_ratio)
        preview = save_poster(rotated(candidate.frame, display), poster)
        codecs = codecs_of(path, [codec(stream) for stream in tracks.kept])
    media = Media(
        kind="video",
        key=path.name,
        poster_key=poster.name,
        content_type="video/mp4",
        size=path.stat().st_size,
        width=display.displayed[0],
        height=display.displayed[1],
        duration_ms=round((ends - begins) * 1000),
        has_audio=has_audio,
        codecs=codecs,
        preview=preview,
    )
    media = replace(media, renditions=(media.itself,))
    return MediaPart(media=media, starts_ms=starts_ms)


def rotated(frame: VideoFrame, display: DisplayFormat) -> Image.Image:
    """The frame as displayed, at most as large as a poster."""
    wide, high = max(1, round(display.width * display.aspect)), display.height
    scale = min(1.0, POSTER_SIDE / max(wide, high))
    image: Image.Image = frame.to_image(  # type: ignore[no-untyped-call]
        width=max(1, round(wide * scale)), height=max(1, round(high * scale))
    )
    image = to_srgb(image, transfer=display.colours[2], primaries=display.colours[1])
    is_mirrored, turns = display.turns
    if is_mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.transpose(_ROTATIONS[turns]) if turns else image


def _brightness(frame: VideoFrame) -> int:
    """Poster score: `_GOOD_ENOUGH` if neither dark nor flat, else the mean brightness."""
    small = frame.reformat(32, 32, "gray")
    levels = bytes(small.planes[0])
    mean, spread = sum(levels) // len(levels), max(levels) - min(levels)
    return _GOOD_ENOUGH if mean >= _DARK and spread >= _FLAT else mean
