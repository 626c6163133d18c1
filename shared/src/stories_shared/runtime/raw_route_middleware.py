"""Serves raw routes without the other middleware, FastAPI's router and its exit stack."""

import time
from collections.abc import Sequence

from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.routing import BaseRoute, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from stories_shared.http.event_stream import EventStreamResponse
from stories_shared.http.problem_middleware import problem_from_error
from stories_shared.http.problems import unavailable
from stories_shared.http.raw_routes import RawEndpoint
from stories_shared.runtime.health import Health
from stories_shared.runtime.metrics import CommonMetrics
from stories_shared.runtime.middleware import CLOCK_RETRY_S

BODY_FOLLOWS = frozenset({b"content-length", b"transfer-encoding"})
NO_STORE = (b"cache-control", b"private, no-store")


class RawRouteMiddleware:
    """ASGI middleware, outermost: answers plain GETs of raw routes itself and passes everything else on.

    It does what the other middleware do: metrics, 503 while the clock is off, problem documents for errors, the headers
    in ``scope["stories.headers"]`` and a ``Cache-Control``. A request with a body, another method (HEAD too) or an
    escape in its path passes through the other middleware to the same endpoint.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], metrics: CommonMetrics, health: Health) -> None:
        self.app = app
        self.metrics = metrics
        self.health = health
        found = [getattr(context.original_route, "endpoint", None) for context in iter_route_contexts(routes)]
        endpoints = [each for each in found if isinstance(each, RawEndpoint) and each.operation.method == "GET"]
        self.plain = {endpoint.template.path: endpoint for endpoint in endpoints if "{" not in endpoint.template.path}
        self.patterns = [(compile_path(e.template.path)[0], e) for e in endpoints if "{" in e.template.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self.find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if endpoint is None:
            await self.app(scope, receive, send)
            return
        began, status, streamed = time.perf_counter(), 500, False
        self.metrics.http_in_flight.inc()
        try:
            scope["route"] = endpoint.template
            added: list[tuple[bytes, bytes]] = []
            scope["stories.headers"] = added
            if self.health.clock_is_off:
                response = unavailable("this replica's clock is off", after=CLOCK_RETRY_S).response()
            else:
                try:
                    response = await endpoint.answer(Request(scope, receive))
                except Exception as error:  # noqa: BLE001  (as for all routes: it becomes a problem document)
                    response = problem_from_error(error, scope).response()
            status = response.status_code
            if isinstance(response, EventStreamResponse):
                response.raw_headers += added
                # Timed until its headers: it lasts as long as the client wants it.
                self.metrics.answered("GET", endpoint.template.path, status, time.perf_counter() - began)
                streamed = True
                await response(scope, receive, send)
                return
            headers = [*response.raw_headers, *added]
            if not any(name == b"cache-control" for name, _ in response.raw_headers):
                headers.append(NO_STORE)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
        finally:
            self.metrics.http_in_flight.dec()
            if not streamed:
                self.metrics.answered("GET", endpoint.template.path, status, time.perf_counter() - began)

    def find(self, scope: Scope) -> RawEndpoint | None:
        """The raw route of a plain request, or None. Sets the path parameters in the scope."""
        path: str = scope["path"]
        if scope.get("root_path") or b"%" in (scope.get("raw_path") or b""):
            return None
        endpoint: RawEndpoint | None = self.plain.get(path)
        if endpoint is None:
            for pattern, candidate in self.patterns:
                if match := pattern.fullmatch(path):
                    endpoint, scope["path_params"] = candidate, match.groupdict()
                    break
        if endpoint is None or any(name in BODY_FOLLOWS for name, _ in scope["headers"]):
            return None
        return endpoint
