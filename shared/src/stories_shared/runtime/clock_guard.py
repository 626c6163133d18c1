"""A process does nothing that time decides before it knows that its clock is right, and steps aside while it is not.

Its loops would end stories before their time, take over work that others hold by lease, and date what they say. So they
and its consumers run only by a clock that agrees with MongoDB's: other members of its groups go on without it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from stories_shared.runtime.background_tasks import TaskSupervisor
from stories_shared.runtime.health import Health
from stories_shared.runtime.logging import logger

log = logger(__name__)

CHECK_S = 0.1


class ClockGuard:
    """Starts the work once the clock is known to be right, and stops it whenever it is off.

    Args:
        health: knows the clock.
        work: loops that run by it.
        leave: stops whatever else does.
    """

    def __init__(self, health: Health, work: TaskSupervisor, leave: Callable[[], Awaitable[None]]) -> None:
        self.health = health
        self.work = work
        self.leave = leave
        self.working = False

    async def run(self) -> None:
        """Watch the clock for ever."""
        while True:
            if self.working and self.health.clock_is_off:
                self.working = False
                log.error("stepping_aside", skew_s=self.health.skew_s)
                await self.stop()
            elif not self.working and self.health.clock_is_right:
                self.work.start()
                self.working = True
            await asyncio.sleep(CHECK_S)

    async def stop(self) -> None:
        """Leave the groups, then end the loops."""
        await self.leave()
        await self.work.stop()

    def stalled(self) -> list[str]:
        """Loops of the work that show no life; none while it stands aside."""
        return self.work.stalled() if self.working else []
