"""In-process notifications that shorten polling.

Changes by another replica are found by polling; a notification only makes the common case fast.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress


class Wakeups:
    """Named notifications. A waiter that wakes up checks the database itself."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self.closed = False

    def notify(self, name: str) -> None:
        """Wake all waiters of this name."""
        for event in self._waiting.get(name, ()):
            event.set()

    def close(self) -> None:
        """Shut down: wake all waiters and stop holding requests."""
        self.closed = True
        for name in list(self._waiting):
            self.notify(name)

    async def wait(self, name: str, seconds: float) -> None:
        """Return on notification, or after so many seconds."""
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
