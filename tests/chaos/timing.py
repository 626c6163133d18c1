"""Pauses, and waiting for what should come true."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from stories_shared.testing import eventually

POLL_S = 0.5


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait for the stop event, at most so many seconds; whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


async def came_true(condition: Callable[[], Any], within_s: float) -> bool:
    """Poll a condition, plain or asynchronous, until it is true; whether that was in time. Polls at least once."""
    try:
        await eventually(condition, max(within_s, 0.1), every_s=0.2)
    except AssertionError:
        return False
    return True


async def sleep_until(moment: float) -> None:
    """Sleep until a time, in seconds since 1970."""
    await asyncio.sleep(max(0.0, moment - time.time()))
