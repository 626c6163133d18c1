"""Doing the same for many, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[object]], at_once: int) -> None:
    """Do the work for every item, at most `at_once` at a time.

    Every item is tried, so that one that fails keeps no other from its turn; the first failure is raised afterwards.
    """
    free = asyncio.Semaphore(at_once)

    async def one(item: T) -> None:
        async with free:
            await work(item)

    outcomes = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
