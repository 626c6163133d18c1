"""Claims of idempotency keys, so that a repeated request has one effect.

A key belongs to (user, method, path, key) for 24 hours. It is claimed together with the new resource's id and a lease.
If a request dies, the next one takes its claim over under the same id, so that nothing is created twice.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from stories_shared.clock import Clock, truncate_to_ms

RETENTION = timedelta(hours=24)  # contract
LEASE = timedelta(seconds=30)  # contract

INDEXES = (
    IndexModel([("at", ASCENDING)], name="ttl", expireAfterSeconds=int(RETENTION.total_seconds())),
    IndexModel([("user_id", ASCENDING)], name="user"),
)
"""For ``Mongo.ensure(name, *INDEXES)``; the second finds the claims of an erased user."""


class KeyReused(Exception):
    """The key was used with another body."""


class KeyRunning(Exception):
    """The first request with this key is still in progress."""


@dataclass(frozen=True, slots=True)
class IdempotencyRequest:
    """The identity of a request."""

    method: str
    path: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """Create the resource under this id. ``taken_over``: an earlier request may have created it, under the same id."""

    resource_id: str
    claim: str
    lease: datetime
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """The request has succeeded before: answer with ``status`` and the resource's current state."""

    resource_id: str
    status: int


class IdempotencyStore:
    """The claims of one service, in a collection of their own (``pymongo`` or ``motor``)."""

    def __init__(self, collection: Any, now: Clock) -> None:
        self.collection = collection
        self.now = now

    async def claim_once(self, user_id: str, request: IdempotencyRequest, resource_id: str) -> Claimed | Replay:
        """Claim a key for a new resource's id. Complete, release or give up what is ``Claimed``.

        Raises:
            KeyRunning: another request with it is in progress, for 30 s at most.
            KeyReused: it came with another body.
        """
        now = truncate_to_ms(self.now())  # the precision of MongoDB, so that leases compare equal
        name = hashlib.sha256("\n".join((user_id, request.method, request.path, request.key)).encode()).hexdigest()
        fresh = {"_id": name, "user_id": user_id, "body": request.body_hash, "resource_id": resource_id, "at": now}
        lease = {"lease": now + LEASE, "status": None}
        try:
            await self.collection.insert_one(fresh | lease)
        except DuplicateKeyError:
            return await self._existing(name, request.body_hash, fresh | lease, now)
        return Claimed(resource_id, name, now + LEASE)

    async def _existing(self, name: str, body_hash: str, fresh: dict[str, Any], now: datetime) -> Claimed | Replay:
        """The outcome of an earlier claim for this request."""
        claimed = await self.collection.find_one({"_id": name})
        if claimed is None or claimed["at"] <= now - RETENTION:  # the TTL index is up to a minute late
            return await self._replace_expired(name, claimed, fresh)
        if claimed["body"] != body_hash:
            raise KeyReused
        if claimed["status"] is not None:
            return Replay(claimed["resource_id"], claimed["status"])
        if claimed["lease"] > now:
            raise KeyRunning
        taken = await self.collection.update_one(
            {"_id": name, "lease": claimed["lease"], "status": None}, {"$set": {"lease": fresh["lease"]}}
        )
        if taken.matched_count == 0:
            raise KeyRunning
        return Claimed(claimed["resource_id"], name, fresh["lease"], taken_over=True)

    async def _replace_expired(self, name: str, claimed: dict[str, Any] | None, fresh: dict[str, Any]) -> Claimed:
        """Replace an expired claim."""
        if claimed is not None:
            await self.collection.delete_one({"_id": name, "at": claimed["at"]})
        try:
            await self.collection.insert_one(fresh)
        except DuplicateKeyError as error:
            raise KeyRunning from error
        return Claimed(fresh["resource_id"], name, fresh["lease"])

    async def complete(self, new: Claimed, status: int = 201) -> None:
        """The resource is created: from now on the key replays it."""
        await self.collection.update_one({"_id": new.claim, "lease": new.lease}, {"$set": {"status": status}})

    async def release(self, new: Claimed) -> None:
        """Nothing was created: free the key, for another body too."""
        await self.collection.delete_one({"_id": new.claim, "lease": new.lease, "status": None})

    async def give_up(self, new: Claimed) -> None:
        """The outcome is unknown: the next request with this body takes the claim over, under the same id."""
        over = {"$set": {"lease": truncate_to_ms(self.now())}}
        await self.collection.update_one({"_id": new.claim, "lease": new.lease, "status": None}, over)
