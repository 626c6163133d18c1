"""Waiting that ends in time, whatever it is that is waited for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_abandoned: set[asyncio.Future[Any]] = set()


async def wait_at_most(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What the work returns. Work that takes longer is cancelled and left behind.

    Unlike ``asyncio.timeout`` it does not wait for the cancelled: to take back what it had begun it may need the very
    server that does not answer, and before Python 3.12 ``asyncio.wait_for``, which clients use, swallows a
    cancellation that meets its result.

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
    """Cancel and wait no more; what it still ends with is of no interest."""
    _abandoned.add(task)
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()
