"""The header ``Idempotency-Key`` of every POST that creates: a repeated request has one effect."""

import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Header
from pymongo.errors import PyMongoError
from starlette.requests import Request

from stories_shared.events.ids import new_id
from stories_shared.http.problems import Problem, invalid, problem
from stories_shared.mongo.idempotency import IdempotencyRequest, IdempotencyStore, KeyReused, KeyRunning, Replay

T = TypeVar("T")

SERVER_ERROR = 500

PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")
DOCUMENTED = "^[!-~]([ -~]{0,253}[!-~])?$"  # the same as it arrives: spaces around a header's value are not part of it


def idempotency_request(
    request: Request, idempotency_key: Annotated[str | None, Header()] = None
) -> IdempotencyRequest | None:
    """The request's identity, None without the header. Raises 422 unless it is 1 to 255 printable ASCII characters."""
    if idempotency_key is None:
        return None
    keys = request.headers.getlist("idempotency-key")
    if len(keys) != 1 or not PRINTABLE.fullmatch(keys[0]):
        raise invalid("must be once 1 to 255 printable ASCII characters", "header", "Idempotency-Key")
    return IdempotencyRequest(request.method, request.url.path, keys[0], hash_of(request.scope.get("stories.document")))


Idempotent = Annotated[IdempotencyRequest | None, Depends(idempotency_request)]
"""``async def create(…, request: Idempotent)``."""


def hash_of(document: Any) -> str:
    """SHA-256 of a body's content, independent of whitespace and key order."""
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


async def run_once(  # noqa: PLR0913, RUF100
    claims: IdempotencyStore,
    user_id: str,
    request: IdempotencyRequest | None,
    make: Callable[[str], Awaitable[T]],
    again: Callable[[str], Awaitable[T]],
    *,
    refusals: tuple[type[Exception], ...] = (),
    under: str = "",
    status: int = 201,
) -> T:
    """Create a resource with ``make`` under a fresh id; for a key that has created one, ``again`` returns it.

    A refusal frees the key, for another body too. After any other failure or a cancellation, the next request with the
    key takes over at once, so ``make`` must be idempotent for an id.

    Args:
        claims: of the service.
        user_id: the caller.
        request: the value of ``Idempotent``; without a key nothing is claimed.
        make: creates the resource of an id.
        again: returns its current state.
        refusals: errors after which nothing was created.
        under: a prefix of stored ids, so that claims can be found by it.
        status: the status of a replay.

    Raises:
        Problem: 409 while another request with the key runs, 422 for a key of another body; and what ``make`` raises.
    """
    if request is None:
        return await make(new_id())
    try:
        claim = await claims.claim_once(user_id, request, under + new_id())
    except KeyReused as error:
        raise problem("idempotency-reused") from error
    except KeyRunning as error:
        raise problem("idempotency-running", headers={"Retry-After": "1"}) from error
    made_id = claim.resource_id.removeprefix(under)
    if isinstance(claim, Replay):
        return await again(made_id)
    try:
        made = await make(made_id)
    except BaseException as error:
        nothing_made = isinstance(error, refusals) or (isinstance(error, Problem) and error.status < SERVER_ERROR)
        end = claims.release if nothing_made and not claim.taken_over else claims.give_up
        with contextlib.suppress(PyMongoError):  # the lease expires
            await end(claim)
        raise
    await claims.complete(claim, status)
    return made
