"""Which faults were active when: every response is judged by the guarantees that hold under them."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

CALM_LIMIT_S, STORM_LIMIT_S = 1.0, 3.0
"""Time until a confirmed revocation applies everywhere: without faults, and with faults."""
STARVED_S = 0.2
"""This process was delayed by so much: the machine is overloaded."""
TICK_S = 0.05
RECENT_S = 5.0


@dataclass
class FaultInterval:
    """An interval in which a fault was active."""

    kind: str
    started: float
    ended: float | None = None


@dataclass
class FaultTimeline:
    """All fault intervals so far."""

    intervals: list[FaultInterval] = field(default_factory=list)

    @contextlib.contextmanager
    def broken(self, kind: str) -> Iterator[None]:
        """Record a fault that is active inside the block."""
        interval = FaultInterval(kind, time.time())
        self.intervals.append(interval)
        try:
            yield
        finally:
            interval.ended = time.time()

    def calm(self, since: float, until: float) -> bool:
        """Whether no fault was active in an interval."""
        return not any(each.started <= until and (each.ended is None or each.ended >= since) for each in self.intervals)

    def recent(self, now: float) -> frozenset[str]:
        """The kinds of faults that are active or ended in the last seconds."""
        lately = [each.kind for each in self.intervals if each.ended is None or each.ended > now - RECENT_S]
        return frozenset(kind for kinds in lately for kind in kinds.split("+"))

    def limit(self, since: float, until: float) -> float:
        """How long a revocation may take to apply, in seconds."""
        return CALM_LIMIT_S if self.calm(since - STORM_LIMIT_S, until) else STORM_LIMIT_S

    async def watch_machine(self) -> None:
        """Record intervals in which the machine is too busy for deadlines of a second."""
        last = time.time()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.time()
            if now - last > TICK_S + STARVED_S:
                self.intervals.append(FaultInterval("machine", last, now))
            last = now

    def idle(self, since: float, until: float) -> float:
        """The seconds of an interval in which the machine was not too busy for deadlines of a second."""
        busy = [(each.started, each.ended) for each in self.intervals if each.kind == "machine" and each.ended]
        return until - since - sum(max(0.0, min(ended, until) - max(started, since)) for started, ended in busy)

    def seconds(self, kind: str) -> float:
        """The total duration of a kind of fault."""
        return sum((each.ended or time.time()) - each.started for each in self.intervals if each.kind == kind)
