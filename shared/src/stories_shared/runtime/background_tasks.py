"""Background tasks: restarted with backoff when they fail, and checked for stalls by their heartbeat."""

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
# A task that neither finished an iteration nor failed for so long is stalled, and liveness reports it.
STALLED_AFTER_S = 120.0
CANCEL_RETRY_S = 0.5
STOP_WITHIN_S = 1.5


@dataclass
class BackgroundTask:
    """One task and its last heartbeat, on the monotonic clock."""

    name: str
    run: Callable[[], Awaitable[object]]
    watched: bool = False
    iterations: Callable[[], int] | None = None
    last_heartbeat: float = field(default_factory=time.monotonic)
    iterations_seen: int = 0

    def is_stalled(self, now: float) -> bool:
        """Whether a watched task has had no heartbeat for ``STALLED_AFTER_S``."""
        if self.iterations and self.iterations() != self.iterations_seen:
            self.iterations_seen, self.last_heartbeat = self.iterations(), now
        return self.watched and now - self.last_heartbeat > STALLED_AFTER_S


class TaskSupervisor:
    """The background tasks of a process, started and stopped together."""

    def __init__(self) -> None:
        self.background_tasks: list[BackgroundTask] = []
        self._tasks: list[asyncio.Task[None]] = []

    def background_task(
        self, name: str, run: Callable[[], Awaitable[object]], iterations: Callable[[], int] | None = None
    ) -> None:
        """Add a task that loops for ever; it is restarted with backoff when it fails.

        Args:
            name: for logs.
            run: the loop.
            iterations: how many iterations it has finished; a task without one for two minutes is stalled.
        """
        self.background_tasks.append(BackgroundTask(name, run, watched=iterations is not None, iterations=iterations))

    def periodic(self, name: str, every: timedelta, iteration: Callable[[], Awaitable[object]]) -> None:
        """Add a bounded iteration that runs periodically, never twice at a time, with a jitter of a tenth.

        Args:
            name: for logs.
            every: from the end of one iteration to the start of the next; one that returns ``True`` has more work and
                runs again at once.
            iteration: the work.
        """

        async def run() -> None:
            while True:
                more = await iteration()
                task.last_heartbeat = time.monotonic()
                if more is not True:
                    await asyncio.sleep(every.total_seconds() * random.uniform(0.9, 1.1))  # noqa: S311

        task = BackgroundTask(name, run, watched=every.total_seconds() < STALLED_AFTER_S / 2)
        self.background_tasks.append(task)

    def start(self) -> None:
        """Start all of them."""
        self._tasks = [asyncio.create_task(self._supervise(task), name=task.name) for task in self.background_tasks]

    async def stop(self) -> None:
        """Cancel all of them and wait for them; one that does not end in time is abandoned.

        Cancellation is repeated: before Python 3.12 ``asyncio.wait_for``, which clients use, may swallow one.
        """
        running, until = set(self._tasks), time.monotonic() + STOP_WITHIN_S
        while running and time.monotonic() < until:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=CANCEL_RETRY_S)
        for task in running:
            log.warning("task_abandoned", task=task.get_name())
            abandon(task)
        self._tasks = []

    def stalled(self) -> list[str]:
        """The names of stalled tasks."""
        now = time.monotonic()
        return [task.name for task in self.background_tasks if task.is_stalled(now)]

    async def _supervise(self, background: BackgroundTask) -> None:
        backoff = FIRST_BACKOFF_S
        while True:
            began = background.last_heartbeat = time.monotonic()
            try:
                await background.run()
                return
            except (Exception, asyncio.CancelledError) as error:
                # A CancelledError without a request to cancel this task leaked out of a client: treat it as a failure.
                current = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and current and current.cancelling():
                    raise
                if time.monotonic() - began > LAST_BACKOFF_S:
                    backoff = FIRST_BACKOFF_S
                dependency = failed_dependency(error)
                if dependency:
                    log.warning("task_waiting", task=background.name, dependency=dependency, error=type(error).__name__)
                else:
                    log.exception("task_failed", task=background.name)
            with contextlib.suppress(TimeoutError):
                await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311
            backoff = min(backoff * 2, LAST_BACKOFF_S)
