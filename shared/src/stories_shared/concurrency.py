"""Bounded concurrency: hides the round trips of independent operations."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_CONCURRENT = 16
"""Concurrent operations: enough to hide a round trip, few enough to leave connections to requests."""


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

    done = []
    for outcome in await asyncio.gather(*map(one, items), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        done.append(outcome)
    return done
