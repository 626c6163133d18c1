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
from stories_embedded.kafka import Kafka
from stories_embedded.keys import StackKeys
from stories_embedded.managed_process import ManagedProcess
from stories_embedded.mongodb import Mongod
from stories_embedded.paths import CHECKOUT
from stories_embedded.ports import free_port
from stories_embedded.s3 import SeaweedFS
from stories_embedded.server import Server
from stories_shared.events.cloudevents import SERVICES

from tests.journeys.stack import TWO_OF_EACH, Stack

from .proxy import Proxy

LIFETIMES = ("24h", "25s", "50s")
RETENTION_S = 90.0
"""Longer than any fault, so that no unread record is deleted."""
TEST_LIMITS = {
    f"LIMIT_{name}": "1000000" for name in ("CREATE", "COMMENTS", "REACTIONS", "SHARES", "READS", "EDGES", "VIEWS")
} | {"MAX_DRAFTS": "1000", "MAX_POSTED_24H": "10000", "TOPIC_RETENTION_MAX": f"{RETENTION_S:.0f}s"}
TEST_LIMITS |= {"WEBHOOKS_ALLOW_PRIVATE": "true", "ARCHIVE": "on"}
BACK_S = 90.0


@dataclass
class ProxiedKafka(Kafka):
    """A broker that advertises a proxy to clients, and itself on the direct port."""

    proxy_port: int = 0
    direct_port: int = 0

    def prepare(self) -> None:
        super().prepare()
        own, controller = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.controller_port}"
        text = self._properties.read_text().replace(
            f"listeners=PLAINTEXT://{own},CONTROLLER://{controller}",
            f"listeners=PLAINTEXT://{own},DIRECT://127.0.0.1:{self.direct_port},CONTROLLER://{controller}\n"
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.proxy_port},DIRECT://127.0.0.1:{self.direct_port}\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            "inter.broker.listener.name=DIRECT",
        )
        self._properties.write_text(text)


@dataclass
class Cluster:
    """The system under test: servers, proxies and the stack."""

    rng: random.Random
    folder: Path
    stack: Stack
    servers: dict[str, ManagedProcess] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    direct: dict[str, str] = field(default_factory=dict)
    """Addresses of the servers themselves: `kafka`, `mongod`, `s3`."""

    @classmethod
    def make(cls, rng: random.Random) -> "Cluster":
        """A cluster on an empty folder under the checkout; nothing is started yet."""
        root = CHECKOUT / ".stories-test"
        root.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=root))
        stack = Stack(folder / "stack", short=",".join(LIFETIMES[1:]), replicas=TWO_OF_EACH)
        return cls(rng, folder, stack)

    async def start(self) -> None:
        """Start proxies, servers and services, in this order."""
        keys = StackKeys(self.folder / "keys")
        keys.make()
        taken: set[int] = set()
        ports = [free_port(taken) for _ in range(12)]
        mongod = Mongod(self.folder / "mongod", ports[0])
        kafka = ProxiedKafka(self.folder / "kafka", ports[1], ports[2], ports[3], ports[4])
        s3 = SeaweedFS(self.folder / "s3", ports[5], ports[6], ports[7], ports[8], keys.s3())
        for name, upstream, port in (
            ("mongod", mongod.port, ports[9]),
            ("kafka", kafka.port, kafka.proxy_port),
            ("s3", s3.port, ports[10]),
        ):
            self.proxies[name] = Proxy(name, upstream, port, self.rng)
            await self.proxies[name].start()
        await self._start_servers(mongod, kafka, s3)
        self.direct = {
            "mongod": f"mongodb://127.0.0.1:{mongod.port}/?directConnection=true",
            "kafka": f"127.0.0.1:{kafka.direct_port}",
            "s3": f"127.0.0.1:{s3.port}",
        }
        self.stack.settings = TEST_LIMITS | {
            "MONGO_URL": f"mongodb://127.0.0.1:{ports[9]}/?directConnection=true",
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka.proxy_port}",
            "S3_ENDPOINT": f"127.0.0.1:{ports[10]}",
            "S3_PUBLIC_ENDPOINT": self.direct["s3"],
            "S3_ACCESS_KEY": keys.s3().access,
            "S3_SECRET_KEY": keys.s3().secret,
            "S3_SECURE": "false",
        }
        self.stack.folder.mkdir()
        await asyncio.to_thread(self.stack.start)
        self.settings = await self.stack.env() | {
            "MONGO_URL": self.direct["mongod"],
            "KAFKA_BOOTSTRAP_SERVERS": self.direct["kafka"],
            "S3_ENDPOINT": self.direct["s3"],
        }

    async def stop(self, *, keep: Path | None) -> None:
        """Stop everything; copy the logs to `keep` if given."""
        for proxy in self.proxies.values():
            proxy.set_mode("open")
        await asyncio.to_thread(self.stack.stop)
        await asyncio.gather(*(process.stop() for process in self.servers.values()))
        for proxy in self.proxies.values():
            await proxy.stop()
        if keep is not None:
            for logs in (self.folder / "logs", self.stack.folder / "logs"):
                if logs.is_dir():
                    shutil.copytree(logs, keep / "logs", dirs_exist_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _start_servers(self, *servers: Server) -> None:
        for server in servers:
            log = self.folder / "logs" / f"{server.name}.log"
            self.servers[server.name] = ManagedProcess(server, log, os.environ, lambda: None)
            self.servers[server.name].start()
        await asyncio.gather(*(process.wait_ready() for process in self.servers.values()))

    def processes(self) -> dict[str, ProcessState]:
        """Every process by name, servers and services."""
        services = {each.name: each for each in DataDir(self.stack.folder).processes()}
        return services | {name: process.state for name, process in self.servers.items()}

    def replicas(self, *services: str) -> list[str]:
        """Names of the replicas of these services, by default of all: `feed`, `feed-2`, …"""
        selected: Sequence[str] = services or SERVICES
        return [name for name in self.processes() if name.partition("-")[0] in selected]
