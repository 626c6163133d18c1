"""The replicas' roster in memory."""

from datetime import datetime

from stories_expiry.domain.timers import ALIVE_FOR


class MemoryReplicas:
    """Signs of life by name."""

    def __init__(self) -> None:
        self.seen: dict[str, datetime] = {}

    async def beat(self, me: str, now: datetime) -> tuple[str, ...]:
        """Show a sign of life and return the names of all that lately did, sorted."""
        self.seen[me] = now
        return tuple(sorted(name for name, at in self.seen.items() if at >= now - ALIVE_FOR))
