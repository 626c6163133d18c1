"""What several routes share: the ticket's header, doing a request with an idempotency key once."""

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
    """Makes something once per idempotency key. Claims are named by story, so that its erasure finds them."""

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
        """What `make` makes under a fresh id; for a key that did so before, what `find` finds under that id."""
        return await run_once(
            self._claims, user_id, idempotency, make, find, refusals=DOMAIN_ERRORS, under=f"{story_id}/"
        )
