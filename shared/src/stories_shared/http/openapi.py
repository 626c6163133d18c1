"""The OpenAPI document of a service: FastAPI's own, the raw routes, and the errors that all routes share."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from stories_shared.events.ecma_patterns import published
from stories_shared.http.authentication import SCHEME, Bearer
from stories_shared.http.bodies import dependants
from stories_shared.http.problems import CONTENT_TYPE, KINDS
from stories_shared.http.rate_limits import RateLimitDependency
from stories_shared.http.raw_routes import OperationDoc, RawEndpoint

REF = "#/components/schemas/{model}"
PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457; docs/http.md lists the types",
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": [kind.type for kind in KINDS.values()]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
                    "msg": {"type": "string"},
                },
                "required": ["loc", "msg"],
            },
        },
        "reason": {"type": "string"},
    },
    "required": ["type", "title", "status"],
}
MEANINGS = {
    400: "Not JSON",
    401: "No good token",
    403: "Not allowed",
    404: "Nothing here for the caller",
    405: "Not with this method",
    409: "Not in this state",
    413: "The body is too large",
    415: "Not application/json",
    422: "The wrong shape",
    429: "Too many; try again after `Retry-After` seconds",
    503: "A dependency is down; try again after `Retry-After` seconds",
}
HEADERS = {
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
    401: ("WWW-Authenticate",),
}
FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document, generated once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for path, method, route in operations(app.routes):
            paths = made.setdefault("paths", {})
            if isinstance(route, RawEndpoint):
                paths.setdefault(path, {})[method] = raw_operation(path, route.operation, schemas)
            operation = paths[path][method]
            operation["operationId"] = name_of(route)
            add_problem_responses(operation, route)
        for name in FASTAPI_ERRORS:
            schemas.pop(name, None)
        schemas["Problem"] = PROBLEM
        made["components"].setdefault("securitySchemes", {})[SCHEME] = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A JWT of the host application",
        }
        app.openapi_schema = published(made)
    return app.openapi_schema


def operations(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str, APIRoute | RawEndpoint]]:
    """Path, method and endpoint of every documented route."""
    for context in iter_route_contexts(list(routes)):
        route: Any = context.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in sorted(route.methods or ()):
                yield str(context.path_format), method.lower(), route
        elif isinstance(getattr(route, "endpoint", None), RawEndpoint):
            yield str(context.path), route.endpoint.operation.method.lower(), route.endpoint


def name_of(route: APIRoute | RawEndpoint) -> str:
    return route.name if isinstance(route, APIRoute) else route.endpoint.__name__


def add_problem_responses(operation: dict[str, Any], route: APIRoute | RawEndpoint) -> None:
    """Add the problem responses of a route, and remove FastAPI's own."""
    responses = operation.setdefault("responses", {})
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status in error_statuses(operation, route):
        responses.setdefault(str(status), problem_answer(status))
    operation["responses"] = dict(sorted(responses.items()))


def error_statuses(operation: dict[str, Any], route: APIRoute | RawEndpoint) -> list[int]:
    statuses = [404, 422, 503]
    if isinstance(route, RawEndpoint):
        authenticated, limited = True, route.operation.limit is not None
    else:
        calls = [dependant.call for dependant in dependants(route.dependant)]
        authenticated, limited = (
            any(isinstance(c, Bearer) for c in calls),
            any(isinstance(c, RateLimitDependency) for c in calls),
        )
    if authenticated:
        statuses.append(401)
    if limited:
        statuses.append(429)
    if "requestBody" in operation:
        statuses += [400, 413, 415]
    return statuses


def problem_answer(status: int) -> dict[str, Any]:
    """The response object of an error; for ``responses=`` of a route: ``{409: problem_answer(409)}``."""
    answer: dict[str, Any] = {
        "description": MEANINGS[status],
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in HEADERS:
        answer["headers"] = {name: {"schema": {"type": "string"}} for name in HEADERS[status]}
    return answer


def raw_operation(path: str, operation: OperationDoc, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {
            "name": part[1:-1],
            "in": "path",
            "required": True,
            "schema": dict(operation.path.get(part[1:-1], {"type": "string"})),
        }
        for part in path.split("/")
        if part.startswith("{")
    ]
    parameters += [
        {"name": name, "in": location, "required": name in operation.required, "schema": dict(schema)}
        for location, named in (("query", operation.query), ("header", operation.headers))
        for name, schema in named.items()
    ]
    made: dict[str, Any] = {
        "summary": operation.summary,
        "security": [{SCHEME: []}],
        "responses": {str(status): answer_of(status, kind, schemas) for status, kind in operation.answers.items()},
    }
    if operation.tags:
        made["tags"] = list(operation.tags)
    if parameters:
        made["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": schema_of(operation.body, schemas)}}
        made["requestBody"] = {"required": True, "content": content}
    return made


def answer_of(status: int, kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if status in MEANINGS:
        return problem_answer(status)
    answer: dict[str, Any] = {"description": "Not modified" if status == 304 else "Done"}
    if kind is not None:
        answer["content"] = {"application/json": {"schema": schema_of(kind, schemas)}}
    return answer


def schema_of(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; adds the schemas that it refers to."""
    if isinstance(kind, dict):
        return kind
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        (made,), parts = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
        schemas.update(parts)
        return dict(made)
    made = TypeAdapter(kind).json_schema(ref_template=REF, mode="serialization")
    schemas.update(made.pop("$defs", {}))
    return made
