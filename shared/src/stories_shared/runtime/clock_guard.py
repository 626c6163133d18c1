"""Pauses all background work and consumers while this clock differs from MongoDB's by more than two seconds.

With a wrong clock, tasks would expire stories early, take over leases that other replicas hold, and publish events with
wrong times. The other members of the consumer groups take over the partitions.
"""

import asyncio
from collections.abc import Awaitable, Callable

from stories_shared.runtime.background_tasks import TaskSupervisor
from stories_shared.runtime.health import Health
from stories_shared.runtime.logging import logger

log = logger(__name__)

CHECK_INTERVAL_S = 0.1


class ClockGuard:
    """Starts the work once the clock is known to be right, and stops it while it is off.

    Args:
        health: measures the clock skew.
        work: the tasks that depend on the clock.
        leave_groups: leaves the consumer groups.
    """

    def __init__(self, health: Health, work: TaskSupervisor, leave_groups: Callable[[], Awaitable[None]]) -> None:
        self.health = health
        self.work = work
        self.leave_groups = leave_groups
        self.running = False

    async def run(self) -> None:
        """Check the clock for ever."""
        while True:
            if self.running and self.health.clock_is_off:
                self.running = False
                log.error("work_paused", skew_s=self.health.skew_s)
                await self.stop()
            elif not self.running and self.health.clock_is_right:
                self.work.start()
                self.running = True
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def stop(self) -> None:
        """Leave the groups, then stop the tasks."""
        await self.leave_groups()
        await self.work.stop()

    def stalled(self) -> list[str]:
        """The names of stalled tasks; none while the work is paused."""
        return self.work.stalled() if self.running else []
