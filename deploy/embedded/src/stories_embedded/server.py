"""What every supervised program has: how it is prepared, started and asked whether it is there."""

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .processes import kill_group, spawn


class Server(ABC):
    """A program with ports of its own, and perhaps a data folder. Its methods block."""

    name: str  # as `stories status` shows it
    stop_seconds: float = 10.0  # from SIGTERM to SIGKILL

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it is spoken to."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What to run."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it does its work now, not only listens. Never raises."""

    def prepare(self) -> None:
        """Make its folders and configuration; idempotent, keeps what is there."""
        return

    def environment(self) -> Mapping[str, str]:
        """What to add to the environment."""
        return {}

    def stuck(self) -> bool:
        """Whether it says of itself that it makes no progress. Never raises."""
        return False


class DidNotStart(Exception):
    """A process ended, or was not ready in time; the message holds the end of its log."""


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

    Raises DidNotStart when the process ends, or (having killed it) when the time is over.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if (code := process.poll()) is not None:
            raise DidNotStart(f"{name} ended with {code}:\n{tail(log)}")
        if time.monotonic() > deadline:
            kill_group(process)
            raise DidNotStart(f"{name} was not ready within {seconds:.0f} s:\n{tail(log)}")
        time.sleep(0.05)
