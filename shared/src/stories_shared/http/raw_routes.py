"""Raw routes: Starlette routes without FastAPI's overhead of a tenth of a millisecond, in the same OpenAPI document.

They authenticate, count against a rate limit and parse the query as the other routes do.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from stories_shared.auth.tokens import Caller
from stories_shared.http.authentication import authenticate
from stories_shared.http.queries import query
from stories_shared.http.rate_limits import consume
from stories_shared.timeouts import SharedTimeout

Endpoint = Callable[[Request, Caller, dict[str, str]], Awaitable[Response]]
Schema = Mapping[str, Any]
NONE: Mapping[Any, Any] = MappingProxyType({})

PAGING: Mapping[str, Schema] = {"limit": {}, "cursor": {}}
"""The query parameters of a list: ``paging.read_page`` parses them, ``openapi_terms`` describes them."""


@dataclass(frozen=True, slots=True)
class OperationDoc:
    """The OpenAPI operation of a raw route. Types are pydantic models, dataclasses, msgspec Structs or bare schemas."""

    method: str
    summary: str
    path: Mapping[str, Schema]
    query: Mapping[str, Schema]
    required: frozenset[str]
    headers: Mapping[str, Schema]
    body: Any
    answers: Mapping[int, Any]
    limit: str | None
    tags: tuple[str, ...]
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteTemplate:
    """The route's name in metrics and logs."""

    path: str


def raw_route(  # noqa: PLR0913, RUF100
    router: APIRouter,
    method: str,
    path: str,
    *,
    summary: str,
    parameters: Mapping[str, Schema] = NONE,
    query: Mapping[str, Schema] = NONE,
    required: frozenset[str] = frozenset(),
    headers: Mapping[str, Schema] = NONE,
    body: Any = None,
    answers: Mapping[int, Any] = NONE,
    limit: str | None = None,
    tags: tuple[str, ...] = (),
    deadline_s: float | None = None,
    authenticate: Callable[[Request], Awaitable[Caller]] = authenticate,
    refusals: tuple[str, ...] = (),
) -> Callable[[Endpoint], Endpoint]:
    """``@raw_route(router, "GET", "/v1/tray", summary=…, query=PAGING, answers={200: Tray}, limit="reads")``.

    The endpoint gets the request, the caller and the query's values by name; its name is the operation id. ``limit``
    takes one from the caller's quota; if the cost is known only later, leave it out, call ``rate_limits.consume`` and
    declare ``refusals=("rate-limited",)``. ``answers`` are types or schemas by status of success, ``refusals`` slugs
    of the route's own problems; those of all routes are added. Read a body with ``strict_json.read_document``.
    ``parameters`` are schemas of path parameters, which the endpoint validates. Exceeding ``deadline_s`` is 503; the
    endpoint must not await anything that swallows a cancellation then. ``authenticate`` finds the caller, by the bearer
    token if nothing else is given.
    """
    if any(status >= 400 for status in answers):
        raise ValueError(f"{method} {path}: declare problems with refusals=, not answers=")
    tags = tags or tuple(map(str, router.tags))
    operation = OperationDoc(
        method, summary, parameters, query, required, headers, body, answers, limit, tags, refusals
    )

    def add(endpoint: Endpoint) -> Endpoint:
        router.add_route(
            path,
            # Starlette takes an ASGI application too
            cast("Any", RawEndpoint(path, endpoint, operation, deadline_s, authenticate)),
            methods=[method],
            name=endpoint.__name__,
        )
        return endpoint

    return add


class RawEndpoint:
    """The ASGI application of a raw endpoint; the OpenAPI document finds routes by it."""

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        operation: OperationDoc,
        deadline_s: float | None,
        authenticate: Callable[[Request], Awaitable[Caller]],
    ) -> None:
        self.endpoint, self.operation = endpoint, operation
        self.timeout = None if deadline_s is None else SharedTimeout(deadline_s)
        self.authenticate = authenticate
        self.template = RouteTemplate(path)
        self.names = tuple(operation.query)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = self.template
        response = await self.answer(Request(scope, receive, send))
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Authenticate, count, parse the query and call the endpoint."""
        caller = await self.authenticate(request)
        if self.operation.limit is not None:
            consume(request, self.operation.limit, caller.user_id)
        parameters = query(request, *self.names)
        if self.timeout is None:
            return await self.endpoint(request, caller, parameters)
        with self.timeout.begin():
            return await self.endpoint(request, caller, parameters)


class BytesResponse(Response):
    """A response of ready bytes, with headers as bytes."""

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]], status_code: int = 200) -> None:
        self.status_code, self.body, self.background = status_code, body, None
        self.raw_headers = headers
        if status_code not in {204, 304}:
            self.raw_headers.append((b"content-length", b"%d" % len(body)))
