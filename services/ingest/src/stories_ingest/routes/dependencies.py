"""What several routes depend on."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from stories_shared.auth.tokens import Caller
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.problems import not_found

from stories_ingest.domain.story import Requester

MAX_WAIT_S = 30

Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="seconds to hold the answer, at most 30")
]
"""The query parameter `wait` of a long-poll route."""
read_wait = TypeAdapter(Wait).validate_python


class LongPollRoute(DeadlineRoute):
    """A route with a deadline that the caller may extend with ``?wait=``."""

    def deadline_s(self, request: Request) -> float:
        """The default deadline plus the caller's `wait`, in seconds."""
        try:
            wait_s = read_wait(request.query_params.get("wait", "0"))
        except ValidationError:
            wait_s = 0.0  # the route's validation responds with 422
        return super().deadline_s(request) + wait_s


def requester_of(caller: Caller) -> Requester:
    """The caller as the use cases know it."""
    return Requester(caller.user_id, caller.is_admin)


def require_archive(is_on: bool) -> Callable[[], None]:
    """A dependency that answers 404 where the installation has no archive."""

    def require() -> None:
        if not is_on:
            raise not_found()

    return require
