"""What is committed of the API's description is what the services say now."""

import pytest
from stories_embedded import openapi
from stories_embedded.openapi import Conflict, merged


@pytest.fixture(scope="module")
def documents() -> dict[str, openapi.Document]:
    return openapi.documents()


def test_the_committed_documents_are_what_the_services_say(documents: dict[str, openapi.Document]) -> None:
    for service, document in documents.items():
        assert (openapi.DOCS / "openapi" / f"{service}.json").read_text() == openapi.text(document), service
    assert openapi.MERGED.read_text() == openapi.text(merged(documents)), "run python -m stories_embedded.openapi"


def test_every_operation_has_one_owner(documents: dict[str, openapi.Document]) -> None:
    listed = openapi.routes(merged(documents))
    assert len(listed) == len({(route.path, route.method) for route in listed})
    assert {route.service for route in listed} == set(documents)


def test_two_owners_of_one_operation_are_a_conflict() -> None:
    def document(summary: str) -> openapi.Document:
        paths = {"/v1/tray": {"get": {"operationId": "tray", "summary": summary}}}
        return {"openapi": "3.1.0", "info": {"version": "1"}, "paths": paths}

    with pytest.raises(Conflict, match="/v1/tray get"):
        merged({"feed": document("one"), "ingest": document("other")})
