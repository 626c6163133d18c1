"""Waiting with a deadline, never for a fixed time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from stories_shared.testing import eventually

SOON = 2.0
"""Seconds until an effect in one service is visible in the others (contract, section 2)."""
AT_ONCE = 1.0
"""Seconds until a block, a deletion or a narrowed audience takes effect."""
ERASED = 20.0
"""Seconds until the stores have erased, on a busy machine."""
POLL = 0.03


async def holds(assertions: Callable[[], Awaitable[None]], within_s: float) -> None:
    """Repeat assertions until they pass; the last failure if they never do."""
    await eventually(assertions, within_s, accept=lambda _: True)


async def end_of(story: "dict[str, str]") -> None:
    """Wait until the end of a story."""
    end = datetime.fromisoformat(story["expires_at"])
    while datetime.now(UTC) < end:  # noqa: ASYNC110 - the clock says so
        await asyncio.sleep(POLL)
