"""What a finished part is, read from the file itself, and a poster: an early picture, upright and not black."""

from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame
from PIL import Image

from stories_ingest.media.looks import Look, look_of
from stories_ingest.media.surveying import packets
from stories_ingest.media.terms import Made, Refused
from stories_ingest.media.tones import in_plain_colours
from stories_ingest.media.tracks import open_tracks

POSTER_SIDE = 1080
_QUALITY = 85
_SEARCHED = Fraction(3)  # seconds from the beginning in which a picture worth showing is looked for
_STEP = Fraction(1, 5)
_DARK, _FLAT = 28, 16  # mean and spread of brightness, of 255


def describe(path: Path, starts_ms: int) -> Made:
    """Measure the part at `path` and write its poster beside it. Raises `Refused("damaged")` if it does not play."""
    poster = path.with_name(path.name.replace("part", "poster")).with_suffix(".jpg")
    with open_tracks(path, "mov") as tracks:
        picture, begins, ends, has_audio = tracks.picture, None, Fraction(0), False
        best: VideoFrame | None = None
        best_light, tried = -1, Fraction(-1)
        for packet in packets(tracks):
            if packet.stream_index != picture.index:
                has_audio = True
                continue
            assert picture.time_base is not None
            assert packet.pts is not None
            if not packet.is_discard:
                at = packet.pts * picture.time_base
                begins = at if begins is None else min(begins, at)
                ends = max(ends, at + (packet.duration or 0) * picture.time_base)
            if best_light >= 255 or (best is not None and tried >= _SEARCHED):
                continue
            for frame in picture.decode(packet):
                at = Fraction(frame.time or 0).limit_denominator(1000)
                if best is None or at >= tried + _STEP:
                    tried, light = at, _light(frame)
                    if light > best_light:
                        best, best_light = frame, light
        if best is None:
            best = next(iter(picture.decode(None)), None)
        if best is None or begins is None:
            raise Refused("damaged", "what was made does not play")
        look = look_of(best, picture.sample_aspect_ratio)
        save_poster(upright(best, look), poster)
    return Made(
        path=path,
        poster_path=poster,
        kind="video",
        content_type="video/mp4",
        size=path.stat().st_size,
        width=look.displayed[0],
        height=look.displayed[1],
        duration_ms=round((ends - begins) * 1000),
        has_audio=has_audio,
        starts_ms=starts_ms,
    )


def save_poster(image: Image.Image, path: Path) -> None:
    """Write a JPEG of at most `POSTER_SIDE` on its longer side, without any metadata."""
    image.thumbnail((POSTER_SIDE, POSTER_SIDE), Image.Resampling.LANCZOS)
    image.save(path, "JPEG", quality=_QUALITY, progressive=True, optimize=True)


def upright(frame: VideoFrame, look: Look) -> Image.Image:
    """The frame as it is meant to be seen, not larger than a poster."""
    wide, high = max(1, round(look.width * look.aspect)), look.height
    scale = min(1.0, POSTER_SIDE / max(wide, high))
    image: Image.Image = frame.to_image(  # type: ignore[no-untyped-call]
        width=max(1, round(wide * scale)), height=max(1, round(high * scale))
    )
    image = in_plain_colours(image, transfer=look.colours[2], primaries=look.colours[1])
    if look.matrix is None:
        return image
    a, b, _, c, d = look.matrix[:5]
    if a * d - b * c < 0:  # mirrored: turn what is left after a flip
        image, a, b = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), -a, -b
    if abs(b) > abs(a):
        return image.transpose(Image.Transpose.ROTATE_270 if b > 0 else Image.Transpose.ROTATE_90)
    return image.transpose(Image.Transpose.ROTATE_180) if a < 0 else image


def _light(frame: VideoFrame) -> int:
    """How fit for a poster: 255 when neither dark nor flat, else its mean brightness."""
    small = frame.reformat(32, 32, "gray")
    levels = bytes(small.planes[0])
    mean, spread = sum(levels) // len(levels), max(levels) - min(levels)
    return 255 if mean >= _DARK and spread >= _FLAT else mean
