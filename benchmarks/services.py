"""Services that a figure starts for itself, on a namespace of its own, and what fills Kafka and MongoDB."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from itertools import islice
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import WriteConcern
from stories_embedded.services import settings_class
from stories_embedded.testing import IsolatedNamespace
from stories_shared.events import Event
from stories_shared.events.ids import new_id
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.partitioner import choose_partition
from stories_shared.kafka.publisher import ProducerRecord, Publisher
from stories_shared.mongo.client import Collection as MongoCollection
from stories_shared.mongo.client import Document, Mongo
from stories_shared.runtime.settings import Settings, load

from .bench import Bench
from .processes import Process

Send = Callable[[], Awaitable[None]]
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
        await self.process.ready(within_s=seconds)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.popen.kill()
        self.process.popen.wait()


@asynccontextmanager
async def services(
    bench: Bench, *names: str, start: bool = True, **changes: str
) -> AsyncIterator[tuple[IsolatedNamespace, Mapping[str, Running]]]:
    """These services with a database each; with ``start=False`` only their resources are created."""
    namespace, running = IsolatedNamespace(bench.servers), dict[str, Running]()
    try:
        for name in names:
            settings = bench.settings(namespace, MONGO_DATABASE=f"{namespace.name}-{name}", **changes)
            await init(name, settings)
            mongo = Mongo.connect(settings["MONGO_URL"], settings["MONGO_DATABASE"])
            running[name] = Running(bench, name, settings, mongo, Process.none())
        if start:
            await asyncio.gather(*(service.start() for service in running.values()))
        yield namespace, running
    finally:
        for service in running.values():
            await service.mongo.close()
            service.process.stop()
        await namespace.remove()


def settings_of(service: str, settings: Mapping[str, str]) -> Settings:
    """The service's own settings."""
    return load(settings_class(service), {name.lower(): value for name, value in settings.items()})


async def init(service: str, settings: Mapping[str, str]) -> None:
    """Create the service's own resources."""
    await import_module(f"stories_{service}.app").init(settings_of(service, settings))


def kafka_of(namespace: IsolatedNamespace) -> Kafka:
    """The cluster, with the topics of a namespace."""
    return Kafka.of(settings_of("expiry", namespace))


@asynccontextmanager
async def consuming(namespace: IsolatedNamespace, event: type[Event]) -> AsyncIterator[list[tuple[float, Any]]]:
    """What arrives on a topic inside the block: when, as seconds since 1970, and the event as JSON."""
    arrived: list[tuple[float, Any]] = []
    bootstrap = namespace["KAFKA_BOOTSTRAP_SERVERS"]
    consumer = AIOKafkaConsumer(
        namespace.prefix + event.topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100
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
async def publishing(namespace: IsolatedNamespace, source: str) -> AsyncIterator[Publisher]:
    """A publisher with this source."""
    publisher = Publisher(kafka_of(namespace), source)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


@asynccontextmanager
async def ready_to_send(kafka: Kafka, records: Sequence[ProducerRecord]) -> AsyncIterator[Send]:
    """What sends the records and waits until all are acknowledged; their batches are built before the block begins."""
    producer = AIOKafkaProducer(**kafka.arguments, acks="all", max_batch_size=2**20, max_request_size=2**22)
    await producer.start()

    async def send() -> None:
        sending = [await producer.send_batch(batch, topic, partition=number) for batch, topic, number in batches]
        await asyncio.gather(*sending)

    try:
        batches = await ready_batches(producer, records)
        yield send
    finally:
        await producer.stop()


async def ready_batches(
    producer: AIOKafkaProducer, records: Sequence[ProducerRecord], size: int = 1_000
) -> list[tuple[Any, str, int]]:
    """The records as Kafka batches by partition, built before the clock starts."""
    batches: list[tuple[Any, str, int]] = []
    open_batches: dict[int, Any] = {}
    for record in records:
        partitions = sorted(await producer.partitions_for(record.topic))
        partition = choose_partition(record.key, partitions, partitions)
        fields = {"key": record.key, "value": record.value, "timestamp": None, "headers": list(record.headers)}
        if (batch := open_batches.get(partition)) is None:
            batch = open_batches[partition] = producer.create_batch()
        if batch.record_count() >= size or batch.append(**fields) is None:
            batches.append((batch, record.topic, partition))
            open_batches[partition] = producer.create_batch()
            if open_batches[partition].append(**fields) is None:
                raise ValueError(f"a record of {len(record.value or b'')} bytes is larger than a batch")
    topic = records[0].topic
    return batches + [(batch, topic, partition) for partition, batch in open_batches.items()]


async def total(mongo: Mongo, collection: str, ids: Collection[str], field: str) -> int:
    """The sum of a field over these documents."""
    wanted: list[dict[str, Any]] = [
        {"$match": {"_id": {"$in": list(ids)}}},
        {"$group": {"_id": None, "sum": {"$sum": f"${field}"}}},
    ]
    found = await mongo.aggregate(mongo[collection], wanted)
    return int(found[0]["sum"]) if found else 0


def follow_list(user: str, following: Sequence[str]) -> Document:
    """The feed's list of whom a user follows."""
    return {"_id": user, "following": list(following), "n": 1, "size": len(following), "list_id": new_id()}


def follow_edge(user: str, target: str, at: datetime, **fields: Any) -> Document:
    """The feed's edge of a follow."""
    edge = {"_id": f"follow/{user}/{target}", "kind": "follow", "user": user, "target": target}
    return {**edge, "requested": True, "on": True, "at": at, **fields}


async def insert(collection: MongoCollection, documents: Iterable[Document]) -> None:
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
