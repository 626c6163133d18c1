"""Three brokers and three mongods: elections, new leaders and lost replicas cost no acknowledged write, and little."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo import MongoClient
from stories_embedded.kafka import Kafka as Broker
from stories_embedded.mongodb import Mongod
from stories_embedded.ports import free_port
from stories_embedded.processes import stop
from stories_embedded.server import Server, start, wait_until_ready
from stories_embedded.testing import IsolatedNamespace, Servers
from stories_shared.clock import system_now
from stories_shared.errors import Unavailable
from stories_shared.events import StoryViewed
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Mongo
from stories_shared.testing import eventually
from stories_shared.testing.kafka_admin import administer

from .fleet import Fleet
from .loads import story

pytestmark = [pytest.mark.servers, pytest.mark.nightly, pytest.mark.timeout(600)]

MEMBERS = 3
BACK_S = 30.0
"""Until writes are acknowledged again: MongoDB's election takes about 12 s, a change of leaders in Kafka about 4 s."""
READY_S = 120.0
WRITES_BEFORE = 20


@dataclass
class Cluster:
    """The servers, each a process."""

    folder: Path
    mongods: Sequence[Mongod]
    brokers: Sequence[Broker]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> "Cluster":
        """Servers on free ports; nothing is started yet."""
        taken: set[int] = set()
        members = [free_port(taken) for _ in range(MEMBERS)]
        controllers = [free_port(taken) for _ in range(MEMBERS)]
        mongods = [Mongod(folder / f"mongod-{port}", port, members) for port in members]
        brokers = [
            Broker(folder / f"kafka-{port}", free_port(taken), port, controllers=controllers) for port in controllers
        ]
        for server in (*mongods, *brokers):
            server.name = server.data.name
        return cls(folder, mongods, brokers)

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.url for broker in self.brokers)

    @property
    def mongo_url(self) -> str:
        return self.mongods[0].url

    def start_all(self) -> None:
        """Start all of them and wait until they are ready."""
        for server in (*self.mongods, *self.brokers):
            self.start(server)
        for server in (*self.mongods, *self.brokers):
            self.wait(server)
        with MongoClient[dict[str, object]](self.mongo_url, serverSelectionTimeoutMS=60_000) as client:
            client.admin.command("ping")

    def start(self, server: Server) -> None:
        """Start one, also after `kill`, without waiting for it."""
        server.prepare()
        self.processes[server.name] = start(server, self._log(server), os.environ)

    def wait(self, server: Server) -> None:
        """Wait until it is ready."""
        wait_until_ready(server.name, self.processes[server.name], server.ready, self._log(server), READY_S)

    def kill(self, server: Server) -> None:
        """Send SIGKILL."""
        stop(self.processes[server.name], grace_seconds=0)

    def primary(self) -> Mongod:
        """The mongod that takes writes."""
        with MongoClient[dict[str, object]](self.mongo_url, serverSelectionTimeoutMS=60_000) as client:
            port = client.admin.command("hello")["primary"].rpartition(":")[2]
        return next(mongod for mongod in self.mongods if mongod.port == int(port))

    async def leader(self, topic: str) -> Broker:
        """The broker that leads a partition of a topic."""
        return self.brokers[(await self._partitions(topic))[0]["leader"] - 1]

    async def in_sync(self, topic: str) -> int:
        """The fewest in-sync replicas of a partition of a topic."""
        return min(len(partition["isr"]) for partition in await self._partitions(topic))

    async def _partitions(self, topic: str) -> list[dict[str, Any]]:
        [described] = await administer(self.bootstrap, lambda admin: admin.describe_topics([topic]))
        found: list[dict[str, Any]] = described["partitions"]
        return found

    def _log(self, server: Server) -> Path:
        return self.folder / f"{server.name}.log"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster.make(tmp_path_factory.mktemp("cluster"))
    try:
        made.start_all()
        yield made
    finally:
        for process in made.processes.values():
            stop(process, grace_seconds=0)


@pytest_asyncio.fixture
async def replicated(cluster: Cluster, servers: Servers, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Feed and engagement on the cluster."""
    namespace = IsolatedNamespace(servers)
    alone = dict(namespace)
    namespace |= {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
        "MONGO_URL": cluster.mongo_url,
        "TOPIC_REPLICATION": "3",
    }
    try:
        async with Fleet(namespace, tmp_path, ("feed", "engagement")).running() as fleet:
            yield fleet
    finally:
        namespace |= alone
        await namespace.remove()


@dataclass
class Writes:
    """Follows over HTTP and views by event, without a pause; what was acknowledged, and when last."""

    fleet: Fleet
    publisher: Publisher
    stories: Sequence[str]
    follows: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)
    last: dict[str, float] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Writes"]:
        """Write inside the block."""
        tasks = [asyncio.create_task(self._repeat(each)) for each in (self._follow, self._view)]
        try:
            await eventually(self._warm, within_s=60)
            yield self
            assert not [task for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def acknowledged_after(self, began: float) -> float:
        """The seconds from `began` until both kinds of writes were acknowledged again."""

        async def so() -> float:
            assert min(self.last.values()) > began
            return max(self.last.values()) - began

        seconds: float = await eventually(so, within_s=BACK_S + 30, every_s=0.1)
        return seconds

    async def _warm(self) -> bool:
        assert min(len(self.follows), len(self.views)) >= WRITES_BEFORE
        return True

    async def _repeat(self, write: Callable[[str], Awaitable[None]]) -> None:
        number = 0
        while True:
            number += 1
            with suppress(httpx.TransportError, Unavailable):
                await write(str(number))
            await asyncio.sleep(0.01)

    async def _follow(self, number: str) -> None:
        began = time.monotonic()
        answer = await self.fleet.call("feed", "PUT", f"/v1/following/star-{number}", f"fan-{int(number) % 5}")
        assert answer.status_code in {204, 503}, answer.text
        if answer.status_code == httpx.codes.NO_CONTENT:
            self.follows.add(f"star-{number}")
            self.last["follow"] = began

    async def _view(self, number: str) -> None:
        """A view of each story, so that every partition has to take one."""
        began, now = time.monotonic(), system_now()
        viewed = [StoryViewed(story_id=each, viewer_id=f"viewer-{number}", viewed_at=now) for each in self.stories]
        await self.publisher.publish_all([OutgoingEvent(event) for event in viewed])
        self.views.add(f"viewer-{number}")
        self.last["view"] = began


@pytest_asyncio.fixture
async def writes(replicated: Fleet) -> AsyncIterator[Writes]:
    """Writes to a fleet, with a dozen live stories to view."""
    kafka = Kafka(replicated.namespace["KAFKA_BOOTSTRAP_SERVERS"], replicated.namespace.prefix)
    ingest, producer = Publisher(kafka, "ingest"), Publisher(kafka, "/producer")
    stories = [new_id() for _ in range(12)]
    try:
        await ingest.publish_all([OutgoingEvent(story(each)) for each in stories])
        yield Writes(replicated, producer, stories)
    finally:
        await ingest.stop()
        await producer.stop()


async def all_is_there(writes: Writes) -> bool:
    """Every acknowledged follow is stored, and every acknowledged view is counted once for each story."""
    namespace, fleet = writes.fleet.namespace, writes.fleet
    feed = Mongo.connect(namespace["MONGO_URL"], fleet.database("feed"))
    engagement = Mongo.connect(namespace["MONGO_URL"], fleet.database("engagement"))
    try:
        edges = await feed["edges"].find({"kind": "follow"}, {"target": 1}).to_list(None)
        assert writes.follows <= {edge["target"] for edge in edges}
        rows = await engagement["viewers"].find({}, {"viewer_id": 1, "story_id": 1}).to_list(None)
        counted = [(row["viewer_id"], row["story_id"]) for row in rows]
        assert len(counted) == len(set(counted))
        missing = {(viewer, each) for viewer in writes.views for each in writes.stories} - set(counted)
        assert not missing, f"{len(missing)} views are not counted"
    finally:
        await feed.close()
        await engagement.close()
    return True


async def test_an_election_loses_no_acknowledged_write(cluster: Cluster, writes: Writes) -> None:
    async with writes.running():
        killed = await asyncio.to_thread(cluster.primary)
        began = time.monotonic()
        cluster.kill(killed)
        assert await writes.acknowledged_after(began) < BACK_S
        assert await asyncio.to_thread(cluster.primary) != killed
        cluster.start(killed)
        await asyncio.to_thread(cluster.wait, killed)
    await eventually(lambda: all_is_there(writes), within_s=60, every_s=0.5)
    await writes.fleet.ready(BACK_S)


async def test_a_lost_leader_of_kafka_loses_no_acknowledged_write(cluster: Cluster, writes: Writes) -> None:
    topic = f"{writes.fleet.namespace.prefix}story-viewed"
    async with writes.running():
        killed = await cluster.leader(topic)
        began = time.monotonic()
        cluster.kill(killed)
        assert await writes.acknowledged_after(began) < BACK_S
        assert await cluster.leader(topic) != killed
        cluster.start(killed)
        await asyncio.to_thread(cluster.wait, killed)
    await eventually(lambda: all_is_there(writes), within_s=60, every_s=0.5)
    await writes.fleet.ready(BACK_S)


async def test_lost_in_sync_replicas_lose_no_acknowledged_write(cluster: Cluster, writes: Writes) -> None:
    """Two in sync are enough; one alone acknowledges nothing, and the others catch up with it."""
    topic = f"{writes.fleet.namespace.prefix}story-viewed"

    async def in_sync(number: int) -> None:
        await eventually(lambda: cluster.in_sync(topic), within_s=120, every_s=0.5, accept=lambda n: n == number)

    async with writes.running():
        leader = await cluster.leader(topic)
        lost = [broker for broker in cluster.brokers if broker != leader]
        for number, broker in enumerate(lost):
            began = time.monotonic()
            cluster.kill(broker)
            if number == 0:
                assert await writes.acknowledged_after(began) < BACK_S
                await in_sync(2)
        began = time.monotonic()
        for broker in lost:
            cluster.start(broker)
        for broker in lost:
            await asyncio.to_thread(cluster.wait, broker)
        await writes.acknowledged_after(began)
        await in_sync(3)
    await eventually(lambda: all_is_there(writes), within_s=60, every_s=0.5)
    await writes.fleet.ready(BACK_S)
