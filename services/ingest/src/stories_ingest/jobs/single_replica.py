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

    async def take(self, name: str, holder: str, now: datetime, hold: timedelta) -> bool:
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

    turns: Leases
    name: str
    holder: str
    now: Clock

    async def load(self) -> str:
        """Where to go on."""
        return await self.turns.position(self.name)

    async def advance(self, position: str) -> bool:
        """Remember where to go on; False when another replica has taken over."""
        return await self.turns.advance(self.name, self.holder, position, self.now() + LEASE)


@dataclass(frozen=True, slots=True)
class SingleReplica:
    """Makes a turn of a sweep something that only one replica does at a time."""

    turns: Leases
    holder: str
    now: Clock

    def of(self, name: str, turn: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        """The same turn, passed over while another replica holds it."""

        async def in_turn() -> object:
            return await turn() if await self.turns.take(name, self.holder, self.now(), LEASE) else None

        return in_turn

    def resumed(
        self, name: str, turn: Callable[[LeasedPosition], Awaitable[object]]
    ) -> Callable[[], Awaitable[object]]:
        """The same for a turn that goes on where the one before stopped, on whatever replica that was."""
        return self.of(name, partial(turn, LeasedPosition(self.turns, name, self.holder, self.now)))


@dataclass(frozen=True, slots=True)
class QueueDepthGauge:
    """Shows how many jobs wait, where this replica is the one that tells; elsewhere none."""

    in_turn: SingleReplica
    jobs: QueueDepth
    metrics: IngestMetrics
    now: Clock

    async def __call__(self) -> None:
        """One look."""
        gauge = self.metrics.media_jobs.labels("waiting")
        mine = await self.in_turn.turns.take("count", self.in_turn.holder, self.now(), LEASE)
        gauge.set(await self.jobs.waiting(self.now()) if mine else 0)
