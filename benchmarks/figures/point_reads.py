"""Point reads of MongoDB by the loader, beside the bare wire protocol."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import bson
from pymongo.uri_parser import parse_uri
from stories_embedded.testing import IsolatedNamespace
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.data_loader import DataLoader

from ..bench import Bench
from ..processes import Process
from ..registry import figure
from ..results import Cost, Result, Sample, compare

DOCUMENTS = 10_000
TASKS = 64
OP_MSG = 2013


class Wire:
    """One connection of the wire protocol, one request at a time."""

    def __init__(self, url: str, database: str) -> None:
        (address, *_) = parse_uri(url)["nodelist"]
        self.connection = socket.create_connection(address)
        self.database = database

    def find_one(self, collection: str, document_id: str) -> bytes:
        """The response to a `find` of one id."""
        command = {"find": collection, "filter": {"_id": document_id}, "limit": 1, "singleBatch": True}
        body = bytes(5) + bson.encode(command | {"$db": self.database})
        self.connection.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, OP_MSG) + body)
        (length,) = struct.unpack("<i", self.read(4))
        return self.read(length - 4)

    def read(self, length: int) -> bytes:
        """So many bytes."""
        found = b""
        while len(found) < length:
            found += self.connection.recv(length - len(found))
        return found


@figure("point-reads")
async def point_reads(bench: Bench) -> Sequence[Result]:
    """Documents by id for 64 tasks at once, beside one connection of the wire protocol."""
    namespace = IsolatedNamespace(bench.servers)
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"])
    wire = Wire(namespace["MONGO_URL"], namespace["MONGO_DATABASE"])
    mongod = Process(bench.servers.process(bench.servers.mongod))
    ids = [new_id() for _ in range(DOCUMENTS)]
    await mongo["points"].insert_many([{"_id": each, "at": n, "name": "x" * 100} for n, each in enumerate(ids)])
    loader = DataLoader(mongo["points"])

    async def loaded() -> Sample:
        cost, until = Cost(time.process_time, mongod.cpu_s), time.perf_counter() + bench.plan.seconds
        return cost.sample(sum(await asyncio.gather(*(one_task(until, number) for number in range(TASKS)))))

    async def one_task(until: float, number: int) -> int:
        reads = 0
        while time.perf_counter() < until:
            found: Any = await loader.get(ids[(number * 157 + reads * 31) % DOCUMENTS])
            assert found is not None
            reads += 1
        return reads

    async def raw() -> Sample:
        cost, until = Cost(time.process_time, mongod.cpu_s), time.perf_counter() + bench.plan.seconds
        return cost.sample(repeated(until, lambda n: wire.find_one("points", ids[n * 31 % DOCUMENTS])))

    try:
        compared = await compare(
            "point-reads",
            "documents/s",
            loaded,
            bench.plan,
            peer="the wire protocol, one connection, one at a time",
            limit=raw,
            at_least=4.0,
        )
    finally:
        wire.connection.close()
        await mongo.close()
    return [compared]


def repeated(until: float, read: Callable[[int], bytes]) -> int:
    """Read until a time; how often."""
    reads = 0
    while time.perf_counter() < until:
        assert b"name" in read(reads)
        reads += 1
    return reads
