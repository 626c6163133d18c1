"""The short way to hot routes: past every other middleware, FastAPI's router and its exit stack."""

import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from stories_shared.http.problem_middleware import problem_from_error
from stories_shared.http.problems import unavailable
from stories_shared.http.raw_routes import RawEndpoint
from stories_shared.runtime.health import Health
from stories_shared.runtime.metrics import CommonMetrics
from stories_shared.runtime.middleware import CLOCK_RETRY_S, all_routes

BODY_FOLLOWS = frozenset({b"content-length", b"transfer-encoding"})
PARAMETER = re.compile(r"\{(\w+)\}")
NO_STORE = (b"cache-control", b"private, no-store")


class RawRouteMiddleware:
    """ASGI middleware, outermost: answers plain GETs of hot routes in one pass and hands on everything else.

    It does for them what the others do for all routes: counts and times them, refuses while the clock is off, makes
    problem documents of errors, adds what the route left in ``scope["stories.headers"]`` and a ``Cache-Control``. A
    request with a body, another method (HEAD too) or an escape in its path goes the long way, to the same endpoint.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[Any], metrics: CommonMetrics, health: Health) -> None:
        self.app = app
        self.metrics = metrics
        self.health = health
        found: list[RawEndpoint] = [
            route.endpoint for route in all_routes(routes) if isinstance(getattr(route, "endpoint", None), RawEndpoint)
        ]
        hot = [each for each in found if each.operation.method == "GET"]
        self.plain = {each.template.path: each for each in hot if "{" not in each.template.path}
        self.patterns = [(pattern_of(each.template.path), each) for each in hot if "{" in each.template.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hot = self.find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if hot is None:
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        self.metrics.http_in_flight.inc()
        try:
            scope["route"] = hot.template
            added: list[tuple[bytes, bytes]] = []
            scope["stories.headers"] = added
            if self.health.clock_is_off:
                response = unavailable("this replica's clock is off", after=CLOCK_RETRY_S).response()
            else:
                try:
                    response = await hot.answer(Request(scope, receive))
                except Exception as error:  # noqa: BLE001  (as for all routes: it becomes a problem document)
                    response = problem_from_error(error, scope).response()
            status = response.status_code
            headers = [*response.raw_headers, *added]
            if not any(name == b"cache-control" for name, _ in response.raw_headers):
                headers.append(NO_STORE)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
        finally:
            self.metrics.http_in_flight.dec()
            self.metrics.answered("GET", hot.template.path, status, time.perf_counter() - began)

    def find(self, scope: Scope) -> RawEndpoint | None:
        """The hot route of a plain request; its path's parameters are in the scope then."""
        path: str = scope["path"]
        if scope.get("root_path") or b"%" in (scope.get("raw_path") or b""):
            return None
        hot: RawEndpoint | None = self.plain.get(path)
        if hot is None:
            for pattern, each in self.patterns:
                if match := pattern.fullmatch(path):
                    hot, scope["path_params"] = each, match.groupdict()
                    break
        if hot is None or any(name in BODY_FOLLOWS for name, _ in scope["headers"]):
            return None
        return hot


def pattern_of(template: str) -> re.Pattern[str]:
    """What paths of a template look like."""
    return re.compile("".join(parts_of(template)))


def parts_of(template: str) -> Iterator[str]:
    """Texts and named groups in turn."""
    for number, part in enumerate(PARAMETER.split(template)):
        yield f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part)
