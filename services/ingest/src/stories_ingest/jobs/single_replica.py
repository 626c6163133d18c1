"""Sweeps: one replica at a time does them for all; whoever's turn it is goes on while it lives."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from stories_shared.clock import Clock

from stories_ingest.metrics import IngestMetrics

LEASE = timedelta(seconds=30)
"""A replica unheard for this long has lost its turn."""


class Leases(Protocol):
    """Whose turn it is."""

    async def take(self, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
        """Whether it is this holder's turn."""

    async def position(self, name: str) -> str:
        """Where the work goes on; empty for the beginning."""

    async def advance(self, name: str, holder: str, position: str, until: datetime) -> bool:
        """Remember where the work goes on, and hold the turn until then; False when it is another's by now."""


class QueueDepth(Protocol):
    """Jobs that wait for a worker."""

    async def waiting(self, now: datetime) -> int:
        """How many."""


@dataclass(frozen=True, slots=True)
class LeasedPosition:
    """How far a long sweep has come; each step renews the turn, so that no replica begins beside another."""

    leases: Leases
    name: str
    holder: str
    now: Clock

    async def load(self) -> str:
        """Where to go on."""
        return await self.leases.position(self.name)

    async def advance(self, position: str) -> bool:
        """Remember where to go on; False when another replica has taken over."""
        return await self.leases.advance(self.name, self.holder, position, self.now() + LEASE)


@dataclass(frozen=True, slots=True)
class SingleReplica:
    """Makes a turn of a sweep something that only one replica does at a time."""

    leases: Leases
    holder: str
    now: Clock

    def guarded(self, name: str, sweep: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        """The same turn, passed over while another replica holds it."""

        async def run_if_leader() -> object:
            return await sweep() if await self.leases.take(name, self.holder, self.now(), LEASE) else None

        return run_if_leader

    def resumable(
        self, name: str, sweep: Callable[[LeasedPosition], Awaitable[object]]
    ) -> Callable[[], Awaitable[object]]:
        """The same for a turn that goes on where the one before stopped, on whatever replica that was."""
        return self.guarded(name, partial(sweep, LeasedPosition(self.leases, name, self.holder, self.now)))


@dataclass(frozen=True, slots=True)
class QueueDepthGauge:
    """Shows how many jobs wait, where this replica is the one that tells; elsewhere none."""

    single_replica: SingleReplica
    jobs: QueueDepth
    metrics: IngestMetrics
    now: Clock

    async def __call__(self) -> None:
        """One look."""
        gauge = self.metrics.media_jobs.labels("waiting")
        is_holder = await self.single_replica.leases.take("count", self.single_replica.holder, self.now(), LEASE)
        gauge.set(await self.jobs.waiting(self.now()) if is_holder else 0)
