"""Where a long clip is cut: into about equal parts, at key pictures where there are some near enough."""

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction

from stories_ingest.media.probe import ProbeResult
from stories_ingest.media.types import MediaLimits, MediaRejected

# How far from its ideal place a cut may be, so that the streams are copied untouched: phones set a key picture every
# second or two. Copying keeps HDR and costs nothing; elsewhere the parts are encoded anew.
_NEAR = Fraction(1)


@dataclass(frozen=True, slots=True)
class Span:
    """One part: from when to when in the original (seconds), and the number of its first picture packet if copied."""

    start: Fraction
    end: Fraction
    number: int | None


def plan(probed: ProbeResult, split: bool, bounds: MediaLimits) -> list[Span]:
    """The parts in order; all of them are copied or none is. Raises `MediaRejected("too_long")`."""
    count = _count(probed.duration_ms, split, bounds)
    if count == 1:
        return [Span(probed.start, probed.end, probed.copied.start if probed.copied else None)]
    ideal = [probed.start + (probed.end - probed.start) * step / count for step in range(1, count)]
    chosen = _key_pictures(probed, ideal) if probed.copied else None
    if probed.copied and chosen is not None:
        starts = [probed.start, *(probed.cut_points[number] for number in chosen)]
        ends = [*starts[1:], probed.end]
        if all(0 < (end - start) * 1000 <= bounds.longest_clip_ms for start, end in zip(starts, ends, strict=True)):
            return [Span(*span) for span in zip(starts, ends, [probed.copied.start, *chosen], strict=True)]
    starts = [probed.start, *(_at_picture(probed, at) for at in ideal)]
    return [Span(start, end, None) for start, end in zip(starts, [*starts[1:], probed.end], strict=True) if end > start]


def _count(duration_ms: int, split: bool, bounds: MediaLimits) -> int:
    if duration_ms <= bounds.longest_clip_ms:
        return 1
    count = -(-duration_ms // bounds.max_clip_ms)
    if not split or count > bounds.max_parts:
        raise MediaRejected("too_long", f"{duration_ms} ms")
    return count


def _key_pictures(probed: ProbeResult, ideal: list[Fraction]) -> list[int] | None:
    """For each ideal cut the nearest picture where the streams can be cut, or nothing if one has none near."""
    chosen: list[int] = []
    for at in ideal:
        near = min(probed.cut_points, key=lambda number: abs(probed.cut_points[number] - at), default=None)
        if near is None or abs(probed.cut_points[near] - at) > _NEAR or near in chosen:
            return None
        chosen.append(near)
    return chosen


def _at_picture(probed: ProbeResult, at: Fraction) -> Fraction:
    """The time of the first picture not before `at`."""
    return probed.times[min(bisect_left(probed.times, at), len(probed.times) - 1)]
