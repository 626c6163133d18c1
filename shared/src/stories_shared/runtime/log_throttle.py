"""Throttles repeated log lines: one line for each burst instead of thousands while a server is down."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

INTERVAL_S = 10.0
# Routes times dependencies are a few hundred; kinds beyond this bound are always logged.
MAX_KINDS = 2_000


@dataclass
class LogThrottle:
    """Counts events of one kind. The first is logged, then at most one line every ten seconds with the count since."""

    clock: Callable[[], float] = time.monotonic
    _logged: dict[Hashable, tuple[float, int]] = field(default_factory=dict)

    def should_log(self, kind: Hashable) -> int | None:
        """How many events of this kind to log now in one line, or None if one was logged in the last ten seconds."""
        now = self.clock()
        logged_at, since = self._logged.get(kind, (float("-inf"), 0))
        if now - logged_at < INTERVAL_S:
            self._logged[kind] = logged_at, since + 1
            return None
        if kind in self._logged or len(self._logged) < MAX_KINDS:
            self._logged[kind] = now, 0
        return since + 1
