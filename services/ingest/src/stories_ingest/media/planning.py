"""Plan the parts of a long clip: about equal, cut at key frames if they are near enough."""

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.media.limits import MediaLimits
from stories_ingest.media.probe import ProbeResult

# Maximum distance in seconds from the ideal cut to a key frame for stream copy: phones write a key frame every second
# or two. Copying keeps HDR and costs nothing; otherwise the parts are encoded.
_NEAR = Fraction(1)


@dataclass(frozen=True, slots=True)
class Span:
    """One part: start and end in the source in seconds, and the number of its first video packet if copied."""

    start: Fraction
    end: Fraction
    number: int | None


def plan(probed: ProbeResult, split: bool, bounds: MediaLimits) -> list[Span]:
    """The parts in order; either all or none are copied. Raises `MediaRefused("too_long")`."""
    count = _count(probed.duration_ms, split, bounds)
    if count == 1:
        return [Span(probed.start, probed.end, probed.copied.start if probed.copied else None)]
    ideal = [probed.start + (probed.end - probed.start) * step / count for step in range(1, count)]
    chosen = _key_frames(probed, ideal) if probed.copied else None
    if probed.copied and chosen is not None:
        starts = [probed.start, *(probed.cut_points[number] for number in chosen)]
        ends = [*starts[1:], probed.end]
        if all(0 < (end - start) * 1000 <= bounds.longest_clip_ms for start, end in zip(starts, ends, strict=True)):
            return [Span(*span) for span in zip(starts, ends, [probed.copied.start, *chosen], strict=True)]
    starts = [probed.start, *(_at_frame(probed, at) for at in ideal)]
    return [Span(start, end, None) for start, end in zip(starts, [*starts[1:], probed.end], strict=True) if end > start]


def _count(duration_ms: int, split: bool, bounds: MediaLimits) -> int:
    if duration_ms <= bounds.longest_clip_ms:
        return 1
    count = -(-duration_ms // bounds.max_clip_ms)
    if not split or count > bounds.max_parts:
        raise MediaRefused("too_long", f"{duration_ms} ms")
    return count


def _key_frames(probed: ProbeResult, ideal: list[Fraction]) -> list[int] | None:
    """The nearest cut point for each ideal cut, or None if one of them has none near enough."""
    chosen: list[int] = []
    for at in ideal:
        near = min(probed.cut_points, key=lambda number: abs(probed.cut_points[number] - at), default=None)
        if near is None or abs(probed.cut_points[near] - at) > _NEAR or near in chosen:
            return None
        chosen.append(near)
    return chosen


def _at_frame(probed: ProbeResult, at: Fraction) -> Fraction:
    """The time of the first frame at or after `at`."""
    return probed.times[min(bisect_left(probed.times, at), len(probed.times) - 1)]
