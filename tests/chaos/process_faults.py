"""Faults of processes: killed, asked to stop, restarted one after the other, frozen and thawed."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stories_shared.events.cloudevents import SERVICES

from tests.journeys.stack import SERVERS

from .cluster import BACK_S, Cluster

FROZEN_S = (7.0, 10.0)
"""Longer than the session timeout of six seconds: the group goes on without its member."""
BRIEFLY_S = (4.2, 5.2)
"""Shorter, and long enough that what was taken from people when it began must not be shown any more."""
NOTICED_S = 12.0
"""A service may take ten seconds to stop; one that another fault has frozen stops when it goes on."""
AHEAD_S = 0.5
"""Questions wait at the door before the process goes on, so that they are the first that it reads."""
SILENT = 0.5
"""So often a replica thaws while the log says nothing to anybody."""
READERS = ("feed", "engagement")
"""Who answers from what the log has told."""
POLL_S = 0.1


@dataclass
class ProcessFaults:
    """What can be done to a process from outside.

    A replica that was frozen knows nothing of what happened since: `collect` gathers tickets before, `provoke` takes
    things back meanwhile, and `stare` looks closely at what the replica of this name says as soon as it goes on.
    """

    cluster: Cluster
    collect: Callable[[], Awaitable[None]]
    provoke: Callable[[random.Random], None]
    stare: Callable[[str], Awaitable[None]]

    @asynccontextmanager
    async def kill_service(self, rng: random.Random) -> AsyncIterator[str]:
        """SIGKILL for one replica, or for both of a service at once."""
        service = rng.choice(SERVICES)
        replicas = self.cluster.replicas(service)
        names = replicas if rng.random() < 0.3 else [rng.choice(replicas)]
        await self._ended(signal.SIGKILL, *names)
        yield f"SIGKILL {', '.join(names)}"

    @asynccontextmanager
    async def stop_service(self, rng: random.Random) -> AsyncIterator[str]:
        """SIGTERM for one replica: it drains, ends, and is started again."""
        name = rng.choice(self.cluster.replicas())
        await self._ended(signal.SIGTERM, name)
        yield f"SIGTERM {name}"

    @asynccontextmanager
    async def roll(self, rng: random.Random) -> AsyncIterator[str]:
        """A rolling restart of one service: the next replica stops once the one before is back."""
        service = rng.choice(SERVICES)
        for name in self.cluster.replicas(service):
            await self._ended(signal.SIGTERM, name)
            await self._running(name)
        yield f"rolling restart of {service}"

    @asynccontextmanager
    async def freeze_service(self, rng: random.Random) -> AsyncIterator[str]:
        """SIGSTOP for longer than a session, then SIGCONT; what it says then is looked at closely.

        A replica that may read the log at once knows within milliseconds what it missed. Often it may not, and goes on
        before its group has given its partitions to others: then it has to know that it knows nothing.
        """
        silent = rng.random() < SILENT
        name = rng.choice(self.cluster.replicas(*READERS) if silent else self.cluster.replicas())
        async with self._frozen(rng, name, BRIEFLY_S if silent else FROZEN_S, silent=silent) as what:
            yield f"SIGSTOP {what}" + (", thawed before a silent log" if silent else "")

    @asynccontextmanager
    async def freeze_relay(self, rng: random.Random) -> AsyncIterator[str]:
        """Ingest stops at any moment, so also between reading what there is to say and saying it."""
        async with self._frozen(rng, rng.choice(self.cluster.replicas("ingest")), FROZEN_S) as name:
            yield f"SIGSTOP {name} (relay)"

    @asynccontextmanager
    async def kill_server(self, rng: random.Random) -> AsyncIterator[str]:
        """SIGKILL for mongod, the broker or the object store."""
        name = rng.choice(SERVERS)
        await self._ended(signal.SIGKILL, name)
        yield f"SIGKILL {name}"

    @asynccontextmanager
    async def freeze_server(self, rng: random.Random) -> AsyncIterator[str]:
        """SIGSTOP for a server, as a machine that swaps does it to it."""
        async with self._frozen(rng, rng.choice(SERVERS), (1.0, 6.0)) as name:
            yield f"SIGSTOP {name}"

    @asynccontextmanager
    async def _frozen(
        self, rng: random.Random, name: str, how_long: tuple[float, float], *, silent: bool = False
    ) -> AsyncIterator[str]:
        await self.collect()
        pid = self.cluster.processes()[name].pid
        if pid is None:
            yield f"{name}, which was away"
            return
        os.kill(pid, signal.SIGSTOP)
        self.provoke(rng)
        try:
            yield name
            await asyncio.sleep(rng.uniform(*how_long) - AHEAD_S)
            staring = asyncio.create_task(self.stare(name))
            if silent:
                self.cluster.proxies["kafka"].become("hole")
            await asyncio.sleep(AHEAD_S)
            go_on(pid)
            await staring
        finally:
            go_on(pid)
            if silent:
                self.cluster.proxies["kafka"].become("open")

    async def _ended(self, number: signal.Signals, *names: str) -> None:
        """Send a signal, and wait until whoever keeps these processes has noticed that they are gone."""
        before = self.cluster.processes()
        for name in names:
            pid = before[name].pid
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

        def gone(name: str) -> bool:
            now = self.cluster.processes()[name]
            return now.pid != before[name].pid or now.state != "running"

        await self._until(lambda: all(gone(name) for name in names), NOTICED_S)

    async def _running(self, name: str) -> None:
        await self._until(lambda: self.cluster.processes()[name].state == "running", BACK_S)

    @staticmethod
    async def _until(so: Callable[[], bool], within_s: float) -> None:
        deadline = time.time() + within_s
        while not so() and time.time() < deadline:  # noqa: ASYNC110  (the process tells nobody)
            await asyncio.sleep(POLL_S)


def go_on(pid: int) -> None:
    """Thaw a process, if it is still there; one that is not frozen does not mind."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
