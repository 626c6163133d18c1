"""What happens a thousand times while a server is down leaves one line in the log for each burst."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

QUIET_FOR_S = 10.0
# Routes times dependencies are a few hundred; what is beyond is told each time.
MAX_KINDS = 2_000


@dataclass
class LogThrottle:
    """Counts what is alike, and says when a line is due: for the first, then for all since, every ten seconds."""

    clock: Callable[[], float] = time.monotonic
    _told: dict[Hashable, tuple[float, int]] = field(default_factory=dict)

    def due(self, kind: Hashable) -> int | None:
        """How many of this kind a line is to tell of now, or None where the burst was told of a moment ago."""
        now = self.clock()
        told_at, since = self._told.get(kind, (float("-inf"), 0))
        if now - told_at < QUIET_FOR_S:
            self._told[kind] = told_at, since + 1
            return None
        if kind in self._told or len(self._told) < MAX_KINDS:
            self._told[kind] = now, 0
        return since + 1
