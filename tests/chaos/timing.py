"""Pauses that end early on a stop event."""

import asyncio
import time

POLL_S = 0.5


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait for the stop event, at most so many seconds; whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


async def sleep_until(moment: float) -> None:
    """Sleep until a time, in seconds since 1970."""
    await asyncio.sleep(max(0.0, moment - time.time()))
