"""Generated documents are current, and AsyncAPI's own schema (of ``@asyncapi/specs``) accepts docs/asyncapi.yaml."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from stories_shared.events import EVENTS
from stories_shared.kafka.topics import Topics

from tools.codegen import asyncapi, documents
from tools.codegen.metrics import SAME_EVERYWHERE, SERVICES, metrics_of

SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.json")


@pytest.mark.parametrize(("path", "text"), documents().items(), ids=lambda each: getattr(each, "name", ""))
def test_generated_documents_are_current(path: Path, text: str) -> None:
    assert path.read_text() == text, "run `make docs`"


def test_asyncapi_document_matches_its_schema() -> None:
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(yaml.safe_load(asyncapi.page()))


def test_asyncapi_references_resolve() -> None:
    document = asyncapi.document()
    references = set(pointers(document))
    assert references
    for reference in references:
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_asyncapi_examples_match_their_schemas() -> None:
    document = asyncapi.document()
    assert document["servers"]["kafka"]["protocol"] == "kafka"
    for name, message in document["components"]["messages"].items():
        for example in message["examples"]:
            for part, schema in (("payload", message["payload"]), ("headers", asyncapi.HEADERS)):
                validator = jsonschema.Draft202012Validator(
                    {**schema, "components": document["components"]}, format_checker=jsonschema.FormatChecker()
                )
                faults = [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(example[part])]
                assert faults == [], f"{name} {part}"


def pointers(value: object) -> list[str]:
    """Every ``$ref`` in a document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [pointer for each in value.values() for pointer in pointers(each)]
    return [pointer for each in value for pointer in pointers(each)] if isinstance(value, list) else []


def test_asyncapi_has_every_topic_consumer_and_producer() -> None:
    document, topics = asyncapi.document(), Topics.of([asyncapi.LIFETIME])
    assert document["channels"].keys() == EVENTS.keys()
    expected = {f"{service}-publishes-{name}" for name in EVENTS for service in topics[name].writers}
    expected |= {f"{service}-consumes-{name}" for name in EVENTS for service in topics[name].readers}
    assert document["operations"].keys() == expected


def test_each_metric_has_a_description() -> None:
    metrics = [metric for kind in SERVICES.values() for metric in metrics_of(kind)]
    assert all(metric.sentence.endswith(".") for metric in metrics)
    assert {metric.name for metric in metrics} >= SAME_EVERYWHERE
