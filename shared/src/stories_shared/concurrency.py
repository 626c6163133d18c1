"""Bounded concurrency: hides the round trips of independent operations, and lets requests in between."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_CONCURRENT = 16
"""Concurrent operations: enough to hide a round trip, few enough to leave connections to requests."""
SLICE = 250
"""Items handled before other tasks get their turn: one or two milliseconds of decoding."""


async def gather_limited(
    operation: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int = MAX_CONCURRENT
) -> list[R]:
    """Apply an operation to each item, at most ``limit`` at a time; results are in the order of the items.

    All items are tried, then the first failure is raised.
    """
    free = asyncio.Semaphore(limit)

    async def one(item: T) -> R:
        async with free:
            return await operation(item)

    return await gather_all(map(one, items))


async def gather_all(work: Iterable[Awaitable[R]]) -> list[R]:
    """The results in order. All of the work is awaited, then the first failure is raised."""
    done = []
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        done.append(outcome)
    return done


async def map_in_slices(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply a function to each item, and let other tasks run after every ``SLICE`` of them.

    A batch has thousands of items: without pauses no request would be answered for tens of milliseconds.
    """
    done: list[R] = []
    for first in range(0, len(items), SLICE):
        if first:
            await asyncio.sleep(0)
        done += map(function, items[first : first + SLICE])
    return done
