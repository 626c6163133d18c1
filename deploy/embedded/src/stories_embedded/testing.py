"""The pytest plugin: real servers for a test session, and isolated names on them for each test.

`servers` starts Kafka, mongod and SeaweedFS on free ports (a few seconds, once a session) and stops them at its end.
`namespace` is a dictionary of settings with a database, topics and a bucket that no other test uses; they are removed
after the test.
"""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import pytest_asyncio
import urllib3
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from minio import Minio
from minio.deleteobjects import DeleteObject
from pymongo import MongoClient
from stories_shared.testing import eventually, wait_until
from stories_shared.testing.kafka_admin import administer

from . import minio
from .kafka import Kafka
from .keys import StackKeys
from .mongodb import Mongod
from .paths import CHECKOUT
from .ports import free_port
from .processes import stop
from .s3 import MinIO, SeaweedFS
from .server import Server, start, wait_until_ready

LENT = "STORIES_TEST_LENT"  # servers of another run, as written by `lend`
WITHOUT = "STORIES_TEST_WITHOUT_SERVERS"  # set if no test may use servers
MEMORY_BYTES = 6 << 30
STORE = "STORIES_TEST_S3"  # `minio`: MinIO instead of SeaweedFS
READY_SECONDS = 60.0
T = TypeVar("T")
STOP_SECONDS = 2.0


class Servers:
    """The three servers of a test session."""

    def __init__(self, folder: Path) -> None:
        taken: set[int] = set()
        ports = [free_port(taken) for _ in range(7)]
        self.folder = folder
        self.keys = StackKeys(folder / "keys")
        self.keys.make()
        self.mongod = Mongod(folder / "mongod", ports[0])
        self.kafka = Kafka(folder / "kafka", ports[1], ports[2])
        self.s3: Server
        if os.environ.get(STORE) == "minio":
            self.s3 = MinIO(folder / "s3", ports[3], self.keys.s3(), minio.program())
        else:
            self.s3 = SeaweedFS(folder / "s3", ports[3], ports[4], ports[5], ports[6], self.keys.s3())
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def mongo_url(self) -> str:
        return self.mongod.url

    def settings(self) -> dict[str, str]:
        """The environment of a service that runs on these servers."""
        endpoint = self.s3.url.removeprefix("http://")
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.url,
            "MONGO_URL": self.mongo_url,
            "S3_ENDPOINT": endpoint,
            "S3_PUBLIC_ENDPOINT": endpoint,
            "S3_SECURE": "false",
            "S3_BUCKET": "stories",
            "TOPIC_PARTITIONS": "3",
            "TOPIC_REPLICATION": "1",
            "PUBLIC_URL": "http://127.0.0.1:8080",
            **self.keys.settings(),
        }

    def token(self, user: str, *, roles: Sequence[str] = (), country: str | None = None, seconds: float = 3600) -> str:
        """A bearer token that `settings()` accepts."""
        return self.keys.token(user, roles=roles, country=country, seconds=seconds)

    def start(self, server: Server) -> None:
        """Start one of the servers, also after `kill`, and wait until it is ready. Its data is kept."""
        log = self._log(server)
        server.prepare()
        process = start(server, log, os.environ)
        self._processes[server.name] = process
        wait_until_ready(server.name, process, server.ready, log, READY_SECONDS)

    def kill(self, server: Server) -> None:
        """Send SIGKILL; `start` restarts the server."""
        stop(self._processes[server.name], grace_seconds=0)

    @contextmanager
    def frozen(self, server: Server) -> Iterator[None]:
        """Freeze a server (SIGSTOP) inside the block; afterwards resume it and wait until it is ready."""
        process = self.process(server)
        process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: _is_stopped(process.pid), f"{server.name} is stopped")
            yield
        finally:
            process.send_signal(signal.SIGCONT)
            wait_until(server.ready, f"{server.name} answers again")

    def process(self, server: Server) -> subprocess.Popen[bytes]:
        """The process of a server, to freeze or measure it."""
        return self._processes[server.name]

    def start_all(self) -> None:
        servers: list[Server] = [self.mongod, self.kafka, self.s3]
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(lambda server: server.prepare(), servers))
        for server in servers:  # on this thread, because children die with the thread that started them
            self._processes[server.name] = start(server, self._log(server), os.environ)
        for server in servers:
            process, log = self._processes[server.name], self._log(server)
            wait_until_ready(server.name, process, server.ready, log, READY_SECONDS)

    def stop_all(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            stop(process, STOP_SECONDS)

    def _log(self, server: Server) -> Path:
        return self.folder / f"{server.name}.log"


@dataclass(frozen=True)
class LentProcess:
    """A process of another run: it can be frozen, not killed."""

    pid: int

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)


@dataclass(frozen=True)
class LentServer:
    """A server of another run, by its address."""

    name: str
    url: str


def lend(servers: Servers, *, breakable: bool) -> dict[str, str]:
    """The environment that makes another run use these servers.

    `breakable`: it may freeze them, because no other run uses them at that time.
    """
    lent = {
        "folder": str(servers.folder),
        "mongod": servers.mongod.port,
        "kafka": servers.kafka.port,
        "s3": servers.s3.url,
        "pids": {each.name: servers.process(each).pid for each in (servers.mongod, servers.kafka, servers.s3)},
        "breakable": breakable,
    }
    return {LENT: json.dumps(lent)}


class BorrowedServers(Servers):
    """The servers of another run."""

    def __init__(self, lent: Mapping[str, Any]) -> None:
        self.folder = Path(lent["folder"])
        self.keys = StackKeys(self.folder / "keys")
        self.mongod = Mongod(self.folder / "mongod", lent["mongod"])
        self.kafka = Kafka(self.folder / "kafka", lent["kafka"], 0)
        self.s3: Any = LentServer("s3", lent["s3"])
        self._lent = {name: LentProcess(pid) for name, pid in lent["pids"].items()}
        self._breakable = lent["breakable"]

    def process(self, server: Server) -> Any:
        """The process of a server; fails if other runs use it too."""
        assert self._breakable, f"others use {server.name} too: name this module in OWN_SERVERS (conftest.py)"
        return self._lent[server.name]

    def kill(self, server: Server) -> None:
        """Always fails: this run did not start the server."""
        raise AssertionError(f"{server.name} is lent: name this module in OWN_SERVERS (conftest.py)")


def _is_stopped(pid: int) -> bool:
    """Whether every thread has stopped; SIGSTOP stops each one only when it is next scheduled."""
    try:
        stats = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:  # a thread has just ended
        return False
    return all(stat.rpartition(")")[2].split()[0] in {"T", "t"} for stat in stats)


class IsolatedNamespace(dict[str, str]):
    """Settings with a database, a topic prefix and a bucket that no other test uses."""

    def __init__(self, servers: Servers) -> None:
        self.name = f"t{uuid.uuid4().hex[:10]}"
        own = {"MONGO_DATABASE": self.name, "KAFKA_TOPIC_PREFIX": f"{self.name}-", "S3_BUCKET": self.name}
        super().__init__({**servers.settings(), **own})
        self.servers = servers

    @property
    def prefix(self) -> str:
        """The prefix of every topic and group of this namespace."""
        return self["KAFKA_TOPIC_PREFIX"]

    async def topic(self, *names: str, partitions: int = 3, **configs: str) -> None:
        """Create topics. The prefix is added; options are written with underscores (`retention_ms="5000"`)."""
        options = {name.replace("_", "."): value for name, value in configs.items()}
        new = [NewTopic(self.prefix + name, partitions, 1, topic_configs=options) for name in names]
        await self._administer(lambda admin: admin.create_topics(new))
        await self._wait_for_leaders([self.prefix + name for name in names], partitions)

    async def remove(self) -> None:
        """Remove topics, databases and bucket of the namespace."""
        await self._remove_topics()
        await asyncio.to_thread(self._remove_databases)
        await asyncio.to_thread(self._remove_bucket)

    async def _wait_for_leaders(self, topics: Sequence[str], partitions: int) -> None:
        def led(described: Sequence[Any]) -> bool:
            leaders = [sum(part["leader"] >= 0 for part in topic["partitions"]) for topic in described]
            return len(leaders) == len(topics) and all(number >= partitions for number in leaders)

        await eventually(
            lambda: self._administer(lambda admin: admin.describe_topics(list(topics))), READY_SECONDS, 0.05, led
        )

    async def _remove_topics(self) -> None:
        async def remove(admin: AIOKafkaAdminClient) -> None:
            if mine := [name for name in await admin.list_topics() if name.startswith(self.prefix)]:
                await admin.delete_topics(mine)

        await self._administer(remove)

    async def _administer(self, act: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        return await administer(self["KAFKA_BOOTSTRAP_SERVERS"], act)

    def _remove_databases(self) -> None:
        client: MongoClient[dict[str, Any]] = MongoClient(self["MONGO_URL"], serverSelectionTimeoutMS=5000)
        with client:
            for name in client.list_database_names():
                if name.startswith(self.name):
                    client.drop_database(name)

    def _remove_bucket(self) -> None:
        pool = urllib3.PoolManager(timeout=urllib3.Timeout(5), retries=False)
        keys = self.servers.keys.s3()
        client = Minio(
            self["S3_ENDPOINT"], keys.access, keys.secret, secure=False, region="us-east-1", http_client=pool
        )
        bucket = self["S3_BUCKET"]
        if client.bucket_exists(bucket):
            names = (DeleteObject(str(found.object_name)) for found in client.list_objects(bucket, recursive=True))
            for _ in client.remove_objects(bucket, names):
                pass
            client.remove_bucket(bucket)
        pool.clear()


def data_root() -> Path:
    """The root of test data: in memory if enough is free, else under the checkout."""
    memory, name = Path("/dev/shm"), hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]  # noqa: S108
    root = CHECKOUT / ".stories-test"
    if memory.is_dir() and min(shutil.disk_usage(memory).free, psutil.virtual_memory().available) > MEMORY_BYTES:
        root = memory / f"stories-test-{os.getuid()}-{name}"
    root.mkdir(exist_ok=True, mode=0o700)
    return root


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Servers on a temporary folder, which is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="session-", dir=data_root()))
    running = Servers(folder)
    try:
        running.start_all()
        yield running
    finally:
        running.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def keep_logs(folder: Path) -> Path:
    """Copy the logs of a folder to `.stories-test`, where they are kept; returns that folder."""
    kept = CHECKOUT / ".stories-test" / f"{folder.name}-logs"
    for log in [*folder.glob("*.log"), *folder.glob("logs/*.log")]:
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copy2(log, kept / log.name)
    return kept


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """Real mongod, Kafka and SeaweedFS (or MinIO) on free ports, or the servers that another run lends."""
    if os.environ.get(WITHOUT):
        pytest.fail(f"{WITHOUT} is set, and this test uses servers without the marker")
    if os.environ.get(LENT):
        yield BorrowedServers(json.loads(os.environ[LENT]))
        return
    with running_servers() as running:
        yield running
        if request.session.testsfailed:
            keep_logs(running.folder)


@pytest_asyncio.fixture
async def namespace(servers: Servers) -> AsyncIterator[IsolatedNamespace]:
    """A namespace on the servers for this test alone."""
    own = IsolatedNamespace(servers)
    yield own
    await own.remove()
