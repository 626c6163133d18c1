"""What the domain refuses, in the words of HTTP."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.http.problems import Problem, conflict, forbidden, not_found, unavailable

from stories_engagement.domain.errors import AccessDenied, FeatureDisabled, FriendsOnly, NotFound, ReplicaStale
from stories_engagement.metrics import EngagementMetrics

DOMAIN_ERRORS = (AccessDenied, NotFound, FeatureDisabled, FriendsOnly)
"""Nothing has happened when one of these is raised."""


def problem_from_error(error: Exception) -> Problem:
    """The answer to a refusal."""
    if isinstance(error, FeatureDisabled):
        return conflict(f"{error.what}-off")
    if isinstance(error, FriendsOnly):
        return forbidden("comments-friends-only")
    if isinstance(error, ReplicaStale):
        return unavailable("what may have ended is not heard of just now")
    return not_found()


def install_error_handlers(app: FastAPI, metrics: EngagementMetrics) -> None:
    """Answer the domain's refusals as problems, and count those of tickets."""

    async def answer(_request: Request, error: Exception) -> Response:
        if isinstance(error, AccessDenied):
            metrics.tickets_refused.labels(error.reason).inc()
        return problem_from_error(error).response()

    for kind in (*DOMAIN_ERRORS, ReplicaStale):
        app.add_exception_handler(kind, answer)
