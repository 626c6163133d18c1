"""The summary of a run for people."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .actors import Actors
from .fault_timeline import FaultTimeline
from .history import History


@dataclass
class Summary:
    """Figures and results of a run."""

    seed: int
    seconds: float
    kinds: Sequence[str]
    violations: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    checks: dict[str, int] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    injected: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    slow: list[tuple[str, float, list[str]]] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    starved_s: float = 0.0
    redelivered: int = 0
    live: dict[str, int] = field(default_factory=dict)
    webhooks: dict[str, dict[str, int]] = field(default_factory=dict)
    doubtful: int = 0
    suspects: frozenset[str] = frozenset()
    stories: int = 0
    cleared: int = 0

    def take(self, history: History, actors: Actors, fault_timeline: FaultTimeline) -> None:
        """Copy the figures of the actors."""
        self.operations, self.reads = history.operations, actors.monitor.reads
        self.injected, self.recoveries = actors.nemesis.injected, actors.nemesis.recoveries
        self.slow = actors.nemesis.slow
        self.lateness, self.starved_s = actors.recorder.lateness, fault_timeline.seconds("machine")
        self.redelivered = actors.recovery_times.redelivered(actors.records.readable())
        self.live = actors.live.figures()
        self.webhooks = {each.name: dict(each.answered) for each in (actors.webhooks.healthy, actors.webhooks.faulty)}
        self.doubtful = sum(story.doubtful for story in actors.model.stories)
        self.stories = sum(story.live_at is not None for story in actors.model.stories)

    def lines(self) -> Iterator[str]:
        """The summary as text."""
        minutes = "until Ctrl-C" if math.isinf(self.seconds) else f"for {self.seconds / 60:.1f} minutes"
        yield f"seed {self.seed}, faults {minutes}: {', '.join(self.kinds)}"
        yield f"operations   {sum(self.operations.values())}: {listed(self.operations)}"
        yield f"stories      {self.stories} went live, {self.cleared} ended and had to be gone from the log"
        yield f"reads judged {listed(self.reads)}"
        yield f"faults       {sum(self.injected.values())}"
        for kind, number in sorted(self.injected.items()):
            times = sorted(self.recoveries.get(kind, []))
            figures = f"recovered in {median(times):.1f} s, at most {times[-1]:.1f} s" if times else ""
            yield f"  {kind:<14} {number:>3}  {figures}"
        for kinds, took, awaited in self.slow:
            yield f"  {kinds} took {took:.0f} s: {'; '.join(awaited)}"
        if self.lateness:
            late = sorted(self.lateness)
            figures = f"late by {median(late):.3f} s, p99 {p99(late):.3f} s, at most {late[-1]:.3f} s"
            yield f"expiry       {len(late)} endings, {figures}"
        yield f"in doubt     {self.doubtful} plays and comments without a response"
        yield f"redelivered  {self.redelivered} records or more"
        yield f"live clients {listed(self.live)}"
        for endpoint, answers in self.webhooks.items():
            yield f"webhooks     {endpoint}: {listed(answers)}"
        yield f"overloaded   {self.starved_s:.1f} s"
        for name, wrong in self.checks.items():
            yield f"  {'ok   ' if not wrong else 'WRONG'} {name}" + (f": {wrong}" if wrong else "")
        during = len(self.violations) - sum(self.checks.values())
        yield f"  {'ok   ' if not during else 'WRONG'} nothing visible that must not be, and everything recovered" + (
            f": {during}" if during else ""
        )
        for promise, number in Counter(promise for promise, _ in self.violations).most_common():
            yield f"violated     {promise}: {number} times"
        yield "GREEN" if not self.violations else "RED"


def listed(numbers: dict[str, int]) -> str:
    """`a 3, b 2`."""
    return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items())) or "none"


def median(values: Sequence[float]) -> float:
    """Of sorted values."""
    return values[len(values) // 2]


def p99(values: Sequence[float]) -> float:
    """Of sorted values."""
    return values[min(len(values) - 1, math.ceil(len(values) * 0.99) - 1)]
