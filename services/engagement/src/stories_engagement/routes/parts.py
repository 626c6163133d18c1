"""What several routes share: the ticket's header, doing a request with an idempotency key once."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Header
from stories_shared.http.idempotency import Claims, Once, Replay
from stories_shared.http.problems import Problem
from stories_shared.ids import new_id

from stories_engagement.routes.refusals import DOMAIN_REFUSALS

T = TypeVar("T")

StoryTicket = Annotated[
    str | None,
    Header(description="the ticket that came with the story; not needed by its author", alias="Story-Ticket"),
]


class OnceOnly:
    """Makes something once per idempotency key. Claims are named by story, so that its erasure finds them."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def __call__(
        self,
        user_id: str,
        story_id: str,
        asked: Once | None,
        make: Callable[[str], Awaitable[T]],
        again: Callable[[str], Awaitable[T]],
    ) -> T:
        """What `make` makes under a fresh id; for a key that did so before, what `again` finds under that id."""
        if asked is None:
            return await make(new_id())
        claim = await self._claims.claim_once(user_id, asked, f"{story_id}/{new_id()}")
        made_id = claim.resource_id.rpartition("/")[2]
        if isinstance(claim, Replay):
            return await again(made_id)
        try:
            made = await make(made_id)
        except (*DOMAIN_REFUSALS, Problem):
            await self._claims.release(claim)
            raise
        await self._claims.settle(claim)
        return made
