"""Readiness and degradation of this process, from periodic checks."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from stories_shared.errors import failed_dependency
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.metrics import CommonMetrics
from stories_shared.tls import refused_certificate

Check = Callable[[], bool | str | None]
"""A health check: true or None if it passes, a reason or false if it fails."""

CHECK_INTERVAL = timedelta(seconds=1)
MAX_SKEW_S = 2.0
TIMEOUT_S = 2.5
# An older check means that the process was frozen.
CHECK_VALID_S = 5.0


class Health:
    """Readiness as of the last check, once a second, so that a probe costs nothing."""

    def __init__(self, mongo: Mongo, metrics: CommonMetrics) -> None:
        self.mongo = mongo
        self.metrics = metrics
        self.readiness_checks: dict[str, Check] = {}
        self.degraded_checks: dict[str, Check] = {}
        self.mongo_problem: str | None = "not checked yet"
        self.skew_s = 0.0
        self.clock_is_known = False
        self.checked_at = float("-inf")

    def readiness_check(self, name: str, check: Check) -> None:
        """Add a check; the process is not ready while it fails."""
        self.readiness_checks[name] = check

    def degraded_check(self, name: str, check: Check) -> None:
        """Add a check of a dependency that most requests do not need: reported by a process that stays ready."""
        self.degraded_checks[name] = check

    async def check(self) -> None:
        """Check that MongoDB answers and lets this service in, and measure the clock skew against it."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                skew = await self.mongo.skew_seconds()
                # A slow answer makes the measured skew uncertain; a skew within the round trip does not count.
                uncertain = time.monotonic() - began
                self.skew_s = skew if abs(skew) > uncertain else 0.0
                self.clock_is_known = True
                await self.mongo.check_access()
            self.mongo_problem = None
        except TimeoutError:
            self.mongo_problem = "no answer in time"
        except Exception as error:  # noqa: BLE001  (any reason not to answer is one)
            transient = failed_dependency(error) and type(error).__name__
            self.mongo_problem = refused_certificate(error) or transient or str(error)[:200]
        self.checked_at = time.monotonic()
        self.metrics.clock_skew.set(self.skew_s)
        self.metrics.ready.set(0 if self.failing() else 1)

    @property
    def clock_is_off(self) -> bool:
        """Whether this clock differs from MongoDB's by more than ``MAX_SKEW_S``."""
        return abs(self.skew_s) > MAX_SKEW_S

    @property
    def clock_is_right(self) -> bool:
        """Whether it is known to agree; false until MongoDB has answered once."""
        return self.clock_is_known and not self.clock_is_off

    def failing(self) -> dict[str, str]:
        """The failing readiness checks with their reasons; empty if the process is ready."""
        found: dict[str, str] = {}
        if time.monotonic() - self.checked_at > CHECK_VALID_S:
            found["look"] = "no check for a while"
        if self.mongo_problem:
            found["mongodb"] = self.mongo_problem
        if self.clock_is_off:
            found["clock"] = f"{self.skew_s:+.1f} s off MongoDB's"
        return found | failing_checks(self.readiness_checks)

    def degraded(self) -> dict[str, str]:
        """The failing checks that do not make the process unready, with their reasons."""
        return failing_checks(self.degraded_checks)

    def failing_names(self) -> list[str]:
        """The names of all failing checks."""
        return sorted({*self.failing(), *self.degraded()})


def failing_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """The failing checks with their reasons."""
    results = {name: check() for name, check in checks.items()}
    return {
        name: result if isinstance(result, str) else "not ready"
        for name, result in results.items()
        if result is False or isinstance(result, str)
    }
