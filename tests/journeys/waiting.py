"""Waiting with a deadline, never for a fixed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")

SOON = 2.0
"""Seconds until an effect in one service shows in the others (contract, section 2)."""
AT_ONCE = 1.0
"""Seconds until a block, a deletion or a narrowed audience does."""
ERASED = 20.0
"""Seconds that the stores get to forget, on a machine that may be busy."""
POLL = 0.03


async def within(seconds: float, look: Callable[[], Awaitable[T]], until: Callable[[T], object] = bool) -> T:
    """What `look` finds, as soon as `until` accepts it. A failed assertion counts as not yet.

    Raises AssertionError, with what was seen last, when the time is over.
    """
    deadline, last = time.monotonic() + seconds, "nothing"
    while True:
        in_time = time.monotonic() < deadline  # judged before looking: a slow look still counts
        try:
            found = await look()
            if until(found):
                return found
            last = repr(found)
        except AssertionError as error:
            last = str(error)
        assert in_time, f"not within {seconds} s; last: {last}"
        await asyncio.sleep(POLL)


async def holds(seconds: float, check: Callable[[], Awaitable[object]]) -> None:
    """Wait until a check does not fail any more."""
    await within(seconds, check, lambda _: True)


async def end_of(story: "dict[str, str]") -> None:
    """Wait for the moment at which a story ends."""
    end = datetime.fromisoformat(story["expires_at"])
    while datetime.now(UTC) < end:  # noqa: ASYNC110 - the clock says so
        await asyncio.sleep(POLL)
