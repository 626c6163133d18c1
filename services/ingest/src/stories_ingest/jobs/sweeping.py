"""Sweeps: one replica at a time does them for all; whoever's turn it is goes on while it lives."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock

from stories_ingest.metrics import IngestMetrics

HOLD = timedelta(seconds=30)
"""A replica unheard for this long has lost its turn."""


class Turns(Protocol):
    """Whose turn it is."""

    async def take(self, name: str, holder: str, now: datetime, hold: timedelta) -> bool:
        """Whether it is this holder's turn."""


class Waiting(Protocol):
    """Jobs that wait for a worker."""

    async def waiting(self, now: datetime) -> int:
        """How many."""


@dataclass(frozen=True, slots=True)
class InTurn:
    """Makes a turn of a sweep something that only one replica does at a time."""

    turns: Turns
    holder: str
    now: Clock

    def of(self, name: str, turn: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
        """The same turn, passed over while another replica holds it."""

        async def in_turn() -> None:
            if await self.turns.take(name, self.holder, self.now(), HOLD):
                await turn()

        return in_turn


@dataclass(frozen=True, slots=True)
class CountWaiting:
    """Shows how many jobs wait, where this replica is the one that tells; elsewhere none."""

    in_turn: InTurn
    jobs: Waiting
    metrics: IngestMetrics
    now: Clock

    async def __call__(self) -> None:
        """One look."""
        gauge = self.metrics.media_jobs.labels("waiting")
        mine = await self.in_turn.turns.take("count", self.in_turn.holder, self.now(), HOLD)
        gauge.set(await self.jobs.waiting(self.now()) if mine else 0)
