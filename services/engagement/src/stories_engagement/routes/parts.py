"""What several routes share: the ticket's header, giving up in time, doing a request with an idempotency key once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.http.bodies import Handle, StrictRoute
from stories_shared.http.idempotency import Claims, Once, Replay
from stories_shared.http.problems import Problem
from stories_shared.ids import new_id

from stories_engagement.routes.refusals import DOMAIN_REFUSALS

T = TypeVar("T")

StoryTicket = Annotated[
    str | None,
    Header(description="the ticket that came with the story; not needed by its author", alias="Story-Ticket"),
]


ANSWER_WITHIN_S = 2.5
"""What takes longer is answered 503, within the three seconds that docs/http.md promises."""


_left_behind: set[asyncio.Future[Any]] = set()


async def timely(answer: Coroutine[Any, Any, T]) -> T:
    """What it answers. One that takes too long is cancelled and left behind: to take back what it had begun it may
    need the very database that does not answer. Raises `TimeoutError`.
    """
    task = asyncio.ensure_future(answer)
    try:
        done, _ = await asyncio.wait({task}, timeout=ANSWER_WITHIN_S)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return task.result()
    _left_behind.add(task)
    task.add_done_callback(_forget)
    task.cancel()
    raise TimeoutError


def _forget(task: asyncio.Future[Any]) -> None:
    _left_behind.discard(task)
    if not task.cancelled():
        task.exception()


class TimelyRoute(StrictRoute):
    """A strict route that gives up in time where a dependency does not answer."""

    def get_route_handler(self) -> Handle:  # type: ignore[override]
        inner = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await inner(request)

        async def handle(request: Request) -> Response:
            return await timely(answer(request))

        return handle


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
