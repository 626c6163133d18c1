"""Whatever a dependency does not answer, a client hears within three seconds."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from stories_shared.http.bodies import Handle, StrictRoute

T = TypeVar("T")

ANSWER_WITHIN_S = 2.8
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
    """A strict route that gives up in time where a dependency does not answer; that becomes a 503."""

    def get_route_handler(self) -> Handle:  # type: ignore[override]
        """The route's handler, with a time limit."""
        inner = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await inner(request)

        async def handle(request: Request) -> Response:
            return await timely(answer(request))

        return handle
