"""The nemesis: injects faults at random times, heals each one and measures each recovery."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field

import httpx

from .cluster import BACK_S, Cluster
from .fault_timeline import FaultTimeline
from .history import History
from .timing import stopped_within

FIRST_AFTER_S, REST_S = 4.0, (1.5, 6.0)
TWO_AT_ONCE = 0.25
POLL_S = 0.2
FIRST = frozenset({"poison", "large", "again", "headers", "partitions", "roll", "join", "clock"})
"""Kinds that start before the ones they are combined with: they need servers that the other fault may stop."""
SLOW_S, SHOWN = 20.0, 3
BUSY_FACTOR = 3.0
"""A busy machine may take so many times as long to recover."""
Fault = Callable[[random.Random], AbstractAsyncContextManager[str]]
"""A context manager that injects a fault, yields its description, and heals it on exit."""


@dataclass(frozen=True)
class PlannedFault:
    """One planned fault: pause before it, kinds (one or two), and seed."""

    after_s: float
    kinds: tuple[str, ...]
    seed: str


def plan(seed: int, kinds: Mapping[str, int]) -> AsyncIterator[PlannedFault]:
    """The faults that follow from the seed, each kind drawn by its weight."""

    async def planned() -> AsyncIterator[PlannedFault]:
        rng = random.Random(f"{seed}/nemesis")
        names, weights = list(kinds), list(kinds.values())
        number = 0
        while True:
            number += 1
            chosen = rng.choices(names, weights, k=2)
            both = rng.random() < TWO_AT_ONCE and chosen[0] != chosen[1]
            pause = FIRST_AFTER_S if number == 1 else rng.uniform(*REST_S)
            yield PlannedFault(pause, tuple(chosen if both else chosen[:1]), f"{seed}/blow/{number}")

    return planned()


@dataclass
class Nemesis:
    """Injects faults until stopped, and heals everything."""

    cluster: Cluster
    fault_timeline: FaultTimeline
    history: History
    faults: Mapping[str, Fault]
    weights: Mapping[str, int]
    without: frozenset[str]
    """Kinds that are drawn but not injected, so that all others are drawn as before."""
    seed: int
    injected: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    slow: list[tuple[str, float, list[str]]] = field(default_factory=list)
    """Slow recoveries: the kinds, the duration, and what was missing last."""
    awaited: set[str] = field(default_factory=set)
    """What was missing during the last recovery."""
    last: list[str] = field(default_factory=list)

    async def run(self, stopping: asyncio.Event) -> None:
        """Inject faults until stopped."""
        async for fault in plan(self.seed, self.weights):
            if await stopped_within(stopping, fault.after_s):
                return
            kinds = [kind for kind in fault.kinds if kind not in self.without]
            if kinds:
                await self._inject(kinds, random.Random(fault.seed))

    async def _inject(self, kinds: list[str], rng: random.Random) -> None:
        with self.fault_timeline.broken("+".join(kinds)):
            async with AsyncExitStack() as faults:
                for kind in sorted(kinds, key=lambda kind: kind not in FIRST):
                    self.injected[kind] = self.injected.get(kind, 0) + 1
                    what = await faults.enter_async_context(self.faults[kind](rng))
                    self.history.note("fault", kind=kind, what=what)
            healed = time.time()
            problem = await self.recovered()
            took, awaited = time.time() - healed, sorted(self.awaited)
            if took > SLOW_S:
                self.slow.append(("+".join(kinds), took, self.last[:SHOWN]))
            for kind in kinds:
                self.recoveries.setdefault(kind, []).append(took)
            self.history.note("healed", kinds=kinds, recovered_s=round(took, 2), problem=problem, awaited=awaited)

    async def recovered(self, within_s: float = BACK_S) -> str | None:
        """Wait until everything runs and is ready; what is missing if that takes too long.

        Seconds without a processor do not count, up to a bound: neither this process nor its proxies work in them.
        """
        began, self.awaited = time.time(), set()
        async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
            while True:
                missing = await self._missing(http)
                self.awaited.update(missing)
                self.last = missing or self.last
                now = time.time()
                late = self.fault_timeline.idle(began, now) > within_s or now > began + within_s * BUSY_FACTOR
                if not missing or late:
                    return ", ".join(missing) or None
                await asyncio.sleep(POLL_S)

    async def _missing(self, http: httpx.AsyncClient) -> list[str]:
        processes = self.cluster.processes()
        missing = [f"{name} is {each.state}" for name, each in processes.items() if each.state != "running"]
        for name in self.cluster.replicas():
            try:
                answer = await http.get(f"{processes[name].url}/readyz")
                if answer.status_code != 200:
                    missing.append(f"{name}: {answer.text[:200]}")
            except httpx.HTTPError as error:
                missing.append(f"{name}: {type(error).__name__}")
        return missing
