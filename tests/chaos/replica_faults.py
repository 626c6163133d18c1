"""Replica faults: an additional replica joins and leaves, and one has a clock that is an hour off."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from stories_embedded.data_dir import DataDir
from stories_embedded.ports import free_port
from stories_embedded.processes import kill_group, spawn, wait_exit
from stories_shared.events.cloudevents import SERVICES

from .cluster import Cluster
from .invariant_monitor import InvariantMonitor, Wrong
from .timing import came_true

STAYS_S = (4.0, 12.0)
READY_S, DRAINED_S, SEEN_S = 60.0, 12.0, 60.0
POLL_S = 0.3
FAKETIME = "lib*/**/faketime/libfaketimeMT.so.1"


def libfaketime() -> str | None:
    """The path of libfaketime for threaded programs (Debian package `faketime`); None if it is missing."""
    return next((str(path) for path in Path("/usr").glob(FAKETIME)), None)


@dataclass
class ReplicaFaults:
    """Starts replicas beside those of the supervisor."""

    cluster: Cluster
    monitor: InvariantMonitor
    wrong: Wrong
    number: int = field(default=0)

    @asynccontextmanager
    async def join(self, rng: random.Random) -> AsyncIterator[str]:
        """A third replica joins every group of its service, serves reads, and stops or is killed."""
        service = rng.choice(SERVICES)
        async with self._replica(service, {}) as (process, url, name):
            if not await self._responds(url, 200, READY_S):
                self.wrong("a new replica becomes ready", replica=name)
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as endpoint:
                self.monitor.endpoints[name] = endpoint
                yield f"{name} joins"
                await asyncio.sleep(rng.uniform(*STAYS_S))
                del self.monitor.endpoints[name]
            if rng.random() < 0.5:
                return
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(DRAINED_S):
                    await wait_exit(process)
            except TimeoutError:
                self.wrong("a service stops within 10 s", replica=name)

    @asynccontextmanager
    async def clock(self, rng: random.Random) -> AsyncIterator[str]:
        """A replica an hour ahead or behind: it reports clock skew, is not ready, and serves nothing."""
        library = libfaketime()
        assert library is not None, "this kind is left out without the library"
        service, shift = rng.choice(SERVICES), rng.choice(("+1h", "-1h"))
        faked = {"LD_PRELOAD": library, "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        async with self._replica(service, {**faked, "DONT_FAKE_MONOTONIC": "1"}) as (_, url, name):
            yield f"{name} joins, {shift} off"
            if not await self._responds(url, 503, SEEN_S, word="clock"):
                self.wrong("clock skew is reported", replica=name, shift=shift)
            user = self.monitor.client.person(self.monitor.model.users[0])
            async with httpx.AsyncClient(base_url=url, timeout=5, trust_env=False) as endpoint:
                until = time.time() + rng.uniform(*STAYS_S)
                while time.time() < until:
                    answer = await self.monitor.client.once(user.id, "GET", "/v1/config", endpoint)
                    if answer.good:
                        self.wrong("a replica with clock skew is not ready", replica=name, shift=shift)
                        break
                    await asyncio.sleep(POLL_S)

    @asynccontextmanager
    async def _replica(
        self, service: str, more: Mapping[str, str]
    ) -> AsyncIterator[tuple[subprocess.Popen[bytes], str, str]]:
        self.number += 1
        name = f"{service}-extra-{self.number}"
        port = free_port(set())
        stack = DataDir(self.cluster.stack.folder).running()
        assert stack is not None
        env = {**os.environ, **stack.services[service], **more, "PORT": str(port)}
        process = spawn([sys.executable, "-m", f"stories_{service}"], self.cluster.stack.log(name), env)
        try:
            yield process, f"http://127.0.0.1:{port}", name
        finally:
            kill_group(process)

    @staticmethod
    async def _responds(url: str, status: int, within_s: float, word: str = "") -> bool:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as http:

            async def responds() -> bool:
                try:
                    answer = await http.get(f"{url}/readyz")
                except httpx.HTTPError:
                    return False
                return answer.status_code == status and word in answer.text

            return await came_true(responds, within_s)
