"""Bells within this process, so that nobody waits for the next look at the database without need.

What is decided by another replica is found by looking; a bell only makes the usual case quick.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress


class Wakeups:
    """Rung when there may be something new; whoever waits looks for themselves."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self.closed = False

    def notify(self, name: str) -> None:
        """Wake everyone who waits under this name."""
        for event in self._waiting.get(name, ()):
            event.set()

    def close(self) -> None:
        """The house closes: wake everyone, and let nobody be held who could go."""
        self.closed = True
        for name in list(self._waiting):
            self.notify(name)

    async def wait(self, name: str, seconds: float) -> None:
        """Return when it rings, or after so many seconds."""
        event = asyncio.Event()
        self._waiting[name].add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            self._waiting[name].discard(event)
            if not self._waiting[name]:
                del self._waiting[name]
