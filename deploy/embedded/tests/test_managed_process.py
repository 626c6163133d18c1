"""A managed process is restarted on the same port, with growing pauses."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from stories_embedded.managed_process import ManagedProcess
from stories_embedded.server import DidNotStart, Server
from stories_shared.testing import eventually

TIMEOUT_S = 20.0


class Program(Server):
    """A Python program that becomes ready by touching a file."""

    stop_seconds = 1.0

    def __init__(self, folder: Path, code: str, name: str = "program") -> None:
        self.name, self._folder, self._code = name, folder, code
        self.is_stuck = False

    @property
    def url(self) -> str:
        return "http://127.0.0.1:1"

    def prepare(self) -> None:
        (self._folder / "ready").unlink(missing_ok=True)

    def command(self) -> list[str]:
        start = "import pathlib, time, os, signal, subprocess, sys\n"
        return [sys.executable, "-c", f"{start}ready = pathlib.Path({str(self._folder)!r}) / 'ready'\n{self._code}"]

    def ready(self) -> bool:
        return (self._folder / "ready").exists()

    def stuck(self) -> bool:
        return self.is_stuck


FOREVER = "ready.touch()\ntime.sleep(600)"
CRASHING = "sys.exit('no luck')"


@pytest_asyncio.fixture
async def keep(tmp_path: Path) -> AsyncIterator[Callable[[str], ManagedProcess]]:
    kept: list[ManagedProcess] = []

    def make(code: str) -> ManagedProcess:
        kept.append(ManagedProcess(Program(tmp_path, code), tmp_path / "program.log", os.environ, lambda: None))
        kept[-1].start()
        return kept[-1]

    yield make
    for process in kept:
        await process.stop()


async def test_killed_program_is_restarted(keep: Callable[[str], ManagedProcess]) -> None:
    process = keep(FOREVER)
    await process.wait_ready()
    first = process.state.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: process.state.state == "running" and process.state.pid != first, TIMEOUT_S)
    assert process.state.restarts == 1


async def test_state_is_restarting_while_the_program_is_down(keep: Callable[[str], ManagedProcess]) -> None:
    process = keep("ready.touch()\ntime.sleep(0.3)")
    await process.wait_ready()
    await eventually(lambda: process.state.state == "restarting" and process.state.restarts >= 3, TIMEOUT_S)


async def test_program_that_is_never_ready_is_given_up_with_its_log(
    keep: Callable[[str], ManagedProcess],
) -> None:
    process = keep(CRASHING)
    with pytest.raises(DidNotStart, match="no luck"):
        await process.wait_ready()
    assert (process.state.state, process.state.pid) == ("stopped", None)


async def test_program_with_invalid_settings_is_not_restarted(keep: Callable[[str], ManagedProcess]) -> None:
    process = keep("print('PORT: is missing'); sys.exit(2)")
    with pytest.raises(DidNotStart, match="PORT: is missing"):
        await process.wait_ready()
    assert process.state.restarts == 0


async def test_program_that_ignores_sigterm_is_killed_with_its_group(
    keep: Callable[[str], ManagedProcess],
) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsubprocess.Popen(['sleep', '600'])\n" + FOREVER
    process = keep(stubborn)
    await process.wait_ready()
    assert process.state.pid
    family = [psutil.Process(process.state.pid), *psutil.Process(process.state.pid).children()]
    assert len(family) == 2
    await process.stop()
    await eventually(
        lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family), TIMEOUT_S
    )
    assert process.state.state == "stopped"


async def test_program_with_failing_liveness_probe_is_restarted(
    keep: Callable[[str], ManagedProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stories_embedded.managed_process.WATCH_SECONDS", 0.02)
    process = keep(FOREVER)
    assert isinstance(process.server, Program)
    await process.wait_ready()
    process.server.is_stuck = True
    await eventually(lambda: process.state.restarts == 1, TIMEOUT_S)
