"""Starts a stack in the background and stops it."""

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
        stack = folder.running()
        if stack and stack.pid == process.pid and stack.ready:
            return stack
        if process.poll() is not None:
            raise DidNotStart(tail(log, 30))
        time.sleep(POLL_SECONDS)
    process.terminate()
    raise DidNotStart(f"not ready within {START_SECONDS:.0f} s:\n{tail(log)}")


def stop(folder: DataDir) -> bool:
    """Stop the supervisor and wait until it has stopped everything; False if none runs.

    Raises TimeoutError if it does not end within `STOP_SECONDS`.
    """
    deadline = time.monotonic() + STOP_SECONDS
    signalled: int | None = None
    while folder.is_locked():
        stack = folder.running()
        if stack and stack.pid != signalled:
            signalled = stack.pid
            try:
                os.kill(stack.pid, signal.SIGTERM)
            except ProcessLookupError:
                signalled = None
        if time.monotonic() > deadline:
            raise TimeoutError(f"the supervisor (pid {signalled}) did not stop within {STOP_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    return signalled is not None
