"""The OpenAPI document: FastAPI writes most of it; the shapes of ready bytes and the hot routes are added here."""

from typing import Any

import msgspec
from fastapi import FastAPI

from stories_feed.routes import answers as shapes
from stories_feed.usecases.items import Item

REF = "#/components/schemas/{name}"
SHAPES = (Item, shapes.Reel, shapes.Reels, shapes.TrayAnswer, shapes.RingsAnswer, shapes.Edges)
WORDS = {
    304: "Nothing has changed since the answer with this tag",
    403: "The graph is the host application's",
    404: "Not there, or not for the caller",
}
REFUSED = {"description": "A problem", "content": {"application/problem+json": {"schema": {"type": "object"}}}}


def answers(shape: type[msgspec.Struct] | None, *others: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that answers with this shape, or with nothing."""
    found: dict[int | str, dict[str, Any]] = {}
    if shape is None:
        found[204] = {"description": "Done"}
    else:
        found[200] = {"description": first_line(shape), "content": content(shape)}
    for status in (*others, 401, 422, 429, 503):
        found[status] = dict(REFUSED) | {"description": WORDS.get(status, "A problem")}
        if status == 304:
            del found[status]["content"]
    return found


def content(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """A JSON answer of this shape."""
    return {"application/json": {"schema": {"$ref": REF.format(name=shape.__name__)}}}


def first_line(shape: type) -> str:
    """What a shape says of itself."""
    return (shape.__doc__ or "").strip().split("\n")[0]


def parameter(name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    """A parameter of a query."""
    return {"name": name, "in": "query", "required": required, "schema": schema}


def hot_route(name: str, summary: str, parameters: list[dict[str, Any]], responses: dict[Any, Any]) -> dict[str, Any]:
    """A route that FastAPI knows nothing of."""
    return {
        "get": {
            "tags": ["tray"],
            "summary": summary,
            "operationId": name,
            "security": [{"bearer": []}],
            "parameters": parameters,
            "responses": {str(status): response for status, response in responses.items()},
        }
    }


def documented(app: FastAPI) -> FastAPI:
    """The application, with a document that tells all of it."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            _, schemas = msgspec.json.schema_components(SHAPES, ref_template=REF)
            components = document.setdefault("components", {})
            components.setdefault("schemas", {}).update(schemas)
            document["paths"]["/v1/tray"] = hot_route(
                "tray",
                "The rings of those whom the caller follows: unseen first, then newest",
                [
                    parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
                    parameter("cursor", {"type": "string", "maxLength": 2048}),
                ],
                answers(shapes.TrayAnswer, 304),
            )
            document["paths"]["/v1/rings"] = hot_route(
                "rings",
                "The rings of up to a hundred users",
                [
                    parameter(
                        "user_ids",
                        {"type": "string", "pattern": shapes.USER_IDS, "examples": ["ann,bob"]},
                        required=True,
                    )
                ],
                answers(shapes.RingsAnswer),
            )
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app
