"""What a process may say of itself: that it lives (its loops turn), and that it is ready (what it needs is there)."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from stories_shared.errors import failed_dependency
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.metrics import CommonMetrics

Check = Callable[[], bool | str | None]
"""A condition of readiness: true or None where it holds, a text or false where it does not."""

CHECK_EVERY = timedelta(seconds=1)
MAX_SKEW_S = 2.0
ANSWER_WITHIN_S = 2.5
# A look that is older than this says nothing about now: the process was frozen.
CHECK_VALID_S = 5.0


class Health:
    """Readiness as of the last look, once a second, so that asking costs nothing."""

    def __init__(self, mongo: Mongo, metrics: CommonMetrics) -> None:
        self.mongo = mongo
        self.metrics = metrics
        self.gates: dict[str, Check] = {}
        self.notes: dict[str, Check] = {}
        self.mongo_problem: str | None = "not asked yet"
        self.skew_s = 0.0
        self.clock_is_known = False
        self.looked_at = float("-inf")

    def readiness_check(self, name: str, ready: Check) -> None:
        """Add a condition."""
        self.gates[name] = ready

    def degraded_check(self, name: str, well: Check) -> None:
        """Add something that is told of beside readiness: most is served without it."""
        self.notes[name] = well

    async def look(self) -> None:
        """Ask MongoDB for its time, which is also a sign of its life."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                skew = await self.mongo.skew_seconds()
            # A slow answer says little about the clocks; only what is certain counts.
            uncertain = time.monotonic() - began
            self.skew_s = skew if abs(skew) > uncertain else 0.0
            self.clock_is_known = True
            self.mongo_problem = None
        except TimeoutError:
            self.mongo_problem = "no answer in time"
        except Exception as error:  # noqa: BLE001  (any reason not to answer is one)
            self.mongo_problem = (failed_dependency(error) and type(error).__name__) or str(error)[:200]
        self.looked_at = time.monotonic()
        self.metrics.clock_skew.set(self.skew_s)
        self.metrics.ready.set(0 if self.problems() else 1)

    @property
    def clock_is_off(self) -> bool:
        """Whether this clock disagrees with MongoDB's, so that nothing about time may be answered."""
        return abs(self.skew_s) > MAX_SKEW_S

    @property
    def clock_is_right(self) -> bool:
        """Whether it is known to agree. Before MongoDB has answered once, nobody knows."""
        return self.clock_is_known and not self.clock_is_off

    def problems(self) -> dict[str, str]:
        """Why the process is not ready, by condition; empty when it is."""
        found: dict[str, str] = {}
        if time.monotonic() - self.looked_at > CHECK_VALID_S:
            found["look"] = "not looked for a while"
        if self.mongo_problem:
            found["mongodb"] = self.mongo_problem
        if self.clock_is_off:
            found["clock"] = f"{self.skew_s:+.1f} s off MongoDB's"
        return found | failing(self.gates)

    def impaired(self) -> dict[str, str]:
        """What the process does without, though it is ready."""
        return failing(self.notes)

    def failing_names(self) -> list[str]:
        """The names of everything that is not as it should be."""
        return sorted({*self.problems(), *self.impaired()})


def failing(gates: Mapping[str, Check]) -> dict[str, str]:
    """Which conditions do not hold, and why."""
    found = {name: ready() for name, ready in gates.items()}
    return {
        name: said if isinstance(said, str) else "not ready"
        for name, said in found.items()
        if said is False or isinstance(said, str)
    }
