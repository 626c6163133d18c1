"""Sweeps run on one replica at a time, the holder of a lease."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from stories_shared.clock import Clock

from stories_ingest.metrics import IngestMetrics

LEASE = timedelta(seconds=30)
"""A replica that has not renewed for this long loses its lease."""


class Leases(Protocol):
    """Leases with a position."""

    async def acquire(self, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
        """Take or renew the lease for `ttl`; False when another holder has it."""

    async def position(self, name: str) -> str:
        """The saved position; empty for the beginning."""

    async def advance(self, name: str, holder: str, position: str, until: datetime) -> bool:
        """Save the position and extend the lease until `until`; False when another holder has it."""


class QueueDepth(Protocol):
    """The queue of media jobs."""

    async def waiting(self, now: datetime) -> int:
        """Number of waiting jobs."""


@dataclass(frozen=True, slots=True)
class LeasedPosition:
    """The position of a long sweep. Saving it renews the lease, so that no second replica starts."""

    leases: Leases
    name: str
    holder: str
    now: Clock

    async def load(self) -> str:
        """The saved position."""
        return await self.leases.position(self.name)

    async def advance(self, position: str) -> bool:
        """Save the position; False when another replica has taken the lease."""
        return await self.leases.advance(self.name, self.holder, position, self.now() + LEASE)


@dataclass(frozen=True, slots=True)
class SingleReplica:
    """Restricts a sweep to one replica at a time."""

    leases: Leases
    holder: str
    now: Clock

    def guarded(self, name: str, sweep: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        """The sweep, skipped while another replica holds the lease `name`."""

        async def run_if_leader() -> object:
            return await sweep() if await self.leases.acquire(name, self.holder, self.now(), LEASE) else None

        return run_if_leader

    def resumable(
        self, name: str, sweep: Callable[[LeasedPosition], Awaitable[object]]
    ) -> Callable[[], Awaitable[object]]:
        """The same for a sweep that resumes at the saved position, on any replica."""
        return self.guarded(name, partial(sweep, LeasedPosition(self.leases, name, self.holder, self.now)))


@dataclass(frozen=True, slots=True)
class QueueDepthGauge:
    """Sets the gauge of waiting jobs on the replica that holds the lease; 0 on the others."""

    single_replica: SingleReplica
    jobs: QueueDepth
    metrics: IngestMetrics
    now: Clock

    async def __call__(self) -> None:
        """Update the gauge."""
        gauge = self.metrics.media_jobs.labels("waiting")
        is_holder = await self.single_replica.leases.acquire("count", self.single_replica.holder, self.now(), LEASE)
        gauge.set(await self.jobs.waiting(self.now()) if is_holder else 0)
