"""Doing the same to many at once, boundedly: waiting for the database one by one would be most of the time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 16
"""Verbs under way: enough to hide a round trip, few enough to leave connections to requests."""


async def gather_limited(operation: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """Apply a verb to each item, in no order. All are tried, then the first failure is raised."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> None:
        async with free:
            await operation(item)

    for outcome in await asyncio.gather(*map(one, items), return_exceptions=True):
        if outcome is not None:
            raise outcome
