"""Runs one program: starts it, waits until it is ready, restarts it when it ends."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .data_dir import Phase, ProcessState
from .processes import kill_group, wait_exit
from .server import DidNotStart, Server, start, tail

POLL_SECONDS = 0.1
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.2, 10.0  # between restarts, doubled each time
STABLE_SECONDS = 30.0  # after this uptime the backoff starts again at its minimum
FIRST_ATTEMPTS = 3  # a program that was never ready is given up after this many attempts
USAGE = 2  # exit code of a service with wrong settings: retrying changes nothing
WATCH_SECONDS, MAX_STUCK_PROBES = 5.0, 6  # a program whose liveness probe fails for half a minute is restarted


class ManagedProcess:
    """One program under supervision."""

    def __init__(self, server: Server, log: Path, env: Mapping[str, str], changed: Callable[[], None]) -> None:
        self.server = server
        self.state = ProcessState(server.name, state="starting", url=server.url)
        self.failure: str | None = None
        self._log, self._env, self._changed = log, env, changed
        self._was_ready = asyncio.Event()
        self._stopping = False
        self._process: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the program and keep it running."""
        self._task = asyncio.create_task(self._supervise(), name=f"supervise {self.server.name}")

    async def wait_ready(self) -> None:
        """Wait until the program has been ready once.

        Raises DidNotStart if it was given up.
        """
        await self._was_ready.wait()
        if self.failure:
            raise DidNotStart(self.failure)

    async def stop(self) -> None:
        """Send SIGTERM, and after the grace period SIGKILL to the process group."""
        self._stopping = True
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(wait_exit(self._process), self.server.stop_seconds)
            except TimeoutError:
                kill_group(self._process)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._process:
            kill_group(self._process)
        self._set_state("stopped", None)

    async def _supervise(self) -> None:
        failures = 0
        self._set_state("starting", None)
        while not self._stopping:
            began = time.monotonic()
            why, code = await self._run_once()
            if self._stopping:
                return
            failures = 1 if time.monotonic() - began > STABLE_SECONDS else failures + 1
            if not self._was_ready.is_set() and (failures >= FIRST_ATTEMPTS or code == USAGE):
                self.failure = f"{why}:\n{tail(self._log)}"
                self._set_state("stopped", None)
                self._was_ready.set()
                return
            self.state.restarts += 1
            self._set_state("restarting", None)
            await asyncio.sleep(min(BACKOFF_MIN_S * 2 ** (failures - 1), BACKOFF_MAX_S))

    async def _run_once(self) -> tuple[str, int | None]:
        """Run the program once; returns why it ended and its exit code."""
        try:
            await asyncio.to_thread(self.server.prepare)
            self._process = start(self.server, self._log, self._env)  # children die with their thread: the main one
        except Exception as error:  # noqa: BLE001 - a taken port, a full disk: reported and retried
            return f"{self.server.name} could not be started: {error}", None
        self._set_state(self.state.state, self._process.pid)
        watch = asyncio.create_task(self._watch(self._process))
        try:
            code = await wait_exit(self._process)
        finally:
            watch.cancel()
            if not self._stopping:
                kill_group(self._process)
        return f"{self.server.name} ended with {code}", code

    async def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while not await asyncio.to_thread(self.server.ready):  # noqa: ASYNC110 - polls another process
            await asyncio.sleep(POLL_SECONDS)
        self._set_state("running", process.pid)
        self._was_ready.set()
        stuck = 0
        while stuck < MAX_STUCK_PROBES:
            await asyncio.sleep(WATCH_SECONDS)
            stuck = stuck + 1 if await asyncio.to_thread(self.server.stuck) else 0
        kill_group(process)

    def _set_state(self, state: Phase, pid: int | None) -> None:
        self.state.state, self.state.pid = state, pid
        self._changed()
