"""Bounded concurrency."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[R]], limit: int) -> list[R]:
    """Call `work` for every item, at most `limit` at a time; results are in the order of the items.

    Every item is processed even if another fails; the first error is raised afterwards.
    """
    semaphore = asyncio.Semaphore(limit)

    async def run(item: T) -> R:
        async with semaphore:
            return await work(item)

    done = []
    for outcome in await asyncio.gather(*(run(item) for item in items), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        done.append(outcome)
    return done
