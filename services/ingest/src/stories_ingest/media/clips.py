"""From an uploaded clip to finished parts: survey, plan, write, describe."""

from collections.abc import Callable
from pathlib import Path

import av

from stories_ingest.media.describing import describe
from stories_ingest.media.planning import Span, plan
from stories_ingest.media.surveying import Survey, survey
from stories_ingest.media.terms import OURS, Bounds, Container, Made, Refused, WorkerLost
from stories_ingest.media.tracks import open_tracks
from stories_ingest.media.wholeness import require_whole
from stories_ingest.media.writing import write_parts

_SURVEYED, _WRITTEN = 0.4, 0.9  # of the work, for the progress that is shown
_UNFIT = (av.FFmpegError, ValueError, Refused)


def make_clips(
    source: Path, form: Container, split: bool, bounds: Bounds, into: Path, progress: Callable[[float], None]
) -> list[Made]:
    """Write `part-N.mp4` and `poster-N.jpg` into the folder. Raises `Refused`."""
    require_whole(source, form)
    with open_tracks(source, form) as tracks:
        found = survey(tracks, bounds, lambda fraction: progress(_SURVEYED * fraction))
    spans = plan(found, split, bounds)
    paths = [into / f"part-{number}.mp4" for number in range(1, len(spans) + 1)]

    def write(spans: list[Span]) -> list[Made]:
        write_parts(source, form, found, spans, paths, lambda f: progress(_SURVEYED + (_WRITTEN - _SURVEYED) * f))
        return _described(found, spans, paths, progress)

    try:
        return write(spans)
    except _UNFIT as error:
        _judge(error, again=spans[0].number is not None)
    # The muxer does not take the streams as they are, or what it made of them does not play.
    try:
        return write([Span(span.start, span.end, None) for span in spans])
    except _UNFIT as error:
        _judge(error, again=False)
        raise


def _described(found: Survey, spans: list[Span], paths: list[Path], progress: Callable[[float], None]) -> list[Made]:
    made = []
    for path, span in zip(paths, spans, strict=True):
        made.append(describe(path, starts_ms=round((span.start - found.start) * 1000)))
        progress(_WRITTEN + (1 - _WRITTEN) * len(made) / len(paths))
    return made


def _judge(error: Exception, again: bool) -> None:
    """What a failure to write means. Returns if the streams can be tried another way."""
    if isinstance(error, MemoryError):
        raise error
    if isinstance(error, OSError) and error.errno in OURS:
        raise WorkerLost(f"could not be written: {error!r}")
    if isinstance(error, av.error.ExternalError):  # an encoder that does not start: there is no memory for it
        raise Refused("too_large", f"cannot be encoded: {error!r}")
    if not again:
        raise Refused("damaged", f"cannot be made into a clip: {error!r}")
