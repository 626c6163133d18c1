"""Domain errors as HTTP problems."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.http.problems import Problem, invalid, not_found, problem, unavailable

from stories_engagement.domain.errors import (
    AccessDenied,
    AlreadyDecided,
    AnswerFinal,
    EngagementError,
    FeatureDisabled,
    FriendsOnly,
    OwnContent,
    ReplicaStale,
    WrongAnswer,
)
from stories_engagement.metrics import EngagementMetrics

TICKET_PROBLEMS = {"missing": "ticket-missing", "expired": "ticket-expired"}
"""Reasons that tell a caller nothing about a story; all others are a plain 404."""


def problem_from_error(error: Exception) -> Problem:
    """The problem for a domain error."""
    if isinstance(error, FeatureDisabled):
        return problem(f"{error.what}-off")
    if isinstance(error, FriendsOnly):
        return problem("comments-friends-only")
    if isinstance(error, OwnContent):
        return invalid("must not be yours", "path", "id")
    if isinstance(error, AlreadyDecided):
        return problem("wrong-state", "the report was decided in another way")
    if isinstance(error, WrongAnswer):
        return invalid(str(error), "body", error.field)
    if isinstance(error, AnswerFinal):
        return problem("answer-final")
    if isinstance(error, ReplicaStale):
        return unavailable("this replica is behind; retry shortly")
    if isinstance(error, AccessDenied) and error.reason in TICKET_PROBLEMS:
        return problem(TICKET_PROBLEMS[error.reason])
    return not_found()


def install_error_handlers(app: FastAPI, metrics: EngagementMetrics) -> None:
    """Respond to domain errors with problems, and count refused tickets."""

    async def answer(_request: Request, error: Exception) -> Response:
        if isinstance(error, AccessDenied):
            metrics.tickets_refused.labels(error.reason).inc()
        return problem_from_error(error).response()

    for kind in (EngagementError, ReplicaStale):
        app.add_exception_handler(kind, answer)
