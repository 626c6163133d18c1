"""Keeps one program running: starts it, waits until it is ready, starts it again whenever it ends."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .data_dir import Phase, ProcessState
from .processes import gone, kill_group
from .server import DidNotStart, Server, start, tail

POLL_SECONDS = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # between restarts, doubled each time
STEADY_SECONDS = 30.0  # having run this long, a program starts again from the shortest pause
FIRST_ATTEMPTS = 3  # a program that never was ready is given up after this many
USAGE = 2  # exit code of a service whose settings are wrong: trying again changes nothing
WATCH_SECONDS, STUCK_LOOKS = 5.0, 6  # a program that calls itself stuck for half a minute is restarted


class Keeper:
    """The life of one program under supervision."""

    def __init__(self, server: Server, log: Path, env: Mapping[str, str], changed: Callable[[], None]) -> None:
        self.server = server
        self.state = ProcessState(server.name, state="starting", url=server.url)
        self.failure: str | None = None
        self._log, self._env, self._changed = log, env, changed
        self._settled = asyncio.Event()
        self._stopping = False
        self._process: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start it, and keep it running from now on."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.server.name}")

    async def settled(self) -> None:
        """Wait until it was ready for the first time.

        Raises DidNotStart when it was given up.
        """
        await self._settled.wait()
        if self.failure:
            raise DidNotStart(self.failure)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL for its group when its grace is over."""
        self._stopping = True
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(gone(self._process), self.server.stop_seconds)
            except TimeoutError:
                kill_group(self._process)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._process:
            kill_group(self._process)
        self._become("stopped", None)

    async def _keep(self) -> None:
        failures = 0
        self._become("starting", None)
        while not self._stopping:
            began = time.monotonic()
            why, code = await self._run_once()
            if self._stopping:
                return
            failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            if not self._settled.is_set() and (failures >= FIRST_ATTEMPTS or code == USAGE):
                self.failure = f"{why}:\n{tail(self._log)}"
                self._become("stopped", None)
                self._settled.set()
                return
            self.state.restarts += 1
            self._become("restarting", None)
            await asyncio.sleep(min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE))

    async def _run_once(self) -> tuple[str, int | None]:
        """From start to end; why it ended, and with which code."""
        try:
            await asyncio.to_thread(self.server.prepare)
            self._process = start(self.server, self._log, self._env)  # on the main thread, with which children die
        except Exception as error:  # noqa: BLE001 - a port taken, a disk full: said, and tried again
            return f"{self.server.name} could not be started: {error}", None
        self._become(self.state.state, self._process.pid)
        watch = asyncio.create_task(self._watch(self._process))
        try:
            code = await gone(self._process)
        finally:
            watch.cancel()
            if not self._stopping:
                kill_group(self._process)
        return f"{self.server.name} ended with {code}", code

    async def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while not await asyncio.to_thread(self.server.ready):  # noqa: ASYNC110 - another process, asked again
            await asyncio.sleep(POLL_SECONDS)
        self._become("running", process.pid)
        self._settled.set()
        stuck = 0
        while stuck < STUCK_LOOKS:
            await asyncio.sleep(WATCH_SECONDS)
            stuck = stuck + 1 if await asyncio.to_thread(self.server.stuck) else 0
        kill_group(process)

    def _become(self, state: Phase, pid: int | None) -> None:
        self.state.state, self.state.pid = state, pid
        self._changed()
