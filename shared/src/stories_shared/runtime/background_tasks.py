"""Loops that run for as long as the process: restarted with backoff when they fail, watched by their beat."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from stories_shared.errors import failed_dependency
from stories_shared.runtime.logging import logger
from stories_shared.timeouts import abandon

log = logger(__name__)

FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.1, 5.0
# A loop that neither finished a turn nor failed for so long hangs: liveness says so.
STALLED_AFTER_S = 120.0
CANCEL_AGAIN_S = 0.5
STOP_WITHIN_S = 1.5


@dataclass
class BackgroundTask:
    """One loop and when it last showed life, on the monotonic clock."""

    name: str
    run: Callable[[], Awaitable[object]]
    watched: bool = False
    turns: Callable[[], int] | None = None
    beat: float = field(default_factory=time.monotonic)
    failing_since: float | None = None
    counted: int = 0

    def hangs(self, now: float) -> bool:
        """Whether a watched loop has shown no life for too long."""
        if self.turns and self.turns() != self.counted:
            self.counted, self.beat = self.turns(), now
        return self.watched and now - self.beat > STALLED_AFTER_S


class TaskSupervisor:
    """The loops of a process, started and stopped together."""

    def __init__(self) -> None:
        self.loops: list[BackgroundTask] = []
        self._tasks: list[asyncio.Task[None]] = []

    def background_task(
        self, name: str, run: Callable[[], Awaitable[object]], turns: Callable[[], int] | None = None
    ) -> None:
        """A loop that runs for ever by itself; one that counts its turns is watched by them."""
        self.loops.append(BackgroundTask(name, run, watched=turns is not None, turns=turns))

    def periodic(self, name: str, every: timedelta, turn: Callable[[], Awaitable[object]]) -> None:
        """A bounded turn that is called again and again, never twice at a time, spread by up to a tenth.

        Args:
            name: for logs.
            every: from the end of one turn to the begin of the next; a turn that returns ``True`` has more to do and
                is called again at once.
            turn: what is done.
        """

        async def run() -> None:
            while True:
                more = await turn()
                loop.beat = time.monotonic()
                loop.failing_since = None
                if more is not True:
                    await asyncio.sleep(every.total_seconds() * random.uniform(0.9, 1.1))  # noqa: S311

        loop = BackgroundTask(name, run, watched=every.total_seconds() < STALLED_AFTER_S / 2)
        self.loops.append(loop)

    def start(self) -> None:
        """Start all of them."""
        self._tasks = [asyncio.create_task(self._keep(loop), name=loop.name) for loop in self.loops]

    async def stop(self) -> None:
        """Cancel all of them and wait until they are gone; one that does not go in time is left behind.

        A task is cancelled again and again: before Python 3.12 ``asyncio.wait_for``, which clients use, swallows a
        cancellation that meets its result.
        """
        going, until = set(self._tasks), time.monotonic() + STOP_WITHIN_S
        while going and time.monotonic() < until:
            for task in going:
                task.cancel()
            _, going = await asyncio.wait(going, timeout=CANCEL_AGAIN_S)
        for task in going:
            log.warning("loop_left_behind", loop=task.get_name())
            abandon(task)
        self._tasks = []

    def stalled(self) -> list[str]:
        """The names of loops that show no life."""
        now = time.monotonic()
        return [loop.name for loop in self.loops if loop.hangs(now)]

    async def _keep(self, loop: BackgroundTask) -> None:
        backoff = FIRST_BACKOFF_S
        while True:
            began = loop.beat = time.monotonic()
            try:
                await loop.run()
                return
            except (Exception, asyncio.CancelledError) as error:
                # A cancellation that nobody asked of this task leaked out of a client that cancels its own: a failure.
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                    raise
                if time.monotonic() - began > LAST_BACKOFF_S:
                    backoff = FIRST_BACKOFF_S
                loop.failing_since = loop.failing_since or began
                dependency = failed_dependency(error)
                if dependency:
                    log.warning("loop_waits", loop=loop.name, dependency=dependency, error=type(error).__name__)
                else:
                    log.exception("loop_failed", loop=loop.name)
            with contextlib.suppress(TimeoutError):
                await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311
            backoff = min(backoff * 2, LAST_BACKOFF_S)
