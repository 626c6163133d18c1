"""Runs a stack in the foreground: starts everything in order, restarts what ends, and stops in reverse order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from stories_shared.events.cloudevents import SERVICES

from . import dev_server
from .activity import Activity
from .data_dir import DataDir, StackState
from .keys import StackKeys
from .managed_process import ManagedProcess
from .processes import kill_group, spawn, wait_exit
from .server import DidNotStart, Server, tail
from .topology import Options, StackTopology, all_settings, plan_stack, service_settings

if TYPE_CHECKING:
    from stories_shared.kafka.client import Kafka

START_SECONDS = 300.0
LOG_BYTES = 64 * 1024 * 1024  # a longer log file is rotated; one old file is kept
ROTATE_SECONDS = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Report = Callable[[str], None]


class Supervisor:
    """The processes of one stack."""

    def __init__(self, folder: DataDir, plan: StackTopology, report: Report) -> None:
        self._folder, self._plan, self._report = folder, plan, report
        self._processes: list[ManagedProcess] = []
        self._state = StackState(os.getpid(), plan.gateway.url)
        self._servers = [self._managed(server) for server in plan.servers]
        self._services = [self._managed(service) for service in plan.services]
        self._gateway = self._managed(plan.gateway)
        self._monitoring = [self._managed(each) for each in plan.monitoring]

    async def run(self, ready: Callable[[str], None]) -> int:
        """Start, call `ready` with the URL of the gateway, run until a signal, stop; returns the exit code.

        Raises DidNotStart after stopping everything.
        """
        stop_requested = self._stop_signals()
        starting = asyncio.create_task(self._start())
        waiting = asyncio.create_task(stop_requested.wait())
        rotating = asyncio.create_task(self._rotate_logs())
        try:
            await asyncio.wait({starting, waiting}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                self._state.ready = True
                self._write()
                ready(self._plan.gateway.url)
                await stop_requested.wait()
            elif not waiting.done():
                self._give_up()
            self._report("stopping")
        except DidNotStart as error:
            self._state.failure = str(error)
            raise
        finally:
            for task in (starting, waiting, rotating):
                task.cancel()
            await asyncio.gather(starting, waiting, rotating, return_exceptions=True)
            await self._stop()
        return 0

    def _give_up(self) -> NoReturn:
        late = ", ".join(process.server.name for process in self._processes if process.state.state != "running")
        raise DidNotStart(f"not ready within {START_SECONDS:.0f} s: {late}")

    async def _start(self) -> None:
        began = time.monotonic()

        async def up(processes: Iterable[ManagedProcess]) -> None:
            async def one(process: ManagedProcess) -> None:
                process.start()
                await process.wait_ready()
                self._report(f"{process.server.name} is ready after {time.monotonic() - began:.1f} s")

            async with asyncio.TaskGroup() as group:
                for process in processes:
                    group.create_task(one(process))

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._describe())
                await up(self._servers)
            await self._init()
            await up([*self._services, self._gateway])
            await up(self._monitoring)  # so that it sees no errors of the start
            for process in self._monitoring:
                self._report(f"metrics and alerts: {process.server.url}/alerts")
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _describe(self) -> None:
        """Write the settings that `stories env` prints, while the servers start."""
        self._state.settings = await asyncio.to_thread(all_settings, self._plan)
        self._state.services = {name: service_settings(name, self._state.settings) for name in SERVICES}
        self._write()

    async def _init(self) -> None:
        """Create topics, bucket and indexes."""
        log = self._folder.log("init")
        process = spawn([sys.executable, "-m", "stories_embedded.init"], log, {**os.environ, **self._plan.settings})
        try:
            if code := await wait_exit(process):
                raise DidNotStart(f"init ended with {code}:\n{tail(log)}")
        finally:
            kill_group(process)
        self._report("topics, bucket and indexes exist")

    async def _stop(self) -> None:
        """Stop the gateway first, then the services, then the servers."""
        for processes in ([self._gateway, *self._monitoring], self._services, self._servers):
            await asyncio.gather(*(process.stop() for process in processes))
        self._state.ready = False
        self._write()

    def _managed(self, server: Server) -> ManagedProcess:
        process = ManagedProcess(server, self._folder.log(server.name), os.environ, self._write)
        self._processes.append(process)
        return process

    def _write(self) -> None:
        self._state.processes = [process.state for process in self._processes]
        self._folder.write(self._state)

    def _stop_signals(self) -> asyncio.Event:
        """An event that the first signal sets; the second signal kills everything at once."""
        stop_requested, loop = asyncio.Event(), asyncio.get_running_loop()

        def on_signal() -> None:
            if stop_requested.is_set():
                os._exit(1)  # the kernel kills the children
            stop_requested.set()

        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, on_signal)
        return stop_requested

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            for process in self._processes:
                rotate_log(self._folder.log(process.server.name))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failed start in a group, else the first error."""
    failed = group.subgroup(DidNotStart) or group
    first = failed.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def rotate_log(log: Path, max_bytes: int = LOG_BYTES) -> None:
    """Move the content of a long log file to `.1`. Its writers append, so they continue in the emptied file."""
    if log.is_file() and log.stat().st_size > max_bytes:
        old = log.with_name(f"{log.name}.1")
        old.write_bytes(log.read_bytes())
        os.truncate(log, 0)


def run(folder: DataDir, options: Options, ready: Callable[[str], None], report: Report) -> int:
    """Run a stack in `folder` until a signal arrives.

    Raises AlreadyRunning, PortTaken, NotInstalled, DidNotStart.
    """
    folder.make()
    folder.acquire_lock()
    folder.clear_state()
    for log in sorted((folder.path / "logs").glob("*.log")):
        rotate_log(log, max_bytes=0)
    plan = plan_stack(folder, options)
    tokens, activity = _tokens(folder, plan), _activity(plan)
    with dev_server.serving(plan.sign_in_port, tokens, activity) if plan.sign_in_port else nullcontext():
        return asyncio.run(Supervisor(folder, plan, report).run(ready))


def _tokens(folder: DataDir, plan: StackTopology) -> dev_server.Tokens:
    """Tokens of this stack's own key."""
    keys = StackKeys(folder.keys)

    def token(user: str, admin: bool) -> str:
        return keys.issuer(all_settings(plan)).token(user, roles=["admin"] if admin else [])

    return token


def _activity(plan: StackTopology) -> Activity:
    """The activity of the stack; loads Kafka's client when one connects, since that takes as long as all the rest."""

    def kafka() -> "Kafka":
        from stories_shared.kafka.client import Kafka
        from stories_shared.runtime.settings import Settings, load

        given = {name.lower(): value for name, value in all_settings(plan).items()}
        return Kafka.of(load(Settings, {**given, "mongo_database": "stories"}))

    return Activity(kafka, {each.name: each.url for each in plan.services})
