"""The OpenAPI documents of the services and the merged one: `python -m stories_embedded.openapi` writes them."""

import json
from collections.abc import Mapping
from copy import deepcopy
from importlib import import_module
from typing import Any

from stories_shared.events.cloudevents import SERVICES
from stories_shared.http.openapi_terms import TAGS
from stories_shared.runtime.settings import load

from . import openapi_links
from .services import DOCS, settings_class

MERGED = DOCS / "openapi.json"
OWNER = "x-service"
# Enough to build a service; no connection is made.
EXAMPLE = {
    "kafka_bootstrap_servers": "kafka:9092",
    "mongo_url": "mongodb://mongodb",
    "s3_endpoint": "s3:9000",
    "s3_access_key": "example",
    "s3_secret_key": "example",
    "auth_jwks": "https://issuer.example/jwks.json",
    "auth_issuer": "https://issuer.example",
    "auth_audience": "stories",
    "ticket_keys": f"k:{'0' * 32}",
}

Document = dict[str, Any]


class Conflict(Exception):
    """Two services describe the same thing differently."""


def documents() -> dict[str, Document]:
    """The OpenAPI document of each service."""
    return {service: _document(service) for service in SERVICES}


def merged(documents: Mapping[str, Document]) -> Document:
    """One document for the whole API, every operation marked with its owner.

    Raises Conflict if two services define an operation, its id or a component differently.
    """
    paths: dict[str, Document] = {}
    components: dict[str, Document] = {}
    for service, document in documents.items():
        for path, operations in document["paths"].items():
            owned = {method: {**deepcopy(operation), OWNER: service} for method, operation in operations.items()}
            _add(paths.setdefault(path, {}), owned, path)
        for kind, found in document.get("components", {}).items():
            _add(components.setdefault(kind, {}), found, kind)
    openapi_links.add_links(openapi_links.LINKS, paths)
    ids = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise Conflict(f"operation ids twice: {', '.join(twice)}")
    first = next(iter(documents.values()))
    tags = list({tag["name"]: tag for document in documents.values() for tag in document["tags"]}.values())
    return {
        "openapi": first["openapi"],
        "info": {**first["info"], "title": "Stories"},
        "servers": first["servers"],
        "tags": [tag for name in TAGS for tag in tags if tag["name"] == name],
        "paths": dict(sorted(paths.items())),
        "components": {kind: dict(sorted(found.items())) for kind, found in components.items()},
    }


def text(document: Document) -> str:
    """The committed form of a document."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _document(service: str) -> Document:
    kind = settings_class(service)
    read = {name: value for name, value in EXAMPLE.items() if name in kind.model_fields}
    app = import_module(f"stories_{service}.app").build_app(
        load(kind, {**read, "mongo_database": f"stories_{service}"})
    )
    described: Document = app.openapi()
    for operations in described["paths"].values():
        for operation in operations.values():
            _add_examples(operation)
    return described


def _add_examples(operation: Document) -> None:
    """Add the recorded examples of an operation (`tools/record_examples.py`) to its body and its answers."""
    file = DOCS / "openapi" / "examples" / f"{operation['operationId']}.json"
    if not file.exists():
        return
    recorded = json.loads(file.read_text())
    parts = [(operation.get("requestBody", {}), recorded.get("request"))]
    parts += [(operation["responses"].get(status, {}), body) for status, body in recorded["responses"].items()]
    for part, example in parts:
        content = part.get("content", {}).get("application/json")
        if content is not None and example is not None:
            content["example"] = example


def _add(into: Document, found: Document, what: str) -> None:
    for name, value in found.items():
        if into.setdefault(name, value) != value:
            raise Conflict(f"{what} {name} is described in two ways")


def main() -> None:
    """Write the documents."""
    found = documents()
    (DOCS / "openapi").mkdir(parents=True, exist_ok=True)
    for service, document in found.items():
        (DOCS / "openapi" / f"{service}.json").write_text(text(document))
    MERGED.write_text(text(merged(found)))


if __name__ == "__main__":
    main()
