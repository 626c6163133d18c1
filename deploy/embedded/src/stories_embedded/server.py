"""The interface of supervised programs: preparation, command, readiness."""

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .processes import kill_group, spawn


class Server(ABC):
    """A program with its own ports and possibly a data folder. Its methods block."""

    name: str  # as `stories status` shows it
    stop_seconds: float = 10.0  # from SIGTERM to SIGKILL

    @property
    @abstractmethod
    def url(self) -> str:
        """The address that clients connect to."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command line."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it serves requests, not only listens. Never raises."""

    def prepare(self) -> None:
        """Create folders and configuration; idempotent, keeps existing data."""
        return

    def environment(self) -> Mapping[str, str]:
        """Additional environment variables."""
        return {}

    def stuck(self) -> bool:
        """Whether its liveness probe reports that it makes no progress. Never raises."""
        return False


class DidNotStart(Exception):
    """A process ended, or was not ready in time; the message contains the end of its log."""


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log file."""
    if not log.is_file():
        return "(no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def start(server: Server, log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a prepared server, without waiting for it."""
    return spawn(server.command(), log, {**env, **server.environment()})


def wait_until_ready(
    name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, seconds: float
) -> None:
    """Poll until ready.

    Raises DidNotStart if the process ends, or is not ready in time, in which case it is killed.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if (code := process.poll()) is not None:
            raise DidNotStart(f"{name} ended with {code}:\n{tail(log)}")
        if time.monotonic() > deadline:
            kill_group(process)
            raise DidNotStart(f"{name} was not ready within {seconds:.0f} s:\n{tail(log)}")
        time.sleep(0.05)
