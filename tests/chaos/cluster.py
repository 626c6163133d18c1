"""Servers behind TCP proxies, and the embedded stack with two replicas of every service.

Each server is a `ManagedProcess`, as in `stories up`. The services reach the servers only through the proxies; checks
connect directly. Topics keep records for seconds, so that retention can be checked.
"""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stories_embedded.data_dir import DataDir, ProcessState
from stories_embedded.keys import StackKeys
from stories_embedded.managed_process import ManagedProcess
from stories_embedded.paths import CHECKOUT
from stories_shared.events.cloudevents import SERVICES

from tests.journeys.stack import TWO_OF_EACH, Stack

from .proxy import Proxy
from .topology import Topology

LIFETIMES = ("24h", "25s", "50s")
RETENTION_S = 90.0
"""Longer than any fault, so that no unread record is deleted."""
TEST_LIMITS = {
    f"LIMIT_{name}": "1000000" for name in ("CREATE", "COMMENTS", "REACTIONS", "SHARES", "READS", "EDGES", "VIEWS")
} | {"MAX_DRAFTS": "1000", "MAX_POSTED_24H": "10000", "TOPIC_RETENTION_MAX": f"{RETENTION_S:.0f}s"}
TEST_LIMITS |= {"WEBHOOKS_ALLOW_PRIVATE": "true", "ARCHIVE": "on"}
BACK_S = 90.0


@dataclass
class Cluster:
    """The system under test: servers, proxies and the stack."""

    rng: random.Random
    folder: Path
    stack: Stack
    topology: Topology
    servers: dict[str, ManagedProcess] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, rng: random.Random, *, replicated: bool, secured: bool = False) -> "Cluster":
        """A cluster on an empty folder under the checkout; nothing is started yet."""
        root = CHECKOUT / ".stories-test"
        root.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=root))
        stack = Stack(folder / "stack", short=",".join(LIFETIMES[1:]), replicas=TWO_OF_EACH)
        keys = StackKeys(folder / "keys")
        keys.make()
        topology = Topology.make(folder, keys.s3(), rng, replicated=replicated, secured=secured)
        return cls(rng, folder, stack, topology)

    @property
    def proxies(self) -> dict[str, Proxy]:
        """The proxy of each server."""
        return self.topology.proxies

    @property
    def _all_proxies(self) -> list[Proxy]:
        return [*self.proxies.values(), *self.topology.replication]

    @property
    def direct(self) -> dict[str, str]:
        """Addresses of the servers themselves: `kafka`, `mongod`, `s3`."""
        return self.topology.direct

    async def start(self) -> None:
        """Start proxies, servers and services, in this order."""
        for proxy in self._all_proxies:
            await proxy.start()
        await self._start_servers()
        await self.topology.make_users()
        self.stack.settings = TEST_LIMITS | self.topology.settings
        self.stack.folder.mkdir()
        await asyncio.to_thread(self.stack.start)
        self.settings = await self.stack.env() | {
            "MONGO_URL": self.direct["mongod"],
            "KAFKA_BOOTSTRAP_SERVERS": self.direct["kafka"],
            "S3_ENDPOINT": self.direct["s3"],
        }

    async def stop(self, *, keep: Path | None) -> None:
        """Stop everything; copy the logs to `keep` if given."""
        for proxy in self._all_proxies:
            proxy.set_mode("open")
        await asyncio.to_thread(self.stack.stop)
        await asyncio.gather(*(process.stop() for process in self.servers.values()))
        for proxy in self._all_proxies:
            await proxy.stop()
        if keep is not None:
            for logs in (self.folder / "logs", self.stack.folder / "logs"):
                if logs.is_dir():
                    shutil.copytree(logs, keep / "logs", dirs_exist_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _start_servers(self) -> None:
        for name, server in self.topology.servers.items():
            log = self.folder / "logs" / f"{name}.log"
            self.servers[name] = ManagedProcess(server, log, os.environ, lambda: None)
            self.servers[name].start()
        await asyncio.gather(*(process.wait_ready() for process in self.servers.values()))

    def processes(self) -> dict[str, ProcessState]:
        """Every process by name, servers and services."""
        services = {each.name: each for each in DataDir(self.stack.folder).processes()}
        return services | {name: process.state for name, process in self.servers.items()}

    def replicas(self, *services: str) -> list[str]:
        """Names of the replicas of these services, by default of all: `feed`, `feed-2`, …"""
        selected: Sequence[str] = services or SERVICES
        return [name for name in self.processes() if name.partition("-")[0] in selected]
