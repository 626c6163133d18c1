"""The stack under test: `stories up` as a child process."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stories_embedded import testing
from stories_embedded.data_dir import DataDir
from stories_embedded.keys import StackKeys
from stories_embedded.processes import spawn, stop
from stories_embedded.server import wait_until_ready

READY_SECONDS = 240.0
STOP_SECONDS = 45.0
TWO_OF_EACH = "ingest=2,feed=2,engagement=2,expiry=2"
SERVERS = ("mongod", "kafka", "s3")


@dataclass
class Stack:
    """One `stories up` with its own data folder; every wait has a deadline."""

    folder: Path
    short: str = "12s"
    replicas: str = ""
    observe: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, **options: Any) -> "Stack":
        """A stack on an empty folder; nothing is started yet."""
        assert not os.environ.get(testing.WITHOUT), "a test that starts a stack is marked `servers`"
        return cls(Path(tempfile.mkdtemp(prefix="journeys-", dir=testing.data_root())), **options)

    def start(self) -> None:
        """Start it on its data and wait until it is ready."""
        log = self.log("up")
        log.unlink(missing_ok=True)
        port = self.url.rpartition(":")[2] or "0"
        store = os.environ.get("STORIES_TEST_S3", "seaweedfs")
        arguments = ["--lifetimes", f"24h,{self.short}", "--gateway-port", port, "--replicas", self.replicas]
        arguments += ["--s3", store, *(["--observe"] if self.observe else [])]
        command = [sys.executable, "-m", "stories_cli", "up", "--data", str(self.folder), *arguments]
        self.rollout.touch()
        self._process = spawn(command, log, {**os.environ, "ROLLOUT_FILE": str(self.rollout), **self.settings})

        def ready() -> bool:
            if found := re.search(r"^ready: (\S+)", log.read_text(), re.MULTILINE):
                self.url = found[1]
            return bool(found)

        wait_until_ready("stories up", self._process, ready, log, READY_SECONDS)

    def interrupt(self) -> int:
        """Send SIGINT; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Stop it, with SIGTERM first."""
        if self._process is not None:
            stop(self._process, STOP_SECONDS)

    def remove(self, *, keep_logs: bool) -> None:
        """Stop it and remove its folder; keep the logs after a failure."""
        self.stop()
        if keep_logs:
            testing.keep_logs(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def token(self, user: str, **claims: Any) -> str:
        """The output of `stories token`, without a process."""
        return StackKeys(self.folder / "keys").token(user, **claims)

    async def processes(self) -> dict[str, dict[str, Any]]:
        """The output of `stories status --json` by name, without a process."""
        return {each.name: asdict(each) for each in DataDir(self.folder).processes()}

    async def kill(self, *names: str) -> None:
        """Send SIGKILL to these processes at once."""
        processes = await self.processes()
        for name in names:
            os.kill(processes[name]["pid"], signal.SIGKILL)

    async def env(self) -> dict[str, str]:
        """The settings of the running stack, as of `stories env`."""
        stack = DataDir(self.folder).running()
        assert stack is not None, "no stack is running"
        return stack.settings

    async def run(self, *arguments: str) -> str:
        """Run a CLI command on this stack; returns its output for any exit code."""
        command = [sys.executable, "-m", "stories_cli", *arguments, "--data", str(self.folder)]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        return out.decode()

    @property
    def rollout(self) -> Path:
        """The rollout policy; empty: everyone may create and view."""
        return self.folder / "rollout.yaml"

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.folder / "logs" / f"{name}.log"
