"""The servers of a run, each behind a proxy of its own: one of each, or three brokers and a replica set of three.

Services reach them only through the proxies, and so do the members of the replica set each other. A broker has a second
proxy, through which other brokers replicate from it.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from stories_embedded.kafka import Kafka
from stories_embedded.mongodb import Mongod
from stories_embedded.ports import free_port
from stories_embedded.s3 import S3Keys, SeaweedFS
from stories_embedded.server import Server
from stories_shared.testing.authority import Authority
from stories_shared.testing.kafka_admin import administer

from tests.journeys.stack import SERVERS
from tests.secured import (
    PASSWORDS,
    RESOURCES,
    allow,
    make_kafka_users,
    make_mongo_users,
    mongo_url,
    secured_mongod,
    tls_settings,
)
from tools.codegen.strimzi import Grant

from .proxy import Proxy

REPLICAS = 3
LAG_MS = 3_000
"""After so long without its fetches a replica is not in sync any more."""


@dataclass
class ProxiedKafka(Kafka):
    """A broker that advertises a proxy to clients, another one to brokers, and itself on the direct port."""

    proxy_port: int = 0
    direct_port: int = 0
    internal_port: int = 0
    internal_proxy_port: int = 0

    def secure(self, certificate: Path) -> None:
        """Ask clients for SCRAM over TLS, and for what ACLs allow; the direct port asks for nothing."""
        self.admin_port, self.certificate, self.acls = self.direct_port, certificate, True

    def prepare(self) -> None:
        super().prepare()
        clients, protocol = ("SASL", "SASL_SSL") if self.admin_port else ("PLAINTEXT", "PLAINTEXT")
        listening = {clients: self.port, "ADMIN": self.direct_port, "INTERNAL": self.internal_port}
        advertised = listening | {clients: self.proxy_port, "INTERNAL": self.internal_proxy_port}
        changed = {
            "listeners": addresses(listening | {"CONTROLLER": self.controller_port}),
            "advertised.listeners": addresses(advertised),
            "listener.security.protocol.map": (
                f"{clients}:{protocol},ADMIN:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "inter.broker.listener.name": "INTERNAL",
            "replica.lag.time.max.ms": str(LAG_MS),
        }
        lines = [line for line in self._properties.read_text().splitlines() if line.partition("=")[0] not in changed]
        self._properties.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in changed.items()), ""]))


def addresses(listeners: Mapping[str, int]) -> str:
    """Listeners as Kafka's settings have them."""
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())


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
    replication: list[Proxy] = field(default_factory=list)
    """Of each broker the proxy through which the others reach it."""
    settings: dict[str, str] = field(default_factory=dict)
    direct: dict[str, str] = field(default_factory=dict)
    """Addresses of the servers themselves: `kafka`, `mongod`, `s3`."""
    authority: Authority | None = None
    """With it, Kafka and MongoDB serve only users, and only over TLS."""

    @classmethod
    def make(
        cls, folder: Path, keys: S3Keys, rng: random.Random, *, replicated: bool, secured: bool = False
    ) -> "Topology":
        """Servers on free ports; nothing is started yet."""
        taken: set[int] = set()
        suffixes = [f"-{number}" for number in range(1, REPLICAS + 1)] if replicated else [""]
        ports, proxies, controllers = ([free_port(taken) for _ in suffixes] for _ in range(3))
        made = cls(authority=Authority(folder, "authority") if secured else None)
        users = secured_mongod(folder, made.authority) if made.authority else None
        members = ports if replicated else ()
        mongods = [
            ProxiedMongod(folder / f"mongod{suffix}", port, members, proxy_ports=proxies, secured=users)
            for suffix, port in zip(suffixes, ports, strict=True)
        ]
        brokers = [
            ProxiedKafka(
                folder / f"kafka{suffix}", free_port(taken), controller, *(free_port(taken) for _ in range(4)),
                controllers=controllers,
            )
            for suffix, controller in zip(suffixes, controllers, strict=True)
        ]  # fmt: skip
        store = SeaweedFS(folder / "s3", *(free_port(taken) for _ in range(4)), keys)
        for mongod, proxy in zip(mongods, proxies, strict=True):
            made._add(mongod, mongod.port, proxy, rng)
        for broker in brokers:
            made._add(broker, broker.port, broker.proxy_port, rng)
            made.replication.append(Proxy(broker.name, broker.internal_port, broker.internal_proxy_port, rng))
        made._add(store, store.port, free_port(taken), rng)
        set_of_three, alone = mongods[0].url, f"directConnection=true{'&tls=true' if secured else ''}"
        made.direct = {
            # The members of a replica set know each other, and so everybody, by their proxies alone.
            "mongod": set_of_three if replicated else f"mongodb://127.0.0.1:{ports[0]}/?{alone}",
            "kafka": ",".join(f"127.0.0.1:{broker.direct_port}" for broker in brokers),
            "s3": f"127.0.0.1:{store.port}",
        }
        made.settings = {
            "MONGO_URL": set_of_three if replicated else f"mongodb://127.0.0.1:{proxies[0]}/?{alone}",
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(f"127.0.0.1:{broker.proxy_port}" for broker in brokers),
            "TOPIC_REPLICATION": str(len(brokers)),
            "S3_ENDPOINT": f"127.0.0.1:{made.proxies['s3'].port}",
            "S3_PUBLIC_ENDPOINT": made.direct["s3"],
            "S3_ACCESS_KEY": keys.access,
            "S3_SECRET_KEY": keys.secret,
            "S3_SECURE": "false",
        }
        if made.authority:
            for broker in brokers:
                broker.secure(made.authority.server_pem)
            made.settings |= made._user(made.authority.pem)
            made.direct["mongod"] = mongo_url(made.direct["mongod"], "root", made.authority.pem)
        return made

    @staticmethod
    def _user(authority: Path) -> dict[str, str]:
        """The user of all services, who makes topics too: `stories up` gives all of them the same settings."""
        password = PASSWORDS["operator"]
        kafka = {"KAFKA_SASL_USERNAME": "operator", "KAFKA_SASL_PASSWORD": password}
        mongo = {"MONGO_USERNAME": "operator", "MONGO_PASSWORD": password, "CA_BUNDLE": str(authority)}
        return tls_settings(authority) | kafka | mongo

    async def make_users(self) -> None:
        """Make the users of servers that ask for them, once these are ready."""
        if not self.authority:
            return
        await asyncio.to_thread(make_mongo_users, self.settings["MONGO_URL"], self.authority.pem)
        await asyncio.to_thread(make_kafka_users, self.direct["kafka"])

        async def everything(admin: AIOKafkaAdminClient) -> None:
            for kind in RESOURCES:
                await allow(admin, "operator", Grant(kind, "*", ("All",)))

        await administer(self.direct["kafka"], everything)

    def _add(self, server: "Mongod | Kafka | SeaweedFS", port: int, proxy: int, rng: random.Random) -> None:
        server.name = server.data.name
        self.servers[server.name] = server
        self.proxies[server.name] = Proxy(server.name, port, proxy, rng)

    def members(self, kind: str) -> list[str]:
        """The names of the servers of a kind."""
        return [name for name in self.servers if name.partition("-")[0] == kind]

    @property
    def replicated(self) -> list[str]:
        """The kinds of servers of which there are several."""
        return [kind for kind in SERVERS if len(self.members(kind)) > 1]

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
            address += f"&tls=true&tlsCAFile={self.authority.pem}" if self.authority else ""
            try:
                with MongoClient[dict[str, object]](
                    address, serverSelectionTimeoutMS=500, socketTimeoutMS=500
                ) as asked:
                    if asked.admin.command("hello").get("isWritablePrimary"):
                        return name
            except PyMongoError:
                continue
        return None
