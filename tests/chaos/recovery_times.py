"""Counters of the replicas, read often because a killed process loses its own."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

EVERY_S = 3.0
HANDLED = re.compile(r'^stories_event_age_seconds_count\{group="([^"]+)",topic="([^"]+)"\} (\S+)', re.MULTILINE)


@dataclass
class RecoveryTimes:
    """The number of records that each group has processed, over restarts of its processes; a lower bound."""

    endpoints: Mapping[str, httpx.AsyncClient]
    _last: dict[tuple[str, str], float] = field(default_factory=dict)
    _before: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    async def run(self) -> None:
        """Read for ever."""
        while True:
            await self.read()
            await asyncio.sleep(EVERY_S)

    async def read(self) -> None:
        """Read the counters of all replicas."""
        await asyncio.gather(*(self._one(name, endpoint) for name, endpoint in list(self.endpoints.items())))

    async def _one(self, name: str, endpoint: httpx.AsyncClient) -> None:
        try:
            page = await endpoint.get("/metrics", timeout=3)
        except httpx.HTTPError:
            return
        for group, _, count in HANDLED.findall(page.text):
            self.note(name, group, float(count))

    def note(self, replica: str, group: str, count: float) -> None:
        """Record the value of a counter. A decrease means a new process."""
        last = self._last.get((replica, group), 0.0)
        if count < last:
            self._before[group] += last
        self._last[replica, group] = count

    def handled(self) -> dict[str, int]:
        """Processed records by group."""
        found: dict[str, float] = defaultdict(float, self._before)
        for (_, group), count in self._last.items():
            found[group] += count
        return {group: round(count) for group, count in found.items()}

    def redelivered(self, appended: Mapping[str, int]) -> int:
        """The least number of redelivered records: processed records beyond those ever appended."""
        return sum(max(0, count - appended.get(group.partition(".")[2], 0)) for group, count in self.handled().items())
