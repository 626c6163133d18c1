"""Process faults: SIGKILL, SIGTERM, rolling restarts, SIGSTOP and SIGCONT."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stories_shared.events.cloudevents import SERVICES

from .cluster import BACK_S, Cluster
from .proxy import Mode
from .timing import came_true

LONG_FREEZE_S = (7.0, 10.0)
"""Longer than the consumer session timeout of 6 s: the group continues without its member."""
SHORT_FREEZE_S = (4.2, 5.2)
"""Shorter than the session timeout, but long enough that revocations at its start must apply at its end."""
NOTICED_S = 12.0
"""A service may take 10 s to stop; one that another fault has frozen stops when it is resumed."""
SERVER_ENDED_S = 40.0
"""A member of a replica set takes 15 s to stop, and a broker hands over what it leads."""
MOST = 0.25
"""The probability that most of a cluster are killed at once, so that it takes no writes."""
QUEUED_S = 0.5
"""Requests are queued so long before the process resumes, so that it reads them first."""
SILENT = 0.5
"""The probability that a replica is resumed while Kafka is unreachable."""
READERS = ("feed", "engagement")
"""Services that answer from what they consumed."""


@dataclass
class ProcessFaults:
    """Signals to processes.

    A frozen replica misses everything that happens meanwhile. `collect` gathers tickets before the freeze, `provoke`
    revokes access during it, and `probe_revoked` reads from the replica at a high rate when it resumes.
    """

    cluster: Cluster
    collect: Callable[[], Awaitable[None]]
    provoke: Callable[[random.Random], None]
    probe_revoked: Callable[[str], Awaitable[None]]

    @asynccontextmanager
    async def kill_service(self, rng: random.Random) -> AsyncIterator[str]:
        """Send SIGKILL to one replica, or to both of a service at once."""
        service = rng.choice(SERVICES)
        replicas = self.cluster.replicas(service)
        names = replicas if rng.random() < 0.3 else [rng.choice(replicas)]
        await self._ended(signal.SIGKILL, *names)
        yield f"SIGKILL {', '.join(names)}"

    @asynccontextmanager
    async def stop_service(self, rng: random.Random) -> AsyncIterator[str]:
        """Send SIGTERM to one replica: it drains, ends, and is restarted."""
        name = rng.choice(self.cluster.replicas())
        await self._ended(signal.SIGTERM, name)
        yield f"SIGTERM {name}"

    @asynccontextmanager
    async def roll(self, rng: random.Random) -> AsyncIterator[str]:
        """A rolling restart of one service, or of a cluster of servers: the next one stops once the last is ready."""
        rolled, topology = rng.choice([*SERVICES, *self.cluster.topology.replicated]), self.cluster.topology
        for name in topology.members(rolled) or self.cluster.replicas(rolled):
            await self._ended(signal.SIGTERM, name, within_s=SERVER_ENDED_S)
            await self._running(name)
        yield f"rolling restart of {rolled}"

    @asynccontextmanager
    async def freeze_service(self, rng: random.Random) -> AsyncIterator[str]:
        """Freeze a replica for longer than its session, then resume and probe it.

        A replica that can read the log at once catches up within milliseconds. Often it cannot, and resumes before its
        group has reassigned its partitions: then it has to detect that it is stale.
        """
        silent = rng.random() < SILENT
        name = rng.choice(self.cluster.replicas(*READERS) if silent else self.cluster.replicas())
        async with self._frozen(rng, name, SHORT_FREEZE_S if silent else LONG_FREEZE_S, silent=silent) as what:
            yield f"SIGSTOP {what}" + (", resumed while Kafka is unreachable" if silent else "")

    @asynccontextmanager
    async def freeze_relay(self, rng: random.Random) -> AsyncIterator[str]:
        """Freeze ingest at any moment, also between reading its outbox and publishing."""
        async with self._frozen(rng, rng.choice(self.cluster.replicas("ingest")), LONG_FREEZE_S) as name:
            yield f"SIGSTOP {name} (relay)"

    @asynccontextmanager
    async def kill_server(self, rng: random.Random) -> AsyncIterator[str]:
        """Send SIGKILL to mongod (of several the primary), a broker or the object store, or to most of a cluster."""
        topology = self.cluster.topology
        names = [await asyncio.to_thread(topology.victim, rng)]
        if topology.replicated and rng.random() < MOST:
            members = topology.members(rng.choice(topology.replicated))
            names = rng.sample(members, len(members) // 2 + 1)
        await self._ended(signal.SIGKILL, *names)
        yield f"SIGKILL {', '.join(names)}"

    @asynccontextmanager
    async def freeze_server(self, rng: random.Random) -> AsyncIterator[str]:
        """Freeze a server, as a swapping machine does."""
        victim = await asyncio.to_thread(self.cluster.topology.victim, rng)
        async with self._frozen(rng, victim, (1.0, 6.0)) as name:
            yield f"SIGSTOP {name}"

    @asynccontextmanager
    async def _frozen(
        self, rng: random.Random, name: str, how_long: tuple[float, float], *, silent: bool = False
    ) -> AsyncIterator[str]:
        await self.collect()
        pid = self.cluster.processes()[name].pid
        if pid is None:
            yield f"{name}, which was not running"
            return
        os.kill(pid, signal.SIGSTOP)
        self.provoke(rng)
        try:
            yield name
            await asyncio.sleep(rng.uniform(*how_long) - QUEUED_S)
            probing = asyncio.create_task(self.probe_revoked(name))
            if silent:
                self._kafka("hole")
            await asyncio.sleep(QUEUED_S)
            resume(pid)
            await probing
        finally:
            resume(pid)
            if silent:
                self._kafka("open")

    def _kafka(self, mode: Mode) -> None:
        for name in self.cluster.topology.members("kafka"):
            self.cluster.proxies[name].set_mode(mode)

    async def _ended(self, number: signal.Signals, *names: str, within_s: float = NOTICED_S) -> None:
        """Send a signal, and wait until the supervisor has noticed the end of these processes."""
        before = self.cluster.processes()
        for name in names:
            pid = before[name].pid
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

        def has_ended(name: str) -> bool:
            now = self.cluster.processes()[name]
            return now.pid != before[name].pid or now.state != "running"

        await came_true(lambda: all(has_ended(name) for name in names), within_s)

    async def _running(self, name: str) -> None:
        await came_true(lambda: self.cluster.processes()[name].state == "running", BACK_S)


def resume(pid: int) -> None:
    """Send SIGCONT to a process if it exists."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
