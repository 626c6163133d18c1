"""Brings the schemas of an OpenAPI document into one form, whichever library generated them.

- ``XResponse`` is documented as ``X``, ``Page[XResponse]`` as ``XPage``.
- Every property has a description (``openapi_terms.PROPERTIES`` for those that mean the same everywhere).
- Times, URLs and ids have formats, enumerations have types, integers have whole bounds, nothing has a generated title.
- A request has no ``default``: generated clients would send it. It is in the description instead.
- An answer has every field, always; what is not there is null.
"""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from stories_shared.http.openapi_terms import CLIENT_IDS, ID_NAMES, PROPERTIES, USER_IDS

Schema = dict[str, Any]

REF = "#/components/schemas/"
TIME = re.compile(r"(^|_)(at|since|until|clears_by)$|^from$")
URL = re.compile(r"(^|_)url$")
ID = re.compile(r"_ids?$")
PAGE = re.compile(r"^Page_(.+?)_?$")
TYPES = {str: "string", bool: "boolean", int: "integer"}
INNER = ("items", "additionalProperties", "propertyNames", "not")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
CONSTRAINTS = {"format", "pattern", "enum", "const", "minLength", "maxLength"}


def tidy_schemas(document: Schema, partial: Collection[str]) -> None:
    """Bring every schema of the document into the one form, in place.

    Args:
        document: the whole document.
        partial: schemas of answers that leave out what is not there.

    Raises:
        ValueError: two schemas would have one name.
    """
    rename(document)
    schemas: dict[str, Schema] = document["components"]["schemas"]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    received = reachable([operation.get("requestBody") for operation in operations], schemas)
    sent = reachable([operation.get("responses") for operation in operations], schemas)
    for name, schema in schemas.items():
        if name.endswith("Page"):
            schema.setdefault("description", "A page of a list.")
        for each in walk(schema):
            tidy(each)
        tidy_properties(name, schema, request=name in received, whole=name in sent - received - set(partial))
    for operation in operations:
        for each in inline_schemas(operation):
            for inner in walk(each):
                tidy(inner)


def rename(document: Schema) -> None:
    """Give schemas their documented names."""
    schemas = document["components"].get("schemas", {})
    names = {name: documented_name(name) for name in schemas}
    for name, new in names.items():
        others = [each for each, its in names.items() if its == new and each != name]
        if others:
            raise ValueError(f"the schemas {name} and {others[0]} are both documented as {new}: rename a class")
    document["components"]["schemas"] = {names[name]: schema for name, schema in schemas.items()}
    for each in objects(document):
        name = str(each.get("$ref", "")).removeprefix(REF)
        if name in names:
            each["$ref"] = REF + names[name]


def documented_name(name: str) -> str:
    """The documented name of a class: ``Page_CommentResponse_`` is ``CommentPage``."""
    page = PAGE.match(name)
    if page:
        return documented_name(page[1]) + "Page"
    return name.removesuffix("Response") or name


def objects(value: Any) -> Iterator[Schema]:
    """Every JSON object in a value, itself included."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from objects(each)


def references(value: Any) -> Iterator[str]:
    """Names of the schemas that a value refers to."""
    for each in objects(value):
        if isinstance(reference := each.get("$ref"), str) and reference.startswith(REF):
            yield reference.removeprefix(REF)


def reachable(value: Any, schemas: dict[str, Schema]) -> set[str]:
    """Names of all schemas that a value refers to, directly or through others."""
    found: set[str] = set()
    waiting = list(references(value))
    while waiting:
        name = waiting.pop()
        if name not in found and name in schemas:
            found.add(name)
            waiting.extend(references(schemas[name]))
    return found


def inline_schemas(operation: Schema) -> Iterator[Schema]:
    """The schemas that are written in an operation."""
    contents = [operation.get("requestBody", {}), *operation.get("responses", {}).values()]
    for content in contents:
        for media in content.get("content", {}).values():
            if "schema" in media:
                yield media["schema"]


def walk(schema: Schema) -> Iterator[Schema]:
    """A schema and all schemas in it."""
    yield schema
    inner = [schema.get(name) for name in INNER]
    inner += [each for name in LISTS for each in schema.get(name, ())]
    inner += schema.get("properties", {}).values()
    for each in inner:
        if isinstance(each, dict):
            yield from walk(each)


def tidy(schema: Schema) -> None:
    """Remove the title, and complete what a generator left out."""
    schema.pop("title", None)
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "enum" in schema and "type" not in schema:
        kinds = {TYPES[type(each)] for each in schema["enum"] if type(each) in TYPES}
        if len(kinds) == 1 and None not in schema["enum"]:
            schema["type"] = kinds.pop()
    for bound in BOUNDS:
        if isinstance(schema.get(bound), float) and schema[bound].is_integer() and schema.get("type") == "integer":
            schema[bound] = int(schema[bound])


def tidy_properties(name: str, schema: Schema, *, request: bool, whole: bool) -> None:
    """Describe the properties of a schema and of the objects in it. A request's defaults become words."""
    for each in walk(schema):
        properties: dict[str, Schema] = each.get("properties", {})
        for key, value in properties.items():
            add_format(key, value)
            inner = next((each.pop("description") for each in value.get("anyOf", ()) if "description" in each), None)
            words = value.get("description") or inner or PROPERTIES.get(f"{name}.{key}") or PROPERTIES.get(key)
            if words:
                value["description"] = sentence(words)
            if "default" in value:
                default = value.pop("default")
                if request and default is not None and not (default in ([], {}) or isinstance(default, dict)):
                    value["description"] = f"{value.get('description', '')} Default: `{json.dumps(default)}`.".strip()
        if whole and properties:
            each["required"] = list(properties)


def sentence(words: str) -> str:
    """The words with a capital and a full stop."""
    text = " ".join(words.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "`)")) else ".")


def add_format(key: str, schema: Schema) -> None:
    """Add the format that a property's name tells to its bare strings."""
    if TIME.search(key):
        kind = "date-time"
    elif URL.search(key):
        kind = "uri"
    elif (key in ID_NAMES or ID.search(key)) and key.removesuffix("s") not in USER_IDS | CLIENT_IDS:
        kind = "uuid"
    else:
        return
    for each in [schema, *schema.get("anyOf", ())]:
        text = each.get("items", {}) if each.get("type") == "array" else each
        if text.get("type") == "string" and not CONSTRAINTS & text.keys():
            text["format"] = kind
