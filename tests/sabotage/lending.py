"""A test run inside a test run uses the servers of the outer one instead of starting its own."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from stories_embedded import testing
from stories_embedded.kafka import Kafka
from stories_embedded.keys import StackKeys
from stories_embedded.mongodb import Mongod
from stories_embedded.server import Server
from stories_embedded.testing import Servers

LENT = "STORIES_TEST_LENT"


def lend(servers: Servers) -> dict[str, str]:
    """The environment in which another run finds these servers."""
    there = {
        "folder": str(servers.folder),
        "mongod": servers.mongod.port,
        "kafka": servers.kafka.port,
        "s3": servers.s3.url,
        "pids": {each.name: servers.process(each).pid for each in (servers.mongod, servers.kafka, servers.s3)},
    }
    return {LENT: json.dumps(there)}


def borrow() -> None:
    """From now on a session's servers are those that were lent."""
    testing.Servers = Borrowed  # type: ignore[misc]


class Lent:
    """A process of the outer run: it can be frozen, not ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


class At:
    """A server of which only the address matters."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url


class Borrowed(Servers):
    """The servers of the outer run."""

    def __init__(self, _folder: Path) -> None:
        there = json.loads(os.environ[LENT])
        folder = Path(there["folder"])
        self.folder = folder
        self.keys = StackKeys(folder / "keys")
        self.mongod = Mongod(folder / "mongod", there["mongod"])
        self.kafka = Kafka(folder / "kafka", there["kafka"], 0)
        self.s3: Any = At("s3", there["s3"])
        self._lent = {name: Lent(pid) for name, pid in there["pids"].items()}

    def process(self, server: Server) -> Any:
        """The server's process."""
        return self._lent[server.name]

    def start_all(self) -> None:
        """They run already."""

    def stop_all(self) -> None:
        """They are not ours to stop."""
