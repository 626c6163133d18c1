"""Leases in MongoDB: work that one replica does for all, and the position of work that takes many iterations.

A lease is renewed by the iteration that uses it and by each saved position, so what lies between must be bounded well
below the lease's time. The leases of a dead replica expire; nothing else takes them away.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from pymongo.errors import DuplicateKeyError

from stories_shared.clock import Clock
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

T = TypeVar("T")

COLLECTION = "leases"
LEASE_FOR = timedelta(seconds=15)
"""How long a dead replica's work pauses. Clocks of ready replicas are at most two seconds away from MongoDB's."""
RENEW_AFTER = 1 / 5
"""The part of a lease after which `acquire` renews it: work that runs every second does not write every second."""


class Leases:
    """The leases of one service, seen by one replica.

    Args:
        mongo: the service's database.
        now: this replica's clock.
        holder: this replica's name; a fresh id by default.
        lease_for: how long a lease lasts without being renewed.
    """

    def __init__(self, mongo: Mongo, now: Clock, holder: str | None = None, lease_for: timedelta = LEASE_FOR) -> None:
        self.holder = holder or new_id()
        self.lease_for = lease_for
        self._leases = mongo[COLLECTION]
        self._now = now
        self._held_since: dict[str, datetime] = {}

    @classmethod
    async def ensure(cls, mongo: Mongo) -> None:
        """Make the collection."""
        await mongo.ensure(COLLECTION)

    async def acquire(self, name: str) -> bool:
        """Take or renew a lease; False while another replica holds it. At least four fifths of it are left then."""
        now = self._now()
        held_since = self._held_since.get(name)
        if held_since is not None and timedelta(0) <= now - held_since < self.lease_for * RENEW_AFTER:
            return True
        mine_or_free = {"_id": name, "$or": [{"holder": self.holder}, {"until": {"$lte": now}}]}
        try:
            await self._leases.update_one(
                mine_or_free, {"$set": {"holder": self.holder, "until": now + self.lease_for}}, upsert=True
            )
        except DuplicateKeyError:
            self._held_since.pop(name, None)
            return False
        self._held_since[name] = now
        return True

    def exclusive(self, name: str, iteration: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T | None]]:
        """The same iteration, skipped (None) while another replica holds the lease."""

        async def run() -> T | None:
            return await iteration() if await self.acquire(name) else None

        return run

    async def position(self, name: str) -> str:
        """The saved position of the work; empty for the beginning."""
        lease = await self._leases.find_one({"_id": name}) or {}
        position: str = lease.get("position", "")
        return position

    async def advance(self, name: str, position: str) -> bool:
        """Save the position and renew the lease; False when another replica has taken it."""
        own = {"_id": name, "holder": self.holder}
        now = self._now()
        saved = {"position": position, "until": now + self.lease_for}
        held = (await self._leases.update_one(own, {"$set": saved})).matched_count > 0
        if held:
            self._held_since[name] = now
        else:
            self._held_since.pop(name, None)
        return held

    def resumable(
        self, name: str, iteration: Callable[["LeasedPosition"], Awaitable[T]]
    ) -> Callable[[], Awaitable[T | None]]:
        """An exclusive iteration that resumes at the saved position, on whichever replica."""
        return self.exclusive(name, partial(iteration, LeasedPosition(self, name)))


@dataclass(frozen=True, slots=True)
class LeasedPosition:
    """The position of leased work. Saving it renews the lease, so that no second replica starts meanwhile."""

    leases: Leases
    name: str

    async def load(self) -> str:
        """The saved position; empty for the beginning."""
        return await self.leases.position(self.name)

    async def advance(self, position: str) -> bool:
        """Save the position; False when another replica has taken the lease."""
        return await self.leases.advance(self.name, position)
