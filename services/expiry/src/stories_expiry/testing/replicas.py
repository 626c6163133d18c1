"""In-memory heartbeats of replicas."""

from datetime import datetime

from stories_expiry.domain.timers import ALIVE_FOR


class MemoryReplicas:
    """Heartbeats by name."""

    def __init__(self) -> None:
        self.seen: dict[str, datetime] = {}

    async def beat(self, me: str, now: datetime) -> tuple[str, ...]:
        """Record a heartbeat and return the names of all replicas with a recent one, sorted."""
        self.seen[me] = now
        return tuple(sorted(name for name, at in self.seen.items() if at >= now - ALIVE_FOR))
