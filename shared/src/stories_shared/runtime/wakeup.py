"""A background task that sleeps until there is work: woken in process, or by its interval at the latest."""

import asyncio
import contextlib


class Wakeup:
    """Wakes one waiting task. A call without a waiting task wakes the next wait at once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """There is work."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when woken, after so many seconds at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()
