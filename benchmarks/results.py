"""Results of figures: samples of alternating rounds, their medians, and the ratio to the limit beside them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

Measure = Callable[[], Awaitable["Sample"]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one side.

    ``cpu_us`` is the CPU time per operation of all processes that do the work. Other work on the machine disturbs it
    less than the rate.
    """

    rate: float
    cpu_us: float
    p50_ms: float | None = None
    p99_ms: float | None = None


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
    """

    name: str
    unit: str
    measured: Sample
    peer: str = ""
    limit: Sample | None = None
    at_least: float | None = None
    rates: Sequence[tuple[float, float]] = field(default_factory=tuple)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The measured rate as a share of the limit."""
        return self.measured.rate / self.limit.rate if self.limit else None

    @property
    def cpu_ratio(self) -> float | None:
        """The limit's CPU time per operation as a share of the measured one."""
        return self.limit.cpu_us / self.measured.cpu_us if self.limit and self.measured.cpu_us else None


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds, seconds of one round, and the share of the full data."""

    rounds: int = 5
    seconds: int = 2
    scale: float = 1.0


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
) -> Result:
    """Warm both sides up, then measure them in alternating rounds; the medians are the result."""
    sides = [measure] if limit is None else [measure, limit]
    for side in sides:
        await side()
    rounds = [[await side() for side in sides] for _ in range(plan.rounds)]
    medians = [median_of(each) for each in zip(*rounds, strict=True)]
    return Result(
        name,
        unit,
        medians[0],
        peer,
        medians[1] if limit else None,
        at_least,
        tuple((each[0].rate, each[-1].rate) for each in rounds),
        note,
    )


def median_of(samples: Sequence[Sample]) -> Sample:
    """The median of each field."""
    return Sample(
        median(each.rate for each in samples),
        median(each.cpu_us for each in samples),
        *(
            median(known) if (known := [value for value in values if value is not None]) else None
            for values in ([each.p50_ms for each in samples], [each.p99_ms for each in samples])
        ),
    )
