"""The schemas of layers in the OpenAPI documents: a union by `kind`, as clients send them and as they get them."""

from copy import deepcopy
from typing import Any

import msgspec

from stories_shared.events.layers import KINDS, MAX_LAYERS, AnyLayer
from stories_shared.http.openapi_schemas import REF

LAYERS_CREATE = {"type": "array", "maxItems": MAX_LAYERS, "items": {"$ref": f"{REF}LayerCreate"}}
ALWAYS = ("id", "rotation", "z")
"""Fields that a client may leave out and an answer always has."""
HIDDEN = "correct"
"""What only the author of a quiz gets."""


def layer_schemas() -> dict[str, dict[str, Any]]:
    """`Layer` and `LayerCreate`, and the schemas of each kind."""
    _, found = msgspec.json.schema_components([AnyLayer], ref_template=REF + "{name}")
    made: dict[str, dict[str, Any]] = {}
    for kind in KINDS.values():
        schema = found[kind.__name__]
        required = [name for name in schema["required"] if name != HIDDEN]
        made[kind.__name__] = {**schema, "required": [*required, *(name for name in ALWAYS if name not in required)]}
        own = {name: deepcopy(each) for name, each in schema["properties"].items() if name != "id"}
        made[f"{kind.__name__}Create"] = {**schema, "properties": own, "additionalProperties": False}
    made["Layer"] = union("Something laid over the media: a frame, and the fields of its kind.", "")
    made["LayerCreate"] = union("Something to lay over the media: a frame, and the fields of its kind.", "Create")
    return made


def union(description: str, suffix: str) -> dict[str, Any]:
    """One of the kinds, told apart by `kind`."""
    references = {name: f"{REF}{kind.__name__}{suffix}" for name, kind in KINDS.items()}
    return {
        "description": description,
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "kind", "mapping": references},
    }
