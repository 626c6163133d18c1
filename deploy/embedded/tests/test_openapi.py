"""The committed OpenAPI documents are current, and their links are valid."""

import pytest
from stories_embedded import openapi
from stories_embedded.openapi import Conflict, merged
from stories_embedded.openapi_links import LINKS, Link, add_links
from stories_embedded.services import DOCS


@pytest.fixture(scope="module")
def documents() -> dict[str, openapi.Document]:
    return openapi.documents()


def test_committed_openapi_documents_are_current(documents: dict[str, openapi.Document]) -> None:
    for service, document in documents.items():
        assert (DOCS / "openapi" / f"{service}.json").read_text() == openapi.text(document), service
    assert openapi.MERGED.read_text() == openapi.text(merged(documents)), "run python -m stories_embedded.openapi"


def test_every_operation_has_one_owner(documents: dict[str, openapi.Document]) -> None:
    operations = [each for found in merged(documents)["paths"].values() for each in found.values()]
    assert {operation[openapi.OWNER] for operation in operations} == set(documents)


def test_two_owners_of_one_operation_are_a_conflict() -> None:
    def document(summary: str) -> openapi.Document:
        paths = {"/v1/tray": {"get": {"operationId": "get_tray", "summary": summary}}}
        return {"openapi": "3.1.0", "info": {"version": "1"}, "paths": paths}

    with pytest.raises(Conflict, match="/v1/tray get"):
        merged({"feed": document("one"), "ingest": document("other")})


def resolved(schema: openapi.Document, whole: openapi.Document) -> list[openapi.Document]:
    """A schema without references, and each of its alternatives."""
    if "$ref" in schema:
        return resolved(whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]], whole)
    alternatives = [*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]
    return [schema, *(found for each in alternatives for found in resolved(each, whole))]


def holds(schema: openapi.Document, pointer: str, whole: openapi.Document) -> bool:
    """Whether a document of the schema may have a value there."""
    if not pointer:
        return True
    step, _, rest = pointer[1:].partition("/")
    rest = f"/{rest}" if rest else ""
    inner = [
        each["items"] if step.isdecimal() else each.get("properties", {}).get(step)
        for each in resolved(schema, whole)
        if not step.isdecimal() or "items" in each
    ]
    return any(holds(each, rest, whole) for each in inner if each is not None)


def parameters(operation: openapi.Document, whole: openapi.Document) -> list[openapi.Document]:
    """The parameters of an operation, without references."""
    shared = whole["components"]["parameters"]
    return [
        shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in operation.get("parameters", [])
    ]


def expressions(value: object) -> list[str]:
    """Every expression in the values of a link."""
    if isinstance(value, dict | list):
        return [found for each in (value.values() if isinstance(value, dict) else value) for found in expressions(each)]
    return [value] if isinstance(value, str) and value.startswith("$") else []


def test_every_openapi_link_maps_existing_fields_to_parameters(
    documents: dict[str, openapi.Document],
) -> None:
    whole = merged(documents)
    operations = {each["operationId"]: each for methods in whole["paths"].values() for each in methods.values()}
    seen = 0
    for operation in operations.values():
        own = {(each["in"], each["name"]) for each in parameters(operation, whole)}
        for answer in operation["responses"].values():
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            for name, link in answer.get("links", {}).items():
                seen += 1
                target = operations[link["operationId"]]
                assert set(link.get("parameters", {})) <= {each["name"] for each in parameters(target, whole)}, name
                assert "requestBody" not in link or "requestBody" in target, name
                for expression in expressions([link.get("parameters"), link.get("requestBody")]):
                    place, _, pointer = expression.partition("#")
                    if pointer:
                        assert place == "$response.body"
                        assert holds(schema, pointer, whole), (operation["operationId"], name, expression)
                    else:
                        _, of, parameter = expression.split(".", 2)
                        assert (of, parameter) in own, (operation["operationId"], name, expression)
    assert seen == len(LINKS) > 90


@pytest.mark.parametrize(
    ("link", "error"),
    [
        (Link("nothing", 200, "get_tray"), KeyError),
        (Link("get_tray", 201, "get_tray"), KeyError),
        (Link("get_tray", 200, "get_reel", name="next_page"), ValueError),
    ],
)
def test_invalid_and_duplicate_links_are_rejected(
    documents: dict[str, openapi.Document], link: Link, error: type[Exception]
) -> None:
    with pytest.raises(error):
        add_links([link], merged(documents)["paths"])
