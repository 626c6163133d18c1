"""Faults between services and servers: late, cut, swallowed, torn."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .cluster import Cluster
from .proxy import Mode

LASTS_S = (2.0, 8.0)
DELAY_S = (0.02, 0.5)


@dataclass
class WireFaults:
    """What can be done to the connections of one server at a time."""

    cluster: Cluster

    @asynccontextmanager
    async def slow(self, rng: random.Random) -> AsyncIterator[str]:
        """Every piece comes later, by milliseconds or by half a second."""
        async with self._bad(rng, "slow", rng.uniform(*DELAY_S)) as what:
            yield what

    @asynccontextmanager
    async def cut(self, rng: random.Random) -> AsyncIterator[str]:
        """What is open is reset, and nothing new comes through."""
        async with self._bad(rng, "cut") as what:
            yield what

    @asynccontextmanager
    async def hole(self, rng: random.Random) -> AsyncIterator[str]:
        """Nothing comes through and nobody is told; or questions do, and answers do not."""
        async with self._bad(rng, rng.choice(("hole", "deaf"))) as what:
            yield what

    @asynccontextmanager
    async def torn(self, rng: random.Random) -> AsyncIterator[str]:
        """Now and then a message gets half-way, and its connection is reset."""
        async with self._bad(rng, "torn") as what:
            yield what

    @asynccontextmanager
    async def _bad(self, rng: random.Random, mode: Mode, delay_s: float = 0.0) -> AsyncIterator[str]:
        proxy = self.cluster.proxies[rng.choice(sorted(self.cluster.proxies))]
        proxy.become(mode, delay_s)
        try:
            yield f"{proxy.name}: {mode}" + (f" by {delay_s:.2f} s" if delay_s else "")
            await asyncio.sleep(rng.uniform(*LASTS_S))
        finally:
            proxy.become("open")
