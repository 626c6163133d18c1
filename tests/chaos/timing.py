"""Pauses that end early when somebody says stop."""

import asyncio
import time

POLL_S = 0.5


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Whether somebody said stop in this time; it waits no longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


async def sleep_until(moment: float) -> None:
    """Wait for a moment in time, in seconds since 1970."""
    await asyncio.sleep(max(0.0, moment - time.time()))
