"""The servers of a run, each behind a proxy of its own: one of each, or three brokers and a replica set of three.

Services reach them only through the proxies, and so do the members of the replica set each other. Brokers replicate
directly.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from stories_embedded.kafka import Kafka
from stories_embedded.mongodb import Mongod
from stories_embedded.ports import free_port
from stories_embedded.s3 import S3Keys, SeaweedFS
from stories_embedded.server import Server

from tests.journeys.stack import SERVERS

from .proxy import Proxy

REPLICAS = 3


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
class ProxiedMongod(Mongod):
    """A member of a replica set whose members have the addresses of their proxies."""

    proxy_ports: Sequence[int] = ()

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self.proxy_ports] if self.members else super().hosts


@dataclass
class Topology:
    """The servers and their proxies by name: `mongod`, `kafka` and `s3`, of several `mongod-1`, `kafka-1`, …"""

    servers: dict[str, Server] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    direct: dict[str, str] = field(default_factory=dict)
    """Addresses of the servers themselves: `kafka`, `mongod`, `s3`."""

    @classmethod
    def make(cls, folder: Path, keys: S3Keys, rng: random.Random, *, replicated: bool) -> "Topology":
        """Servers on free ports; nothing is started yet."""
        taken: set[int] = set()
        suffixes = [f"-{number}" for number in range(1, REPLICAS + 1)] if replicated else [""]
        ports, proxies, controllers = ([free_port(taken) for _ in suffixes] for _ in range(3))
        made = cls()
        mongods = [
            ProxiedMongod(folder / f"mongod{suffix}", port, ports if replicated else (), proxy_ports=proxies)
            for suffix, port in zip(suffixes, ports, strict=True)
        ]
        brokers = [
            ProxiedKafka(
                folder / f"kafka{suffix}", free_port(taken), controller, free_port(taken), free_port(taken),
                controllers=controllers,
            )
            for suffix, controller in zip(suffixes, controllers, strict=True)
        ]  # fmt: skip
        store = SeaweedFS(folder / "s3", *(free_port(taken) for _ in range(4)), keys)
        for mongod, proxy in zip(mongods, proxies, strict=True):
            made._add(mongod, mongod.port, proxy, rng)
        for broker in brokers:
            made._add(broker, broker.port, broker.proxy_port, rng)
        made._add(store, store.port, free_port(taken), rng)
        set_of_three = mongods[0].url
        made.direct = {
            # The members of a replica set know each other, and so everybody, by their proxies alone.
            "mongod": set_of_three if replicated else f"mongodb://127.0.0.1:{ports[0]}/?directConnection=true",
            "kafka": ",".join(f"127.0.0.1:{broker.direct_port}" for broker in brokers),
            "s3": f"127.0.0.1:{store.port}",
        }
        made.settings = {
            "MONGO_URL": set_of_three if replicated else f"mongodb://127.0.0.1:{proxies[0]}/?directConnection=true",
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(f"127.0.0.1:{broker.proxy_port}" for broker in brokers),
            "TOPIC_REPLICATION": str(len(brokers)),
            "S3_ENDPOINT": f"127.0.0.1:{made.proxies['s3'].port}",
            "S3_PUBLIC_ENDPOINT": made.direct["s3"],
            "S3_ACCESS_KEY": keys.access,
            "S3_SECRET_KEY": keys.secret,
            "S3_SECURE": "false",
        }
        return made

    def _add(self, server: "Mongod | Kafka | SeaweedFS", port: int, proxy: int, rng: random.Random) -> None:
        server.name = server.data.name
        self.servers[server.name] = server
        self.proxies[server.name] = Proxy(server.name, port, proxy, rng)

    def members(self, kind: str) -> list[str]:
        """The names of the servers of a kind."""
        return [name for name in self.servers if name.partition("-")[0] == kind]

    def victim(self, rng: random.Random) -> str:
        """A server whose loss is felt: MongoDB's primary, any broker (each leads partitions), or the object store."""
        kind = rng.choice(SERVERS)
        members = self.members(kind)
        if len(members) == 1:
            return members[0]
        return (self.primary() if kind == "mongod" else None) or rng.choice(members)

    def primary(self) -> str | None:
        """The mongod that takes writes; None while there is none. Blocks."""
        for name in self.members("mongod"):
            address = f"mongodb://127.0.0.1:{self.proxies[name].upstream}/?directConnection=true"
            try:
                with MongoClient[dict[str, object]](
                    address, serverSelectionTimeoutMS=500, socketTimeoutMS=500
                ) as asked:
                    if asked.admin.command("hello").get("isWritablePrimary"):
                        return name
            except PyMongoError:
                continue
        return None
