"""Domain errors as problem documents (RFC 9457)."""

import math
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.problems import Problem, invalid, not_found, problem, too_many

from stories_ingest.domain.errors import (
    IngestError,
    MediaRefused,
    NoSuchHighlight,
    NoSuchStory,
    NotArchived,
    NothingUploaded,
    NotInFuture,
    NotInHighlight,
    NotInRollout,
    SharingOff,
    Suspended,
    TooMany,
    WrongState,
)
from stories_ingest.domain.story import Requester

MAX_WAIT_S = 30
SLUGS = {"drafts": "too-many-drafts", "quota": "quota-reached"}


def problem_from_error(error: Exception) -> Problem:
    """The problem for a domain error."""
    match error:
        case NoSuchStory() | NoSuchHighlight():
            return not_found()
        case NotArchived():
            return invalid(str(error), "body", "story_ids", error.index)
        case NotInHighlight():
            return invalid("must be one of the highlight's stories", "body", "cover_story_id")
        case WrongState():
            return problem("wrong-state", str(error))
        case NothingUploaded():
            return problem("wrong-state", "nothing has been uploaded yet")
        case MediaRefused():
            return problem("media-refused", error.reason, reason=error.reason)
        case SharingOff():
            return problem("sharing-off")
        case NotInFuture():
            return invalid(str(error), "body", "at")
        case NotInRollout():
            return problem("not-in-rollout", error.reason, reason=error.reason)
        case Suspended():
            return problem("suspended")
        case TooMany():
            return too_many(math.ceil(error.retry_after.total_seconds()), SLUGS[error.limit])
    raise error


def install_error_handlers(app: FastAPI) -> None:
    """Respond to domain errors with problems."""

    async def answer(_request: Request, error: Exception) -> Response:
        return problem_from_error(error).response()

    app.add_exception_handler(IngestError, answer)


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
