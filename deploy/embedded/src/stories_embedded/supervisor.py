"""Runs a stack in the foreground: everything up in order, kept up, and down in order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from stories_shared.events.cloudevents import SERVICES

from .data_dir import DataDir, StackState
from .managed_process import Keeper
from .processes import gone, kill_group, spawn
from .server import DidNotStart, Server, tail
from .topology import Options, Plan, everything_set, make_plan, of_service

START_SECONDS = 300.0
LOG_BYTES = 64 * 1024 * 1024  # a log file longer than this is set aside, one generation
TIDY_SECONDS = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Report = Callable[[str], None]


class Supervisor:
    """One stack, from the first process to the last."""

    def __init__(self, folder: DataDir, plan: Plan, report: Report) -> None:
        self._folder, self._plan, self._report = folder, plan, report
        self._keepers: list[Keeper] = []
        self._state = StackState(os.getpid(), plan.gateway.url)
        self._servers = [self._keeper(server) for server in plan.servers]
        self._services = [self._keeper(service) for service in plan.services]
        self._gateway = self._keeper(plan.gateway)
        self._watching = [self._keeper(each) for each in plan.watching]

    async def run(self, ready: Callable[[str], None]) -> int:
        """Start, call `ready` with the gateway's address, run until a signal comes, stop; the exit code.

        Raises DidNotStart, having stopped everything.
        """
        asked = self._stop_signals()
        starting = asyncio.create_task(self._start())
        waiting = asyncio.create_task(asked.wait())
        tidying = asyncio.create_task(self._tidy())
        try:
            await asyncio.wait({starting, waiting}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                self._state.ready = True
                self._write()
                ready(self._plan.gateway.url)
                await asked.wait()
            elif not waiting.done():
                self._give_up()
            self._report("stopping")
        except DidNotStart as error:
            self._state.failure = str(error)
            raise
        finally:
            for task in (starting, waiting, tidying):
                task.cancel()
            await asyncio.gather(starting, waiting, tidying, return_exceptions=True)
            await self._stop()
        return 0

    def _give_up(self) -> NoReturn:
        late = ", ".join(keeper.server.name for keeper in self._keepers if keeper.state.state != "running")
        raise DidNotStart(f"not ready within {START_SECONDS:.0f} s: {late}")

    async def _start(self) -> None:
        began = time.monotonic()

        async def up(keepers: Iterable[Keeper]) -> None:
            async def one(keeper: Keeper) -> None:
                keeper.begin()
                await keeper.settled()
                self._report(f"{keeper.server.name} is ready after {time.monotonic() - began:.1f} s")

            async with asyncio.TaskGroup() as group:
                for keeper in keepers:
                    group.create_task(one(keeper))

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._describe())
                await up(self._servers)
            await self._init()
            await up([*self._services, self._gateway, *self._watching])
            for keeper in self._watching:
                self._report(f"what is measured, and every alarm: {keeper.server.url}/alerts")
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _describe(self) -> None:
        """What `stories env` shows; reading every service's settings takes a moment that the servers need anyway."""
        self._state.settings = await asyncio.to_thread(everything_set, self._plan)
        self._state.services = {name: of_service(name, self._state.settings) for name in SERVICES}
        self._write()

    async def _init(self) -> None:
        """Topics, bucket and indexes."""
        log = self._folder.log("init")
        process = spawn([sys.executable, "-m", "stories_embedded.init"], log, {**os.environ, **self._plan.settings})
        try:
            if code := await gone(process):
                raise DidNotStart(f"init ended with {code}:\n{tail(log)}")
        finally:
            kill_group(process)
        self._report("topics, bucket and indexes are there")

    async def _stop(self) -> None:
        """The door first, then those behind it, then what they stand on."""
        for keepers in ([self._gateway, *self._watching], self._services, self._servers):
            await asyncio.gather(*(keeper.stop() for keeper in keepers))
        self._state.ready = False
        self._write()

    def _keeper(self, server: Server) -> Keeper:
        keeper = Keeper(server, self._folder.log(server.name), os.environ, self._write)
        self._keepers.append(keeper)
        return keeper

    def _write(self) -> None:
        self._state.processes = [keeper.state for keeper in self._keepers]
        self._folder.write(self._state)

    def _stop_signals(self) -> asyncio.Event:
        """Set by the first signal; the second one kills everything at once."""
        asked, loop = asyncio.Event(), asyncio.get_running_loop()

        def on_signal() -> None:
            if asked.is_set():
                os._exit(1)  # the kernel kills the children
            asked.set()

        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, on_signal)
        return asked

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            for keeper in self._keepers:
                set_aside(self._folder.log(keeper.server.name))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failed start in a group, else the first error."""
    failed = group.subgroup(DidNotStart) or group
    first = failed.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def set_aside(log: Path, most: int = LOG_BYTES) -> None:
    """Keep a log file short: what it held goes to `.1`; its writers append, so they go on at the new beginning."""
    if log.is_file() and log.stat().st_size > most:
        old = log.with_name(f"{log.name}.1")
        old.write_bytes(log.read_bytes())
        os.truncate(log, 0)


def run(folder: DataDir, options: Options, ready: Callable[[str], None], report: Report) -> int:
    """Run a stack in `folder` until a signal comes.

    Raises AlreadyRunning, PortTaken, NotInstalled, DidNotStart.
    """
    folder.make()
    folder.hold()
    folder.forget()
    for log in sorted((folder.path / "logs").glob("*.log")):
        set_aside(log, most=0)
    plan = make_plan(folder, options)
    return asyncio.run(Supervisor(folder, plan, report).run(ready))
