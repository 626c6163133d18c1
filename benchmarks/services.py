"""Services that a figure starts for itself, on a realm that is removed after it, and what fills their databases."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from pymongo import WriteConcern
from stories_embedded.testing import Realm
from stories_shared.events import Event
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Collection, Document, Mongo
from stories_shared.runtime.settings import Settings, load
from stories_shared.testing import eventually

from .bench import Bench
from .processes import Process, get

ROWS = 2_000
WRITERS = 2


@dataclass
class Running:
    """A service, its settings and its database; `process` is there once it was started."""

    bench: Bench
    name: str
    settings: dict[str, str]
    mongo: Mongo
    process: Process

    @property
    def mongod(self) -> Process:
        """The database's process."""
        return Process(self.bench.servers.process(self.bench.servers.mongod))

    async def start(self, seconds: float = 300) -> None:
        """Start it, again after `kill`, and wait until it is ready."""
        self.process = self.bench.service(self.name, self.settings)
        await eventually(lambda: get(f"{self.process.url}/readyz") is not None, seconds)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.popen.kill()
        self.process.popen.wait()


@asynccontextmanager
async def services(
    bench: Bench, *names: str, start: bool = True, **changes: str
) -> AsyncIterator[tuple[Realm, Mapping[str, Running]]]:
    """These services with a database each; with ``start=False`` only their resources are created."""
    realm, running = Realm(bench.servers), dict[str, Running]()
    try:
        for name in names:
            settings = bench.settings(realm, MONGO_DATABASE=f"{realm.name}-{name}", **changes)
            await init(name, settings)
            mongo = Mongo.connect(settings["MONGO_URL"], settings["MONGO_DATABASE"])
            running[name] = Running(bench, name, settings, mongo, Process.none())
        if start:
            await asyncio.gather(*(service.start() for service in running.values()))
        yield realm, running
    finally:
        for service in running.values():
            await service.mongo.close()
            service.process.stop()
        await realm.remove()


def settings_of(service: str, settings: Mapping[str, str]) -> Settings:
    """The service's own settings."""
    module = import_module(f"stories_{service}.settings")
    kind: type[Settings] = next(
        found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Settings) and found.__module__ == module.__name__
    )
    return load(kind, {name.lower(): value for name, value in settings.items()})


async def init(service: str, settings: Mapping[str, str]) -> None:
    """Create the service's own resources."""
    await import_module(f"stories_{service}.app").init(settings_of(service, settings))


def kafka_of(realm: Realm) -> Kafka:
    """The cluster, with the topics of a realm."""
    return Kafka.of(settings_of("expiry", realm))


@asynccontextmanager
async def consuming(realm: Realm, event: type[Event]) -> AsyncIterator[list[tuple[float, Any]]]:
    """What arrives on a topic inside the block: when, as seconds since 1970, and the event as JSON."""
    arrived: list[tuple[float, Any]] = []
    bootstrap = realm["KAFKA_BOOTSTRAP_SERVERS"]
    consumer = AIOKafkaConsumer(
        realm.prefix + event.topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100
    )
    await consumer.start()

    async def read() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                now = time.time()
                arrived.extend((now, msgspec.json.decode(each.value)) for each in records if each.value)

    reading = asyncio.create_task(read())
    try:
        yield arrived
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await consumer.stop()


@asynccontextmanager
async def publishing(realm: Realm, source: str) -> AsyncIterator[Publisher]:
    """A publisher with this source."""
    publisher = Publisher(kafka_of(realm), source)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def insert(collection: Collection, documents: Iterable[Document]) -> None:
    """Insert many documents before a measurement, as fast as it goes."""
    unsafe, parts = collection.with_options(write_concern=WriteConcern(w=1, j=False)), in_parts(documents, ROWS)

    async def write() -> None:
        for part in parts:
            await unsafe.insert_many(part, ordered=False)

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    await collection.delete_one({"_id": "none"})  # waits until the majority has all of them


def in_parts(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    """Lists of so many documents."""
    left = iter(documents)
    while part := list(islice(left, size)):
        yield part
