"""Whatever a dependency does not answer, a client hears within three seconds; how slowly it asks is its own affair."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from stories_shared.http.bodies import Handle, StrictRoute
from stories_shared.timeouts import wait_at_most

T = TypeVar("T")

DEADLINE_S = 2.8
"""What takes longer is answered 503, within the three seconds that docs/http.md promises after the body has come."""


async def with_deadline(answer: Coroutine[Any, Any, T]) -> T:
    """What it answers, in time. Raises `TimeoutError`."""
    return await wait_at_most(DEADLINE_S, answer)


class DeadlineRoute(StrictRoute):
    """A strict route that gives up in time where a dependency does not answer; that becomes a 503."""

    async def answer(self, request: Request, inner: Handle, spent: float) -> Response:
        """What FastAPI answers, in time; the body has arrived by now."""

        async def answered() -> Response:
            return await inner(request)

        return await wait_at_most(self.patience_s(request) - spent, answered())

    def patience_s(self, _request: Request) -> float:
        """How long this request may take besides the arrival of its body, in seconds."""
        return DEADLINE_S
