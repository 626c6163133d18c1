"""Dependencies of several routes: the ticket header, idempotent execution."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Header
from stories_shared.http.idempotency import run_once
from stories_shared.mongo.idempotency import IdempotencyRequest, IdempotencyStore

from stories_engagement.routes.errors import DOMAIN_ERRORS

T = TypeVar("T")

StoryTicket = Annotated[
    str | None,
    Header(description="the ticket that came with the story; not needed by its author", alias="Story-Ticket"),
]


class IdempotentExecution:
    """Creates something once per idempotency key. Claims are named by story, so that its erasure finds them."""

    def __init__(self, claims: IdempotencyStore) -> None:
        self._claims = claims

    async def __call__(
        self,
        user_id: str,
        story_id: str,
        idempotency: IdempotencyRequest | None,
        make: Callable[[str], Awaitable[T]],
        find: Callable[[str], Awaitable[T]],
    ) -> T:
        """The result of `make` under a new id; for a repeated key, that of `find` under the first id."""
        return await run_once(
            self._claims, user_id, idempotency, make, find, refusals=DOMAIN_ERRORS, under=f"{story_id}/"
        )
