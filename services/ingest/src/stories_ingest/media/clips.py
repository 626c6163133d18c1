"""Transcode a clip: probe, plan the parts, write them, probe the output."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av

from stories_ingest.domain.errors import MediaRefused, is_machine_fault
from stories_ingest.domain.media import MediaPart, Rendition
from stories_ingest.media.codecs import codecs_of
from stories_ingest.media.limits import MediaLimits
from stories_ingest.media.output_probe import Unplayable, probe_output
from stories_ingest.media.planning import Span, plan
from stories_ingest.media.playable import smaller_sides, target
from stories_ingest.media.probe import ProbeResult, probe
from stories_ingest.media.sniffing import Container
from stories_ingest.media.tracks import codec, open_tracks
from stories_ingest.media.truncation import reject_truncated
from stories_ingest.media.writing import write_parts

_PROBED, _WRITTEN = 0.4, 0.9  # share of the progress
_UNUSABLE = (av.FFmpegError, Unplayable, MediaRefused)


def make_clips(
    source: Path, form: Container, split: bool, bounds: MediaLimits, into: Path, progress: Callable[[float], None]
) -> list[MediaPart]:
    """Write `part-N.mp4` and `poster-N.jpg` into the folder. Raises `MediaRefused`."""
    reject_truncated(source, form)
    with open_tracks(source, form) as tracks:
        probed = probe(tracks, bounds, lambda fraction: progress(_PROBED * fraction))
    spans = plan(probed, split, bounds)
    paths = [into / f"part-{number}.mp4" for number in range(1, len(spans) + 1)]

    def write(spans: list[Span]) -> list[MediaPart]:
        try:
            write_parts(
                source, form, probed, spans, paths, bounds, lambda f: progress(_PROBED + (_WRITTEN - _PROBED) * f)
            )
        except av.error.ExternalError as error:  # an encoder that does not start: not enough memory
            raise MediaRefused("too_large", f"cannot be encoded: {error!r}") from None
        return _probe_outputs(probed, spans, paths, bounds, progress)

    try:
        return write(spans)
    except _UNUSABLE as error:
        # Copying may fail or give an unplayable file although the input is fine: encode instead.
        if spans[0].number is None or isinstance(error, MemoryError) or is_machine_fault(error):
            raise
    return write([Span(span.start, span.end, None) for span in spans])


def _probe_outputs(
    probed: ProbeResult,
    spans: list[Span],
    paths: list[Path],
    bounds: MediaLimits,
    progress: Callable[[float], None],
) -> list[MediaPart]:
    parts = []
    for path, span in zip(paths, spans, strict=True):
        try:
            part = probe_output(path, starts_ms=round((span.start - probed.start) * 1000))
            smaller = smaller_sides(min(part.media.width, part.media.height), bounds.renditions)
            parts.append(replace(part, lacks_smaller=bool(smaller)))
        except MediaRefused as error:
            raise Unplayable(str(error)) from None
        progress(_WRITTEN + (1 - _WRITTEN) * len(parts) / len(paths))
    return parts


def make_smaller(source: Path, bounds: MediaLimits, into: Path, progress: Callable[[float], None]) -> list[Rendition]:
    """Write the smaller renditions of a finished part as `SIDE.mp4` into the folder. Raises `MediaRefused`."""
    with open_tracks(source, "mov") as tracks:
        probed = probe(tracks, bounds, lambda fraction: progress(_PROBED * fraction))
    span, renditions = Span(probed.start, probed.end, None), []
    for side in smaller_sides(min(probed.display.displayed), bounds.renditions):
        path = into / f"{side}.mp4"
        write_parts(source, "mov", probed, [span], [path], bounds, lambda _: None, short_side=side)
        picture = target(probed.display, probed.fps, side)
        with open_tracks(path, "mov") as tracks:
            codecs = codecs_of(path, [codec(stream) for stream in tracks.kept])
        renditions.append(
            Rendition(
                key=path.name,
                content_type="video/mp4",
                size=path.stat().st_size,
                width=picture.width,
                height=picture.height,
                codecs=codecs,
            )
        )
    return renditions
