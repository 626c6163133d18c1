"""The OpenAPI document of a service: one form for FastAPI's routes and raw routes (CONTRIBUTING.md, "Adding a route").

A route declares what only it knows: its function's name (the operation id), docstring, tag, types, and the problems
that are its own (``refusals``). All else follows: problems of tokens, limits, bodies and headers, documented headers,
shared parameters, descriptions and formats.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from stories_shared.events.ecma_patterns import ecma
from stories_shared.http.authentication import SCHEME, Bearer
from stories_shared.http.bodies import dependants
from stories_shared.http.layer_schemas import layer_schemas
from stories_shared.http.openapi_schemas import REF, Schema, objects, reachable, sentence, tidy_schemas
from stories_shared.http.openapi_terms import (
    DESCRIPTION,
    HEADERS,
    IMPLIED,
    PARAMETERS,
    PROPERTIES,
    TAGS,
)
from stories_shared.http.problems import CONTENT_TYPE, KINDS, Kind
from stories_shared.http.rate_limits import RateLimitDependency
from stories_shared.http.raw_routes import OperationDoc, RawEndpoint

LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
SERVERS = [{"url": "/", "description": "The installation that serves this document"}]
SUCCESS = {200: "OK", 201: "Created", 202: "Accepted", 204: "Done; no content", 304: "Not modified"}
PROBLEM_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
REFUSALS = "x-refusals"
FIRST_ERROR = 400
NOT_MODIFIED = "304"


def refusals(*slugs: str) -> dict[int | str, Schema]:
    """The problems of a route's own: ``responses=refusals("comments-off", "comments-friends-only")``.

    Those of tokens, limits, bodies, ids, ``Idempotency-Key`` and ``Story-Ticket`` are added by themselves.
    """
    found: dict[int | str, Schema] = {}
    for slug in slugs:
        found.setdefault(KINDS[slug].status, {REFUSALS: []})[REFUSALS].append(slug)
    return found


def located(description: str) -> dict[int | str, Schema]:
    """The header ``Location`` of a 201: ``responses=refusals(…) | located("the story as its author sees it")``."""
    return {201: {"headers": {"Location": HEADERS["Location"] | {"description": sentence(description)}}}}


def document(app: FastAPI) -> Schema:
    """The OpenAPI 3.1 document, generated once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        paths = made.setdefault("paths", {})
        used: set[str] = set()
        for path, method, route in operations(app.routes):
            if isinstance(route, RawEndpoint):
                paths.setdefault(path, {})[method] = raw_operation(path, route.operation, schemas)
            operation = paths[path][method]
            describe(operation, route)
            operation["parameters"] = parameters(operation)
            add_responses(operation, route, schemas)
            if not operation["parameters"]:
                del operation["parameters"]
            used |= {each["$ref"].rpartition("/")[2] for each in operation.get("parameters", ()) if "$ref" in each}
        schemas |= {"Problem": problem_schema(), "InputError": INPUT_ERROR}
        layers = layer_schemas()
        schemas |= {name: layers[name] for name in sorted(reachable(made, layers))}
        tidy_schemas(made, partial={*layers, "Problem"})
        made["components"]["schemas"] = reachable_schemas(made)
        complete(made, used)
        for each in objects(made):
            if isinstance(pattern := each.get("pattern"), str):
                each["pattern"] = ecma(pattern)
        app.openapi_schema = made
    return app.openapi_schema


def reachable_schemas(made: Schema) -> Schema:
    """The schemas that an operation refers to. Pydantic also lists those that a validator of our own has inlined."""
    schemas: Schema = made["components"]["schemas"]
    used = reachable(made["paths"], schemas)
    return {name: schema for name, schema in schemas.items() if name in used}


def complete(made: Schema, used: set[str]) -> None:
    """Add what belongs to the document as a whole."""
    referred = json.dumps(made["paths"])
    made["info"] |= {"description": DESCRIPTION, "license": LICENSE}
    made["servers"] = SERVERS
    tags = {tag for methods in made["paths"].values() for each in methods.values() for tag in each.get("tags", ())}
    made["tags"] = [{"name": tag, "description": text} for tag, text in TAGS.items() if tag in tags]
    made["components"] |= {
        "parameters": {
            key: {
                "name": name.title() if place == "header" else name,
                "in": place,
                "required": place == "path",
                **about,
            }
            for (place, name), (key, about) in PARAMETERS.items()
            if key in used
        },
        "headers": {name: about for name, about in HEADERS.items() if f'headers/{name}"' in referred},
        "securitySchemes": {
            SCHEME: {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A JWT of the host application",
            }
        },
    }


def operations(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str, APIRoute | RawEndpoint]]:
    """Path, method and endpoint of every documented route."""
    for context in iter_route_contexts(list(routes)):
        route: Any = context.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in sorted(route.methods or ()):
                yield str(context.path_format), method.lower(), route
        elif isinstance(getattr(route, "endpoint", None), RawEndpoint):
            yield str(context.path), route.endpoint.operation.method.lower(), route.endpoint


def describe(operation: Schema, route: APIRoute | RawEndpoint) -> None:
    """Add the operation id, summary, description and security."""
    if isinstance(route, APIRoute):
        operation["operationId"] = route.name
        text = route.description
        summary = text.partition("\n\n")[0] if route.summary is None else route.summary
    else:
        operation["operationId"] = route.endpoint.__name__
        summary, text = route.operation.summary, route.endpoint.__doc__ or route.operation.summary
    first, _, rest = " ".join(summary.split()).partition(". ")
    operation["summary"] = first.rstrip(".")
    operation["description"] = sentence(text) if rest or len(text) > len(first) else sentence(first)
    operation.setdefault("security", [])


def parameters(operation: Schema) -> list[Schema]:
    """The parameters of an operation: shared ones as references, each with a description, none of them nullable."""
    found = []
    names = set()
    for each in operation.get("parameters", ()):
        key = (each["in"], each["name"].lower())
        names.add(key)
        if key in PARAMETERS:
            found.append(parameter_reference(*key))
            continue
        schema = not_null(each["schema"])
        schema.pop("title", None)
        text = each.get("description") or schema.pop("description", None) or PROPERTIES.get(each["name"])
        found.append(each | {"schema": schema} | ({"description": sentence(text)} if text else {}))
    if NOT_MODIFIED in operation.get("responses", {}) and ("header", "if-none-match") not in names:
        found.append(parameter_reference("header", "if-none-match"))
    return found


def parameter_reference(place: str, name: str) -> Schema:
    return {"$ref": f"#/components/parameters/{PARAMETERS[place, name][0]}"}


def not_null(schema: Schema) -> Schema:
    """The schema without null, which a query or a header cannot carry."""
    kept = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kept) == 1:
        schema = {name: value for name, value in schema.items() if name != "anyOf"} | kept[0]
    return {name: value for name, value in schema.items() if (name, value) != ("default", None)}


def add_responses(operation: Schema, route: APIRoute | RawEndpoint, schemas: dict[str, Schema]) -> None:
    """Describe the successes of a route with their headers, and add a response for each status of its problems."""
    kinds = problems_of(operation, route)
    limited = any(kind.slug == "rate-limited" for kind in kinds)
    made: dict[str, Schema] = {}
    for status, declared in operation.get("responses", {}).items():
        if int(status) < FIRST_ERROR:
            headers = declared.get("headers", {}) | common_headers(limited=limited)
            if NOT_MODIFIED in operation["responses"]:
                headers["ETag"] = header("ETag")
            made[status] = declared | {"description": SUCCESS[int(status)], "headers": headers}
    for status in sorted({kind.status for kind in kinds}):
        made[str(status)] = problem_response(
            [kind for kind in kinds if kind.status == status], schemas, limited=limited
        )
    operation["responses"] = dict(sorted(made.items()))


def common_headers(*, limited: bool) -> Schema:
    """The headers of every answer."""
    return {name: header(name) for name in ("X-Request-Id", *(("RateLimit", "RateLimit-Policy") if limited else ()))}


def header(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def problems_of(operation: Schema, route: APIRoute | RawEndpoint) -> list[Kind]:
    """The problems of a route: its own, and those that come with what it takes."""
    slugs = {"invalid", "unavailable"}
    found = [each.get("$ref", "") for each in operation["parameters"]]
    if isinstance(route, RawEndpoint):
        slugs |= {"unauthenticated", *route.operation.refusals}
        if route.operation.limit is not None:
            slugs.add("rate-limited")
        path = route.template.path
    else:
        calls = [dependant.call for dependant in dependants(route.dependant)]
        bearers = [call for call in calls if isinstance(call, Bearer)]
        if bearers:
            slugs.add("unauthenticated")
        if any(bearer.admin for bearer in bearers):
            slugs.add("not-found")
        if any(isinstance(call, RateLimitDependency) for call in calls):
            slugs.add("rate-limited")
        for declared in route.responses.values():
            slugs |= set(declared.get(REFUSALS, ()))
        path = route.path_format
    if "{" in path:
        slugs.add("not-found")
    if "requestBody" in operation:
        slugs |= {"not-json", "too-large", "unsupported-media-type"}
    for name, implied in IMPLIED.items():
        if parameter_reference("header", name)["$ref"] in found:
            slugs |= set(implied)
    return [kind for slug, kind in KINDS.items() if slug in slugs]


def problem_response(kinds: list[Kind], schemas: dict[str, Schema], *, limited: bool) -> Schema:
    """The response for the problems of one status."""
    name = "Or".join("".join(part.title() for part in kind.slug.split("-")) for kind in kinds) + "Problem"
    schemas[name] = {
        "description": sentence(" or ".join(f"`{kind.type}`" for kind in kinds)),
        "type": "object",
        "allOf": [{"$ref": REF + "Problem"}],
        "properties": {
            "type": {"type": "string", "enum": [kind.type for kind in kinds], "description": "The problem's type."}
        },
        "required": ["type"],
    }
    status = kinds[0].status
    after = ("Retry-After",) if any(kind.retry_after for kind in kinds) else PROBLEM_HEADERS.get(status, ())
    return {
        "description": "; ".join(kind.title for kind in kinds) + ".",
        "headers": {each: header(each) for each in after} | common_headers(limited=limited),
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": REF + name},
                "examples": {kind.slug: {"summary": kind.title, "value": kind.example()} for kind in kinds},
            }
        },
    }


INPUT_ERROR: Schema = {
    "description": "One error in a request.",
    "type": "object",
    "properties": {
        "loc": {
            "description": 'Where: a path of keys, such as `["body", "media", "size"]`.',
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        },
        "msg": {"description": "What is wrong there.", "type": "string"},
    },
    "required": ["loc", "msg"],
}


def problem_schema() -> Schema:
    """The schema of every problem."""
    reasons = list(dict.fromkeys(reason for kind in KINDS.values() for reason in kind.reasons))
    return {
        "description": "An error (RFC 9457). Go by `type`; `title` and `detail` are for people and may change.",
        "type": "object",
        "properties": {
            "type": {
                "description": "The problem's type.",
                "type": "string",
                "enum": [kind.type for kind in KINDS.values()],
            },
            "title": {"description": "What it is called.", "type": "string"},
            "status": {"description": "The HTTP status.", "type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"description": "What happened in this case.", "type": "string"},
            "errors": {
                "description": "What is wrong with the input, at most 20.",
                "type": "array",
                "items": {"$ref": REF + "InputError"},
            },
            "reason": {"description": "Why, where a type has several reasons.", "type": "string", "enum": reasons},
        },
        "required": ["type", "title", "status", "detail"],
    }


def raw_operation(path: str, operation: OperationDoc, schemas: dict[str, Schema]) -> Schema:
    """The operation of a raw route, as FastAPI would describe it."""
    found = [
        {
            "name": part[1:-1],
            "in": "path",
            "required": True,
            "schema": dict(operation.path.get(part[1:-1], {"type": "string"})),
        }
        for part in path.split("/")
        if part.startswith("{")
    ]
    found += [
        {"name": name, "in": location, "required": name in operation.required, "schema": dict(schema)}
        for location, named in (("query", operation.query), ("header", operation.headers))
        for name, schema in named.items()
    ]
    made: Schema = {
        "security": [{SCHEME: []}],
        "parameters": found,
        "responses": {str(status): success(kind, schemas) for status, kind in operation.answers.items()},
    }
    if operation.tags:
        made["tags"] = list(operation.tags)
    if operation.body is not None:
        content = {"application/json": {"schema": schema_of(operation.body, schemas)}}
        made["requestBody"] = {"required": True, "content": content}
    return made


def success(kind: Any, schemas: dict[str, Schema]) -> Schema:
    """The content of an answer: JSON, unless the schema names another media type."""
    if kind is None:
        return {}
    media_type = kind.get("contentMediaType", "application/json") if isinstance(kind, dict) else "application/json"
    return {"content": {media_type: {"schema": schema_of(kind, schemas)}}}


def schema_of(kind: Any, schemas: dict[str, Schema]) -> Schema:
    """The schema of a type; adds the schemas that it refers to."""
    if isinstance(kind, dict):
        return kind
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        (made,), parts = msgspec.json.schema_components([kind], ref_template=REF + "{name}")
        schemas.update(parts)
        return dict(made)
    made = TypeAdapter(kind).json_schema(ref_template=REF + "{model}", mode="serialization")
    schemas.update(made.pop("$defs", {}))
    return made
