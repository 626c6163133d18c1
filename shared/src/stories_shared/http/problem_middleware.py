"""Turns every error of a route into a problem document."""

from collections.abc import Iterable, MutableMapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stories_shared.errors import failed_dependency
from stories_shared.http.problems import InputError, Problem, not_found, problem, unavailable
from stories_shared.http.strict_json import MAX_BODY_BYTES, too_large
from stories_shared.runtime.log_throttle import LogThrottle
from stories_shared.runtime.logging import logger

log = logger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
BY_STATUS = {
    400: "bad-request",
    401: "unauthenticated",
    403: "forbidden",
    413: "too-large",
    415: "unsupported-media-type",
}
RETRY_AFTER_S = 1
UNAVAILABLE = 503
MAX_ERROR_CHARACTERS = 300
throttle = LogThrottle()


class ProblemMiddleware:
    """ASGI middleware, innermost but for the routes: default headers, and a problem document for every error.

    HEAD is answered as GET without the body (RFC 9110, 9.3.2). The headers in ``scope["stories.headers"]`` are added to
    every response, errors included.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            inner = dict(scope) | {
                "method": "GET",
                "stories.head": True,
            }  # the server sends no body: it has its own scope
            await self(inner, receive, send)
            scope.update((name, inner[name]) for name in ("route", "path_params") if name in inner)
            return
        extra: list[tuple[bytes, bytes]] = []
        scope["stories.headers"] = extra
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*with_cache_control(message.get("headers", [])), *extra]
            await send(message)

        rejection = reject_early(scope)
        if rejection is not None:
            await rejection.response()(scope, receive, answer)
            return
        try:
            await self.app(scope, receive, answer)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:
                raise
            response = problem_from_error(error, scope).response()
            await response(scope, receive, answer)


def reject_early(scope: Scope) -> Problem | None:
    """The problem of a request that is rejected before routing: a large body, or an encoded slash in the path."""
    if declared_length(scope) > MAX_BODY_BYTES:
        return too_large()
    raw_path: bytes = scope.get("raw_path") or b""
    return not_found() if b"%" in raw_path and b"%2f" in raw_path.lower() else None


def with_cache_control(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = list(headers)
    if not any(name.lower() == b"cache-control" for name, _ in kept):
        kept.append((b"cache-control", b"private, no-store"))
    return kept


def declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else MAX_BODY_BYTES + 1
    return 0


def problem_from_error(error: BaseException, scope: MutableMapping[str, Any]) -> Problem:
    """The problem document for an exception; an unexpected one is logged and becomes ``internal``."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, Problem):
        if error.status == UNAVAILABLE:
            log_unavailable(error.detail, scope, error)
        return error
    if isinstance(error, RequestValidationError):
        return problem_from_validation(error)
    if isinstance(error, HTTPException):
        return problem_from_status(error, scope)
    dependency = failed_dependency(error)
    if dependency is not None:
        log_unavailable(dependency, scope, error)
        return unavailable(f"{dependency} does not answer", after=RETRY_AFTER_S)
    if isinstance(error, TimeoutError):
        log_unavailable("it took too long", scope, error)
        return unavailable("it took too long", after=RETRY_AFTER_S)
    log.error("request_failed", path=route_of(scope), exc_info=error)
    return problem("internal")


def log_unavailable(why: str, scope: MutableMapping[str, Any], error: BaseException) -> None:
    """Log one line for a burst of 503: the dependency or reason, the route, and the failing health checks."""
    route = route_of(scope)
    times = throttle.should_log((why, route, scope["method"]))
    if times is not None:
        runtime = getattr(scope["app"].state, "runtime", None)
        failing = runtime.health.failing_names() if runtime else []
        text = str(error)[:MAX_ERROR_CHARACTERS]
        log.warning(
            "unavailable", why=why, method=scope["method"], route=route, times=times, failing=failing, error=text
        )


def problem_from_validation(error: RequestValidationError) -> Problem:
    """404 if the path is malformed, else 422 with the location of every error."""
    found: list[InputError] = [
        {"loc": list(fault["loc"]), "msg": strip_pydantic_prefix(fault["msg"])} for fault in error.errors()
    ]
    if any(entry["loc"][:1] == ["path"] for entry in found):
        return not_found()
    return problem("invalid", errors=found)


def strip_pydantic_prefix(msg: str) -> str:
    return msg.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def problem_from_status(error: HTTPException, scope: MutableMapping[str, Any]) -> Problem:
    headers = dict(error.headers or {})
    if error.status_code == 405:
        return problem("method-not-allowed", headers=headers | {"Allow": ", ".join(allowed(scope))})
    if error.status_code == 404:
        return not_found()
    slug = BY_STATUS.get(error.status_code, "unavailable" if error.status_code >= 500 else "bad-request")
    return problem(slug, str(error.detail), headers=headers)


def allowed(scope: MutableMapping[str, Any]) -> list[str]:
    """The methods of a path, over all routes."""
    routes: Iterable[BaseRoute] = scope["app"].router.routes
    return [method for method in METHODS if any(route_matches(route, scope, method) for route in routes)]


def route_matches(route: BaseRoute, scope: MutableMapping[str, Any], method: str) -> bool:
    path = {"type": "http", "path": scope["path"], "root_path": scope.get("root_path", "")}
    match, _ = route.matches(path | {"method": "GET" if method == "HEAD" else method})
    return match is Match.FULL


def route_of(scope: MutableMapping[str, Any]) -> str:
    """The route's template, never the path with its ids."""
    return getattr(scope.get("route"), "path", "unmatched")


async def send_problem(request: Request, error: Exception) -> Response:
    """The exception handler for what FastAPI and Starlette raise."""
    return problem_from_error(error, request.scope).response()
