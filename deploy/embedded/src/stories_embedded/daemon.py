"""A stack in the background: started, waited for, stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from .data_dir import DataDir, StackState
from .server import DidNotStart, tail
from .supervisor import START_SECONDS

STOP_SECONDS = 60.0
POLL_SECONDS = 0.1


def launch(folder: DataDir, arguments: Sequence[str]) -> StackState:
    """Start `stories up` with these arguments in a session of its own and wait until it is ready.

    Raises DidNotStart.
    """
    folder.make()
    log = folder.log("supervisor")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "stories_cli", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS + STOP_SECONDS
    while time.monotonic() < deadline:
        there = folder.running()
        if there and there.pid == process.pid and there.ready:
            return there
        if process.poll() is not None:
            raise DidNotStart(tail(log, 30))
        time.sleep(POLL_SECONDS)
    process.terminate()
    raise DidNotStart(f"not ready within {START_SECONDS:.0f} s:\n{tail(log)}")


def stop(folder: DataDir) -> bool:
    """Ask the supervisor to stop everything and wait until it has; False where none runs.

    Raises TimeoutError when it does not end in time.
    """
    deadline = time.monotonic() + STOP_SECONDS
    asked: int | None = None
    while folder.held():
        there = folder.running()
        if there and there.pid != asked:
            asked = there.pid
            try:
                os.kill(there.pid, signal.SIGTERM)
            except ProcessLookupError:
                asked = None
        if time.monotonic() > deadline:
            raise TimeoutError(f"the supervisor (pid {asked}) did not stop within {STOP_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    return asked is not None
