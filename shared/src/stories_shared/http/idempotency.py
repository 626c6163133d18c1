"""Asked twice, done once: the header ``Idempotency-Key`` on every POST that creates.

A key belongs to (user, method, path, key) for 24 hours. It is claimed together with the new resource's id and a lease:
whoever dies while working leaves a claim that the next try takes over, with the same id, so that nothing is made twice.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Header
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError
from starlette.requests import Request

from stories_shared.clock import Clock, whole_ms
from stories_shared.http.problems import Problem, problem

KEPT = timedelta(hours=24)  # contract
LEASE = timedelta(seconds=30)  # contract
PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")
DOCUMENTED = "^[!-~]([ -~]{0,253}[!-~])?$"  # the same as it arrives: spaces around a header's value are not part of it

INDEXES = (
    IndexModel([("at", ASCENDING)], name="kept", expireAfterSeconds=int(KEPT.total_seconds())),
    IndexModel([("user_id", ASCENDING)], name="user"),
)
"""For ``Mongo.ensure(name, *INDEXES)``; the second finds what an erased user left."""


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a request the same as an earlier one."""

    method: str
    path: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class New:
    """Do it now, under this id. ``taken_over``: an earlier try may have got somewhere, under the same id."""

    resource_id: str
    claim: str
    lease: datetime
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """It was done: answer with ``status`` and what is true now of this resource."""

    resource_id: str
    status: int


def once(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="asked twice with the same key and body, done once; 24 hours",
            json_schema_extra={"pattern": DOCUMENTED},
        ),
    ] = None,
) -> Once | None:
    """The request's identity, None without the header. Raises 422 for a key that is not 1 to 255 printable ASCII."""
    if idempotency_key is None:
        return None
    keys = request.headers.getlist("idempotency-key")
    if len(keys) != 1 or not PRINTABLE.fullmatch(keys[0]):
        fault = "must be once 1 to 255 printable ASCII characters"
        raise problem("invalid", fault, errors=[{"loc": ["header", "Idempotency-Key"], "msg": fault}])
    return Once(request.method, request.url.path, keys[0], hash_of(request.scope.get("stories.document")))


Idempotent = Annotated[Once | None, Depends(once)]
"""``async def create(…, once: Idempotent)``."""


def hash_of(document: Any) -> str:
    """SHA-256 over what a body says, whatever its spacing and the order of its keys."""
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


class Claims:
    """Claims of one service, in a collection of its own (``pymongo`` or ``motor``)."""

    def __init__(self, collection: Any, now: Clock) -> None:
        self.collection = collection
        self.now = now

    async def claim(  # noqa: PLR0913, RUF100
        self, user_id: str, method: str, path: str, key: str, body_hash: str, resource_id: str
    ) -> New | Replay:
        """Claims a key for a new resource's id. Raises 409 while another request runs, 422 for another body.

        Settle or release what is New; a lease of 30 s settles for whoever cannot.
        """
        now = whole_ms(self.now())  # as MongoDB gives times back, so that leases compare
        name = hashlib.sha256("\n".join((user_id, method, path, key)).encode()).hexdigest()
        fresh = {"_id": name, "user_id": user_id, "body": body_hash, "resource_id": resource_id, "at": now}
        lease = {"lease": now + LEASE, "status": None}
        try:
            await self.collection.insert_one(fresh | lease)
        except DuplicateKeyError:
            return await self.found(name, body_hash, fresh | lease, now)
        return New(resource_id, name, now + LEASE)

    async def claim_once(self, user_id: str, asked: Once, resource_id: str) -> New | Replay:
        """``claim`` by what ``Idempotent`` gives."""
        return await self.claim(user_id, asked.method, asked.path, asked.key, asked.body_hash, resource_id)

    async def found(self, name: str, body_hash: str, fresh: dict[str, Any], now: datetime) -> New | Replay:
        """What an earlier claim means for this request."""
        claimed = await self.collection.find_one({"_id": name})
        if claimed is None or claimed["at"] <= now - KEPT:  # the TTL index is up to a minute late
            return await self.replaced(name, claimed, fresh)
        if claimed["body"] != body_hash:
            raise problem("idempotency-reused")
        if claimed["status"] is not None:
            return Replay(claimed["resource_id"], claimed["status"])
        if claimed["lease"] > now:
            raise running()
        taken = await self.collection.update_one(
            {"_id": name, "lease": claimed["lease"], "status": None}, {"$set": {"lease": fresh["lease"]}}
        )
        if taken.matched_count == 0:
            raise running()
        return New(claimed["resource_id"], name, fresh["lease"], taken_over=True)

    async def replaced(self, name: str, claimed: dict[str, Any] | None, fresh: dict[str, Any]) -> New:
        """A claim whose day is over gives way to a fresh one."""
        if claimed is not None:
            await self.collection.delete_one({"_id": name, "at": claimed["at"]})
        try:
            await self.collection.insert_one(fresh)
        except DuplicateKeyError as error:
            raise running() from error
        return New(fresh["resource_id"], name, fresh["lease"])

    async def settle(self, new: New, status: int = 201) -> None:
        """It is done: from now on the key answers with the resource."""
        await self.collection.update_one({"_id": new.claim, "lease": new.lease}, {"$set": {"status": status}})

    async def release(self, new: New) -> None:
        """Nothing was made: the key is free again, for another body too."""
        await self.collection.delete_one({"_id": new.claim, "lease": new.lease, "status": None})

    async def forget_user(self, user_id: str) -> None:
        """Part of erasing an account."""
        await self.collection.delete_many({"user_id": user_id})


def running() -> Problem:
    return problem("idempotency-running", headers={"Retry-After": "1"})
