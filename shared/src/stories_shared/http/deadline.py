"""The deadline of a response: 503 within three seconds of the request's body if a dependency does not answer."""

from starlette.requests import Request
from starlette.responses import Response

from stories_shared.http.bodies import Handle, StrictRoute
from stories_shared.timeouts import wait_at_most

DEADLINE_S = 2.8
"""Below the three seconds after the body that docs/http.md promises."""


class DeadlineRoute(StrictRoute):
    """A strict route with a deadline; exceeding it becomes a 503."""

    async def answer(self, request: Request, inner: Handle, spent: float) -> Response:
        """Call FastAPI's handler within the deadline; the body has arrived by now."""

        async def answered() -> Response:
            return await inner(request)

        return await wait_at_most(self.deadline_s(request) - spent, answered())

    def deadline_s(self, _request: Request) -> float:
        """The deadline of this request in seconds, not counting the arrival of its body."""
        return DEADLINE_S
