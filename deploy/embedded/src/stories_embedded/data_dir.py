"""The data folder of a stack and its state file, which the supervisor writes and the other commands read."""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from stories_shared.events.cloudevents import SERVICES

Phase = Literal["starting", "running", "restarting", "stopped"]
PROCESSES = ("mongod", "kafka", "s3", *SERVICES, "gateway")


@dataclass
class ProcessState:
    """One line of `stories status`."""

    name: str
    pid: int | None = None
    state: Phase = "stopped"
    url: str | None = None
    restarts: int = 0


@dataclass
class StackState:
    """The state of a running stack, as in `stack.json`."""

    pid: int
    url: str
    ready: bool = False
    failure: str | None = None
    processes: list[ProcessState] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    services: dict[str, dict[str, str]] = field(default_factory=dict)


class AlreadyRunning(Exception):
    """Another supervisor holds the lock of the data folder."""


class DataDir:
    """A data folder: `logs/`, `keys/`, the servers' data, the state and the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.path / "logs" / f"{name}.log"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    def make(self) -> None:
        """Create the folder, accessible only to its owner."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
        (self.path / "logs").mkdir(exist_ok=True)

    def acquire_lock(self) -> None:
        """Take the lock of the folder; the kernel releases it when this process ends.

        Raises AlreadyRunning.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            state = self._read()
            who = f" (pid {state.pid}, {state.url})" if state else ""
            raise AlreadyRunning(f"a stack runs in {self.path} already{who}") from None
        self._lock = descriptor

    def is_locked(self) -> bool:
        """Whether a supervisor holds the lock. The kernel knows, so a stale state file is not trusted."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def write(self, state: StackState) -> None:
        """Replace the state file atomically."""
        write_private(self.path / "stack.json", json.dumps(asdict(state), indent=1))

    def clear_state(self) -> None:
        """Remove the state file of an earlier stack."""
        (self.path / "stack.json").unlink(missing_ok=True)

    def running(self) -> StackState | None:
        """The state of the running stack; None if none runs."""
        return self._read() if self.is_locked() else None

    def processes(self) -> list[ProcessState]:
        """The processes of the stack; all of them stopped if no supervisor runs."""
        state = self._read()
        known = state.processes if state and state.processes else [ProcessState(name) for name in PROCESSES]
        return known if self.is_locked() else [ProcessState(each.name, restarts=each.restarts) for each in known]

    def _read(self) -> StackState | None:
        try:
            found: Mapping[str, Any] = json.loads((self.path / "stack.json").read_text())
            return StackState(**{**found, "processes": [ProcessState(**each) for each in found["processes"]]})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, never readable by others."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
