"""The OpenAPI documents are fit for generated clients: every operation and schema of every service, and the merged one.

A failure names the operation or schema; CONTRIBUTING.md, "Adding a route", says where each of these is declared.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from stories_ingest.routes.config import FEATURES
from stories_shared.http.openapi_schemas import reachable, references, walk
from stories_shared.http.openapi_terms import TAGS
from stories_shared.http.problems import CONTENT_TYPE, KINDS

from tools.codegen import CHECKOUT

Object = dict[str, Any]

DOCUMENTS = [CHECKOUT / "docs" / "openapi.json", *sorted((CHECKOUT / "docs" / "openapi").glob("*.json"))]
VERBS = {
    *(
        "add",
        "answer",
        "batch",
        "block",
        "cancel",
        "change",
        "create",
        "decide",
        "delete",
        "erase",
        "explain",
        "follow",
    ),
    *(
        "get",
        "hide",
        "list",
        "mark",
        "mute",
        "publish",
        "remove",
        "renew",
        "report",
        "repost",
        "retry",
        "search",
        "set",
    ),
    *("share", "stream", "test", "unblock", "unfollow", "unhide", "unmute", "update", "withdraw"),
}
ID = re.compile(r"^[a-z]+(_[a-z0-9]+)+$")
SCHEMA = re.compile(r"^[A-Z][A-Za-z0-9]*$")
OLD_SUFFIXES = ("Response", "Shape", "Body", "Given", "Input", "Output")
RATE_HEADERS = {"RateLimit", "RateLimit-Policy"}


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.stem)
def document(request: pytest.FixtureRequest) -> Object:
    path: Path = request.param
    found: Object = json.loads(path.read_text())
    return found


def operations(document: Object) -> Iterator[tuple[str, Object]]:
    """Each operation with its name for messages."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path} ({operation['operationId']})", operation


def resolve(document: Object, part: Object) -> Object:
    """A part, or the component that it refers to."""
    if "$ref" not in part:
        return part
    found = document
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def refusals(operation: Object) -> Iterator[tuple[str, Object]]:
    return ((status, response) for status, response in operation["responses"].items() if status >= "400")


def successes(operation: Object) -> Iterator[tuple[str, Object]]:
    return ((status, response) for status, response in operation["responses"].items() if status < "400")


def test_document_says_what_and_where_it_is(document: Object) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert len(document["info"]["description"]) > 500
    assert document["servers"] == [{"url": "/", "description": "The installation that serves this document"}]


def test_operation_ids_are_a_verb_and_a_noun(document: Object) -> None:
    wrong = [
        name
        for name, operation in operations(document)
        if not ID.match(operation["operationId"]) or operation["operationId"].partition("_")[0] not in VERBS
    ]
    assert wrong == [], f"name the route's function verb_noun, with one of the verbs {sorted(VERBS)}"


def test_operations_have_one_known_tag_a_summary_and_a_description(document: Object) -> None:
    for name, operation in operations(document):
        assert len(operation.get("tags", ())) == 1, f"{name}: give its router one tag (not its route as well)"
        assert operation["tags"][0] in TAGS, f"{name}: its tag is not in TAGS of stories_shared/http/openapi_terms.py"
        assert 5 < len(operation["summary"]) <= 120, f"{name}: its docstring's first sentence is its summary"
        assert operation["description"].endswith((".", "`")), f"{name}: its docstring is its description"
        assert "security" in operation, name
    used = [tag for tag in TAGS if any(tag in operation["tags"] for _, operation in operations(document))]
    assert [tag["name"] for tag in document["tags"]] == used
    assert all(tag["description"] for tag in document["tags"])


def test_parameters_are_described_and_never_null(document: Object) -> None:
    for name, operation in operations(document):
        for each in operation.get("parameters", ()):
            parameter = resolve(document, each)
            where = f"{name}: parameter {parameter['name']}"
            assert parameter.get("description"), f"{where} has no description: Query(description=…)"
            assert "null" not in json.dumps(parameter["schema"]), f"{where} may be null, which cannot be sent"
            assert "type" in parameter["schema"] or "$ref" in parameter["schema"], f"{where} has no type"


def test_every_refusal_is_a_problem_with_its_types(document: Object) -> None:
    types = {kind.type: kind for kind in KINDS.values()}
    for name, operation in operations(document):
        found = dict(refusals(operation))
        assert {"422", "503"} <= found.keys(), name
        for status, response in found.items():
            schema = resolve(document, response["content"][CONTENT_TYPE]["schema"])
            assert schema["allOf"] == [{"$ref": "#/components/schemas/Problem"}], f"{name} {status}"
            allowed = schema["properties"]["type"]["enum"]
            assert allowed, f"{name} {status}"
            assert {types[each].status for each in allowed} == {int(status)}, f"{name} {status}"


def test_every_answer_documents_its_headers(document: Object) -> None:
    for name, operation in operations(document):
        limited = "429" in operation["responses"]
        conditional = "304" in operation["responses"]
        sent = {resolve(document, each)["name"] for each in operation.get("parameters", ())}
        assert ("If-None-Match" in sent) == conditional, name
        for status, response in operation["responses"].items():
            headers = response.get("headers", {}).keys()
            assert "X-Request-Id" in headers, f"{name} {status}"
            assert (headers >= RATE_HEADERS) == limited, f"{name} {status}"
            assert ("Retry-After" in headers) >= (status in {"429", "503"}), f"{name} {status}"
            assert ("ETag" in headers) == (conditional and status in {"200", "304"}), f"{name} {status}"
            assert all(resolve(document, each)["description"] for each in response["headers"].values())


def test_schemas_are_named_and_described(document: Object) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert SCHEMA.match(name), f"schema {name}: CamelCase"
        assert not name.endswith(OLD_SUFFIXES), f"schema {name}: see CONTRIBUTING.md for names"
        assert schema.get("description"), f"schema {name}: its class has no docstring"
        if schema.get("properties", {}).keys() >= {"items", "next_cursor"}:
            assert name.endswith("Page"), f"schema {name} is a page: call it …Page"


def test_every_property_is_described_and_typed(document: Object) -> None:
    for name, schema in document["components"]["schemas"].items():
        for each in walk(schema):
            assert "title" not in each or isinstance(each["title"], dict), name
            for key, value in each.get("properties", {}).items():
                where = f"{name}.{key}"
                words = "Field(description=…), or msgspec's Meta(description=…)"
                assert value.get("description"), f"{where} has no description: {words}"
                kinds = {"type", "$ref", "anyOf", "oneOf", "allOf"} & value.keys()
                assert kinds or name.endswith("Layer"), f"{where} has no type"
                assert value.get("type") != "object" or {"properties", "additionalProperties"} & value.keys(), (
                    f"{where} is a bare object: give it a type"
                )


def test_request_bodies_have_no_defaults(document: Object) -> None:
    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        body = operation.get("requestBody")
        for schema in sorted(reachable(body, schemas)):
            assert all("default" not in each for each in walk(schemas[schema])), f"{name}: {schema}"
        for schema in references(body) if operation["operationId"].startswith("change_") else ():
            assert not schemas[schema].get("required"), f"{name}: every field of a PATCH body is optional"


def test_answers_always_have_every_field(document: Object) -> None:
    schemas = document["components"]["schemas"]
    bodies = [operation.get("requestBody") for _, operation in operations(document)]
    answers = [dict(successes(operation)) for _, operation in operations(document)]
    for name in reachable(answers, schemas) - reachable(bodies, schemas):
        schema = schemas[name]
        assert set(schema.get("required", ())) >= schema.get("properties", {}).keys() or name.endswith("Layer"), name


def contents(operation: Object) -> Iterator[tuple[str, Object]]:
    """The JSON of a body and of the answers of an operation."""
    parts = {"request": operation.get("requestBody", {}), **dict(successes(operation))}
    for name, part in parts.items():
        content = part.get("content", {}).get("application/json")
        if content is not None:
            yield name, content


def test_bodies_and_answers_have_recorded_examples() -> None:
    whole = json.loads(DOCUMENTS[0].read_text())
    parts = [
        (f"{name} {part}", content) for name, operation in operations(whole) for part, content in contents(operation)
    ]
    missing = [where for where, content in parts if "example" not in content]
    assert missing == [], "extend tools/record_examples.py and record"


def test_examples_match_their_schemas(document: Object) -> None:
    components = {"components": document["components"]}
    checked = 0
    for name, operation in operations(document):
        for part, content in contents(operation):
            if "example" not in content:
                continue
            schema = {**content["schema"], **components}
            validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
            faults = [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(content["example"])]
            assert faults == [], f"{name} {part}"
            checked += 1
    assert checked > 3


def test_times_urls_and_ids_have_formats(document: Object) -> None:
    suffixes = {"_at": "date-time", "_url": "uri"}
    for name, schema in document["components"]["schemas"].items():
        for key, value in schema.get("properties", {}).items():
            kinds = [each for each in (value, *value.get("anyOf", ())) if each.get("type") == "string"]
            for suffix, expected in suffixes.items():
                if key.endswith(suffix):
                    assert all(each.get("format") == expected for each in kinds), f"{name}.{key}"
    assert document["components"]["parameters"][
        "StoryId" if "StoryId" in document["components"]["parameters"] else "UserId"
    ]


def test_every_feature_of_the_configuration_has_its_operation() -> None:
    whole = json.loads(DOCUMENTS[0].read_text())
    assert set(FEATURES.values()) <= {operation["operationId"] for _, operation in operations(whole)}


def test_bounds_of_integers_are_integers(document: Object) -> None:
    bounds = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    for name, schema in document["components"]["schemas"].items():
        for each in walk(schema):
            if each.get("type") == "integer":
                assert not any(isinstance(each.get(bound), float) for bound in bounds), name
