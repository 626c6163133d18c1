"""Which faults were active when, so that every answer is judged by what the system promises under them."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

CALM_LIMIT_S, STORM_LIMIT_S = 1.0, 3.0
"""Until a confirmed refusal holds everywhere: while nothing is broken, and while something is."""
STARVED_S = 0.2
"""This process itself was kept waiting for so long: the machine has no time for anybody."""
LOOK_S = 0.05
OF_LATE_S = 5.0


@dataclass
class FaultInterval:
    """One interval in which a fault was active."""

    kind: str
    begun: float
    ended: float | None = None


@dataclass
class FaultTimeline:
    """Every stretch so far."""

    intervals: list[FaultInterval] = field(default_factory=list)

    @contextlib.contextmanager
    def broken(self, kind: str) -> Iterator[None]:
        """Something is broken for as long as this lasts."""
        interval = FaultInterval(kind, time.time())
        self.intervals.append(interval)
        try:
            yield
        finally:
            interval.ended = time.time()

    def calm(self, since: float, until: float) -> bool:
        """Whether nothing was broken in a stretch."""
        return not any(each.begun <= until and (each.ended is None or each.ended >= since) for each in self.intervals)

    def of_late(self, now: float) -> frozenset[str]:
        """The kinds of faults that strike now or have just struck."""
        lately = [each.kind for each in self.intervals if each.ended is None or each.ended > now - OF_LATE_S]
        return frozenset(kind for kinds in lately for kind in kinds.split("+"))

    def limit(self, since: float, until: float) -> float:
        """How long a refusal may take to hold."""
        return CALM_LIMIT_S if self.calm(since - STORM_LIMIT_S, until) else STORM_LIMIT_S

    async def watch_the_machine(self) -> None:
        """Note when the machine is too busy for anybody's promises of a second."""
        last = time.time()
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.time()
            if now - last > LOOK_S + STARVED_S:
                self.intervals.append(FaultInterval("machine", last, now))
            last = now

    def seconds(self, kind: str) -> float:
        """How long a kind of fault has lasted in all."""
        return sum((each.ended or time.time()) - each.begun for each in self.intervals if each.kind == kind)
