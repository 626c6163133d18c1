"""Figures of the replicas while they live: counters are read often, since a killed process takes its own with it."""

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
    """How many records each group has handled, over the lives of all its processes; a little less than in truth."""

    doors: Mapping[str, httpx.AsyncClient]
    _last: dict[tuple[str, str], float] = field(default_factory=dict)
    _before: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    async def run(self) -> None:
        """Read for ever."""
        while True:
            await self.read()
            await asyncio.sleep(EVERY_S)

    async def read(self) -> None:
        """One look at everything."""
        await asyncio.gather(*(self._one(name, door) for name, door in list(self.doors.items())))

    async def _one(self, name: str, door: httpx.AsyncClient) -> None:
        try:
            page = await door.get("/metrics", timeout=3)
        except httpx.HTTPError:
            return
        for group, _, count in HANDLED.findall(page.text):
            self.note(name, group, float(count))

    def note(self, replica: str, group: str, count: float) -> None:
        """A counter as it stands. One that fell belongs to a new process."""
        last = self._last.get((replica, group), 0.0)
        if count < last:
            self._before[group] += last
        self._last[replica, group] = count

    def handled(self) -> dict[str, int]:
        """Records by group."""
        found: dict[str, float] = defaultdict(float, self._before)
        for (_, group), count in self._last.items():
            found[group] += count
        return {group: round(count) for group, count in found.items()}

    def redelivered(self, appended: Mapping[str, int]) -> int:
        """How many records were handled more than once, at least: those beyond what each topic ever held."""
        return sum(max(0, count - appended.get(group.partition(".")[2], 0)) for group, count in self.handled().items())
