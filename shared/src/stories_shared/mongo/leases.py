"""Leases in MongoDB: work that one replica does for all.

A lease is renewed by the iteration that uses it, so an iteration must be bounded well below `LEASE_FOR`. The leases of
a dead replica expire; nothing else takes them away.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from pymongo.errors import DuplicateKeyError

from stories_shared.clock import Clock
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

T = TypeVar("T")

COLLECTION = "leases"
LEASE_FOR = timedelta(seconds=15)
"""How long a dead replica's work pauses. Clocks of ready replicas are at most two seconds away from MongoDB's."""


class Leases:
    """The leases of one service, seen by one replica.

    Args:
        mongo: the service's database.
        now: this replica's clock.
        holder: this replica's name; a fresh id by default.
    """

    def __init__(self, mongo: Mongo, now: Clock, holder: str | None = None) -> None:
        self.holder = holder or new_id()
        self._leases = mongo[COLLECTION]
        self._now = now

    @classmethod
    async def ensure(cls, mongo: Mongo) -> None:
        """Make the collection."""
        await mongo.ensure(COLLECTION)

    async def acquire(self, name: str) -> bool:
        """Take or renew a lease; False while another replica holds it."""
        now = self._now()
        mine_or_free = {"_id": name, "$or": [{"holder": self.holder}, {"until": {"$lte": now}}]}
        try:
            await self._leases.update_one(
                mine_or_free, {"$set": {"holder": self.holder, "until": now + LEASE_FOR}}, upsert=True
            )
        except DuplicateKeyError:
            return False
        return True

    def exclusive(self, name: str, iteration: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T | None]]:
        """The same iteration, skipped (None) while another replica holds the lease."""

        async def run() -> T | None:
            return await iteration() if await self.acquire(name) else None

        return run
