"""Results of figures: samples of alternating rounds, their medians, and the ratio to the limit beside them."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

Measure = Callable[[], Awaitable["Sample"]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one side.

    ``cpu_us`` is the CPU time per operation of all processes that do the work. Other work on the machine disturbs it
    less than the rate.
    """

    rate: float
    cpu_us: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


class Cost:
    """Elapsed time and CPU time, from when it is made.

    Args:
        cpu_s: counters of CPU seconds: `Process.cpu_s` of who does the work, `time.process_time` for this process.
    """

    def __init__(self, *cpu_s: Callable[[], float]) -> None:
        self._cpu_s = cpu_s
        self._used, self._began = sum(clock() for clock in cpu_s), time.perf_counter()

    def sample(self, operations: int) -> Sample:
        """The sample of so many operations."""
        took = time.perf_counter() - self._began
        used = sum(clock() for clock in self._cpu_s) - self._used
        return Sample(operations / took, used / operations * 1e6)


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit that a figure is to keep, in words such as ``p99 ms``.

    Args:
        what: the measured quantity with its unit.
        value: what was measured.
        limit: the most that is good enough, or with ``least`` the least.
        least: whether the limit is a lower one.
    """

    what: str
    value: float
    limit: float
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether the limit is kept."""
        return self.value >= self.limit if self.least else self.value <= self.limit

    def __str__(self) -> str:
        kind = "least" if self.least else "most"
        return f"{self.what} {self.value:,.4g} (at {kind} {self.limit:,g}{'' if self.met else ', not met'})"


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the report.

    Args:
        name: of the row, such as ``tray-200``.
        unit: of the rate.
        measured: the median of the rounds.
        peer: what it stands beside, in words.
        limit: the median of the peer's rounds in the same run.
        at_least: the smallest ratio of rates that is good enough, if one is set.
        rates: the rates of each round, measured and limit, for the plot.
        note: anything a reader has to know.
        bounds: further limits, of latency or memory for instance.
    """

    name: str
    unit: str
    measured: Sample
    peer: str = ""
    limit: Sample | None = None
    at_least: float | None = None
    rates: Sequence[tuple[float, float]] = field(default_factory=tuple)
    note: str = ""
    bounds: Sequence[Bound] = field(default_factory=tuple)

    def within(self, *bounds: Bound) -> "Result":
        """The same with these further limits."""
        return replace(self, bounds=(*self.bounds, *bounds))

    @property
    def met(self) -> bool | None:
        """Whether every limit is kept; None without any."""
        kept = [bound.met for bound in self.bounds]
        if self.at_least is not None and self.ratio is not None:
            kept.append(self.ratio >= self.at_least)
        return all(kept) if kept else None

    @property
    def ratio(self) -> float | None:
        """The measured rate as a share of the limit."""
        return self.measured.rate / self.limit.rate if self.limit else None

    @property
    def p50_ratio(self) -> float:
        """The measured median latency as a multiple of the limit's."""
        assert self.limit is not None
        return (self.measured.p50_ms or 0) / (self.limit.p50_ms or 1)

    @property
    def cpu_ratio(self) -> float | None:
        """The limit's CPU time per operation as a share of the measured one."""
        if self.limit is None or self.limit.cpu_us is None or not self.measured.cpu_us:
            return None
        return self.limit.cpu_us / self.measured.cpu_us


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Args:
        rounds: of each side.
        seconds: of a round.
        scale: the share of the data.
        share: of that, the share of what takes a million rows to set up.
    """

    rounds: int = 5
    seconds: int = 2
    scale: float = 1.0
    share: float = 0.2

    def scaled(self, number: int, least: int = 1_000) -> int:
        """How many rows there are of so many."""
        return max(least, int(number * self.scale))

    def many(self, number: int, least: int = 1_000) -> int:
        """The same of a million or so."""
        return self.scaled(int(number * self.share), least)


FULL, QUICK, SMOKE = Plan(), Plan(rounds=3, seconds=1, scale=0.05), Plan(rounds=1, seconds=1, scale=0.01)


async def compare(
    name: str,
    unit: str,
    measure: Measure,
    plan: Plan,
    *,
    peer: str = "",
    limit: Measure | None = None,
    at_least: float | None = None,
    note: str = "",
    rounds: int | None = None,
    warm_up: bool = True,
) -> Result:
    """Warm both sides up, then measure them in alternating rounds; the medians are the result.

    Args:
        name: of the row.
        unit: of the rate.
        measure: one round.
        plan: how much is measured.
        peer: what it stands beside, in words.
        limit: one round of the peer.
        at_least: the smallest ratio that is good enough.
        note: anything a reader has to know.
        rounds: fewer than the plan's, where one takes long; the report says so.
        warm_up: whether a first round of each side is thrown away.
    """
    sides = [measure] if limit is None else [measure, limit]
    for side in sides if warm_up else ():
        await side()
    number = min(plan.rounds, rounds or plan.rounds)
    measured = [[await side() for side in sides] for _ in range(number)]
    medians = [median_of(each) for each in zip(*measured, strict=True)]
    if number < plan.rounds:
        note = "; ".join(filter(None, (note, f"{number} round{'s' if number > 1 else ''}")))
    return Result(
        name,
        unit,
        medians[0],
        peer,
        medians[1] if limit else None,
        at_least,
        tuple((each[0].rate, each[-1].rate) for each in measured),
        note,
    )


def median_of(samples: Sequence[Sample]) -> Sample:
    """The median of each field."""
    return Sample(
        median(each.rate for each in samples),
        *(
            median(known) if (known := [value for value in values if value is not None]) else None
            for values in zip(*((each.cpu_us, each.p50_ms, each.p99_ms) for each in samples), strict=True)
        ),
    )


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile of times, in milliseconds."""
    ordered = sorted(seconds)
    return median(ordered) * 1000, ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000
