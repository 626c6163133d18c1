"""Deadlines: one that does not wait for the cancelled work, and one that costs hardly anything."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

_abandoned: set[asyncio.Future[Any]] = set()


async def wait_at_most(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work. Work that takes longer is cancelled and abandoned.

    Unlike ``asyncio.timeout`` it does not wait for the cancelled work: cleaning up may need the very server that does
    not answer, and before Python 3.12 ``asyncio.wait_for``, which clients use, may swallow a cancellation.

    Raises:
        TimeoutError: the time is over.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        abandon(task)
        raise
    if done:
        return task.result()
    abandon(task)
    raise TimeoutError


def abandon(task: asyncio.Future[Any]) -> None:
    """Cancel a task without waiting for it, and ignore its result."""
    _abandoned.add(task)
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()


class SharedTimeout:
    """``asyncio.timeout`` for work that begins often and always has the same time: one timer serves all of it.

    A timer for each of several thousand requests a second, of which almost none is needed, takes five microseconds.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: deque[Running] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> "Running":
        """A context manager around work of the current task. It raises TimeoutError when the time is over."""
        loop = asyncio.get_running_loop()
        running, at = self._running, loop.time()
        if loop is not self._loop:
            running.clear()
            self._loop, self._timer = loop, None
        while running and running[0].task is None:
            running.popleft()
        begun = Running(asyncio.current_task(), at + self.seconds)
        running.append(begun)
        if self._timer is None:
            self._timer = loop.call_at(begun.until, self._expire, loop)
        return begun

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is over, and look again when the next one may be."""
        running, now = self._running, loop.time()
        while running and (running[0].task is None or running[0].until <= now):
            running.popleft().expire()
        self._timer = loop.call_at(running[0].until, self._expire, loop) if running else None


class Running:
    """Work of a task that has a deadline, until it is left."""

    __slots__ = ("expired", "task", "until")

    def __init__(self, task: asyncio.Task[Any] | None, until: float) -> None:
        self.task, self.until, self.expired = task, until, False

    def expire(self) -> None:
        """Cancel the work, if it still runs."""
        if self.task is not None:
            self.expired = True
            self.task.cancel()

    def __enter__(self) -> None: ...

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        task, self.task = self.task, None
        if self.expired and task is not None and task.uncancel() == 0 and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error
