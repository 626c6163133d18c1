"""The generator: users who post, view, follow and delete, a few times a second, seeded."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from .operations import Operations
from .timing import stopped_within

WEIGHTS = {
    "post": 12,
    "view": 34,
    "react": 8,
    "unreact": 3,
    "comment": 8,
    "answer": 8,
    "report": 2,
    "delete": 4,
    "change_audience": 8,
    "follow": 8,
    "unfollow": 4,
    "befriend": 4,
    "unfriend": 2,
    "block": 2,
    "unblock": 2,
    "post_rubbish": 1,
    "schedule": 5,
    "reschedule": 3,
    "unschedule": 2,
    "repost": 6,
    "repost_deleted": 2,
    "delete_original": 3,
    "unarchive": 2,
}
PER_SECOND = 5.0
"""Operations per second of all users together; kept low for small machines."""


@dataclass
class Generator:
    """All users concurrently; each performs one operation after the other.

    Operations are drawn without replacement, as often as their weights say, so that even a slow run has all of them.
    """

    operations: Operations
    seed: int
    per_second: float = PER_SECOND
    _left: list[str] = field(default_factory=list)

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until stopped; operations in flight are completed."""
        users = self.operations.model.users
        async with asyncio.TaskGroup() as group:
            for user in users:
                group.create_task(self._live(user, users, stopping))

    async def _live(self, user: str, users: Sequence[str], stopping: asyncio.Event) -> None:
        rng = random.Random(f"{self.seed}/{user}")
        while not await stopped_within(stopping, rng.expovariate(self.per_second / len(users))):
            operation: Callable[[str, random.Random], Awaitable[None]] = getattr(self.operations, self._draw(rng))
            await operation(user, rng)

    def _draw(self, rng: random.Random) -> str:
        if not self._left:
            self._left = [name for name, weight in WEIGHTS.items() for _ in range(weight)]
            rng.shuffle(self._left)
        return self._left.pop()
