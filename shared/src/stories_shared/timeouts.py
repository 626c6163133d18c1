"""Deadlines that do not wait for the cancelled work."""

import asyncio
from collections.abc import Coroutine
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
