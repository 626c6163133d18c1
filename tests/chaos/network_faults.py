"""Network faults between services and servers: delayed, cut, withheld, truncated."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .cluster import Cluster
from .proxy import Mode, Proxy

LASTS_S = (2.0, 8.0)
DELAY_S = (0.02, 0.5)


@dataclass
class NetworkFaults:
    """Faults of the connections of one server at a time."""

    cluster: Cluster

    @asynccontextmanager
    async def slow(self, rng: random.Random) -> AsyncIterator[str]:
        """Delay every chunk by milliseconds to half a second."""
        async with self._bad(rng, "slow", rng.uniform(*DELAY_S)) as what:
            yield what

    @asynccontextmanager
    async def cut(self, rng: random.Random) -> AsyncIterator[str]:
        """Reset open connections and reject new ones."""
        async with self._bad(rng, "cut") as what:
            yield what

    @asynccontextmanager
    async def hole(self, rng: random.Random) -> AsyncIterator[str]:
        """Withhold all data, or only responses, without an error."""
        async with self._bad(rng, rng.choice(("hole", "deaf"))) as what:
            yield what

    @asynccontextmanager
    async def torn(self, rng: random.Random) -> AsyncIterator[str]:
        """Sometimes truncate a message and reset its connection."""
        async with self._bad(rng, "torn") as what:
            yield what

    @asynccontextmanager
    async def isolate(self, rng: random.Random) -> AsyncIterator[str]:
        """Keep the other brokers from one that clients still reach: what it leads has no other replica in sync."""
        proxy = rng.choice(self.cluster.topology.replication)
        async with self._bad(rng, rng.choice(("cut", "hole")), proxy=proxy) as what:
            yield f"replication from {what}"

    @asynccontextmanager
    async def _bad(
        self, rng: random.Random, mode: Mode, delay_s: float = 0.0, *, proxy: Proxy | None = None
    ) -> AsyncIterator[str]:
        proxy = proxy or self.cluster.proxies[rng.choice(sorted(self.cluster.proxies))]
        proxy.set_mode(mode, delay_s)
        try:
            yield f"{proxy.name}: {mode}" + (f" by {delay_s:.2f} s" if delay_s else "")
            await asyncio.sleep(rng.uniform(*LASTS_S))
        finally:
            proxy.set_mode("open")
