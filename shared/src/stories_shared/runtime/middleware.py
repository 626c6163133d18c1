"""ASGI middleware: request metrics, request ids in logs, and 503 while the clock is off."""

import re
import time
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from stories_shared.http.problems import unavailable
from stories_shared.runtime.health import Health
from stories_shared.runtime.metrics import CommonMetrics
from stories_shared.tracing import continue_trace, current_traceparent, valid_traceparent

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNCOUNTED = frozenset({"/livez", "/readyz", "/metrics"})
CLOCK_RETRY_S = 5
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")  # contract


class RequestMetricsMiddleware:
    """ASGI middleware, outermost: counts and times every request by its route template, never by its path."""

    def __init__(self, app: ASGIApp, metrics: CommonMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNCOUNTED:
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.http_in_flight.inc()
        try:
            await self.app(scope, receive, answer)
        finally:
            self.metrics.http_in_flight.dec()
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = template_of(scope)
            self.metrics.answered(method, route, status, time.perf_counter() - began)


class RequestIdMiddleware:
    """ASGI middleware: binds the ``X-Request-Id`` that the gateway sent to every log line of the request.

    It continues the trace of the request's ``traceparent``, unless a span has done so.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")
        traceparent = current_traceparent() or valid_traceparent(headers.get("traceparent"))
        bound = {"request_id": request_id} if REQUEST_ID.fullmatch(request_id) else {}
        with continue_trace(traceparent), bound_contextvars(**bound):
            await self.app(scope, receive, send)


class ClockSkewMiddleware:
    """ASGI middleware: answers 503 under ``/v1`` while this clock differs too much from MongoDB's."""

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self.app = app
        self.health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/") and self.health.clock_is_off:
            response = unavailable("this replica's clock is off", after=CLOCK_RETRY_S).response()
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)


def template_of(scope: Any) -> str:
    """The matched route's template, or ``unmatched``."""
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None and "endpoint" in scope:  # a Starlette route that answered 405, or the API document
        endpoint = scope["endpoint"]
        contexts = iter_route_contexts(scope["app"].routes)
        path = next(
            (each.path for each in contexts if getattr(each.original_route, "endpoint", None) is endpoint), None
        )
    return path or "unmatched"
