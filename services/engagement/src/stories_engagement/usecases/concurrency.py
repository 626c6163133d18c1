"""Bounded concurrency: hides the round trips of independent operations."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

MAX_CONCURRENT = 16
"""Concurrent operations: enough to hide a round trip, few enough to leave connections to requests."""


async def gather_limited(operation: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """Apply an operation to each item, in any order. All are tried, then the first failure is raised."""
    free = asyncio.Semaphore(MAX_CONCURRENT)

    async def one(item: T) -> None:
        async with free:
            await operation(item)

    for outcome in await asyncio.gather(*map(one, items), return_exceptions=True):
        if outcome is not None:
            raise outcome
