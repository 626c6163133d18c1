"""The generator: people who post, look, follow, fall out and take back, a few times a second, each in a seeded way."""

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
"""Operations a second of all people together: it is what they find out that counts, and machines are small."""


@dataclass
class Generator:
    """Everybody at once; each does one thing after the other."""

    operations: Operations
    seed: int
    per_second: float = PER_SECOND

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop; what is under way is finished."""
        users = self.operations.model.users
        async with asyncio.TaskGroup() as group:
            for user in users:
                group.create_task(self._live(user, users, stopping))

    async def _live(self, user: str, users: Sequence[str], stopping: asyncio.Event) -> None:
        rng = random.Random(f"{self.seed}/{user}")
        while not await stopped_within(stopping, rng.expovariate(self.per_second / len(users))):
            [name] = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
            verb: Callable[[str, random.Random], Awaitable[None]] = getattr(self.operations, name)
            await verb(user, rng)
