"""From an uploaded clip to finished parts: survey, plan, write, describe."""

from collections.abc import Callable
from pathlib import Path

import av

from stories_ingest.media.planning import Span, plan
from stories_ingest.media.posters import describe
from stories_ingest.media.surveying import Survey, survey
from stories_ingest.media.terms import Bounds, Container, Made, Refused
from stories_ingest.media.tracks import open_tracks
from stories_ingest.media.wholeness import require_whole
from stories_ingest.media.writing import write_parts

_SURVEYED, _WRITTEN = 0.4, 0.9  # of the work, for the progress that is shown


def make_clips(
    source: Path, form: Container, split: bool, bounds: Bounds, into: Path, progress: Callable[[float], None]
) -> list[Made]:
    """Write `part-N.mp4` and `poster-N.jpg` into the folder. Raises `Refused`."""
    require_whole(source, form)
    with open_tracks(source, form) as tracks:
        found = survey(tracks, bounds, lambda fraction: progress(_SURVEYED * fraction))
    spans = plan(found, split, bounds)
    paths = [into / f"part-{number}.mp4" for number in range(1, len(spans) + 1)]

    def written(fraction: float) -> None:
        progress(_SURVEYED + (_WRITTEN - _SURVEYED) * fraction)

    _write(source, form, found, spans, paths, written)
    made = []
    for path, span in zip(paths, spans, strict=True):
        made.append(describe(path, starts_ms=round((span.start - found.start) * 1000)))
        progress(_WRITTEN + (1 - _WRITTEN) * len(made) / len(paths))
    return made


def _write(
    source: Path, form: Container, found: Survey, spans: list[Span], paths: list[Path], written: Callable[[float], None]
) -> None:
    """Copy where the plan says so; what the muxer does not take as it is, is encoded anew."""
    try:
        write_parts(source, form, found, spans, paths, written)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) or spans[0].number is None:
            raise
        spans = [Span(span.start, span.end, None) for span in spans]
        try:
            write_parts(source, form, found, spans, paths, written)
        except (av.InvalidDataError, ValueError) as again:
            raise Refused("damaged", f"neither copied ({error}) nor encoded ({again})") from None
