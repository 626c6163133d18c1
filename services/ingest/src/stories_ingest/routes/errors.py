"""Domain errors as problem documents (RFC 9457)."""

import math

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
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
