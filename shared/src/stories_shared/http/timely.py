"""Whatever a dependency does not answer, a client hears within three seconds."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from stories_shared.http.bodies import Handle, StrictRoute
from stories_shared.patience import within

T = TypeVar("T")

ANSWER_WITHIN_S = 2.8
"""What takes longer is answered 503, within the three seconds that docs/http.md promises."""


async def timely(answer: Coroutine[Any, Any, T]) -> T:
    """What it answers, in time. Raises `TimeoutError`."""
    return await within(ANSWER_WITHIN_S, answer)


class TimelyRoute(StrictRoute):
    """A strict route that gives up in time where a dependency does not answer; that becomes a 503."""

    def get_route_handler(self) -> Handle:  # type: ignore[override]
        """The route's handler, with a time limit."""
        inner = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await inner(request)

        async def handle(request: Request) -> Response:
            return await within(self.patience_s(request), answer(request))

        return handle

    def patience_s(self, _request: Request) -> float:
        """How long this request may take, in seconds."""
        return ANSWER_WITHIN_S
