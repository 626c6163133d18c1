"""Doing the same for many, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[R]], limit: int) -> list[R]:
    """Do the work for every item, at most `at_once` at a time; the results in the order of the items.

    Every item is tried, so that one that fails keeps no other from its turn; the first failure is raised afterwards.
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
