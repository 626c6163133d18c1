"""The generator: users who post, view, follow and delete, a few times a second, seeded."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

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
}
PER_SECOND = 5.0
"""Operations per second of all users together; kept low for small machines."""


@dataclass
class Generator:
    """All users concurrently; each performs one operation after the other."""

    operations: Operations
    seed: int
    per_second: float = PER_SECOND

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until stopped; operations in flight are completed."""
        users = self.operations.model.users
        async with asyncio.TaskGroup() as group:
            for user in users:
                group.create_task(self._live(user, users, stopping))

    async def _live(self, user: str, users: Sequence[str], stopping: asyncio.Event) -> None:
        rng = random.Random(f"{self.seed}/{user}")
        while not await stopped_within(stopping, rng.expovariate(self.per_second / len(users))):
            [name] = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
            operation: Callable[[str, random.Random], Awaitable[None]] = getattr(self.operations, name)
            await operation(user, rng)
