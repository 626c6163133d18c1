"""The Kafka permissions of each service equal what its code consumes and publishes."""

import ast
import importlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from stories_embedded.openapi import EXAMPLE
from stories_embedded.paths import CHECKOUT
from stories_shared import events
from stories_shared.events.cloudevents import SERVICES
from stories_shared.kafka.topics import Topics, service_of_reader
from stories_shared.runtime.settings import load

from tools.codegen.strimzi import Grant, grants

TOPICS = Topics.of([timedelta(hours=24)])
TOPIC_OF = {event.__name__: topic for topic, event in events.EVENTS.items()}


def runtime(service: str) -> Any:
    """The parts of a service, built and not started."""
    kind = getattr(importlib.import_module(f"stories_{service}.settings"), f"{service.title()}Settings")
    read = {name: value for name, value in EXAMPLE.items() if name in kind.model_fields}
    app = importlib.import_module(f"stories_{service}.app").build_app(load(kind, read))
    return app.state.runtime


@pytest.fixture(scope="module")
def processes() -> Mapping[str, Any]:
    """Every service."""
    return {service: runtime(service) for service in SERVICES}


def rights(service: str) -> dict[tuple[str, str], set[str]]:
    """The permissions of a service, by kind and name."""
    return {(grant.kind, grant.name): set(grant.operations) for grant in grants(service, TOPICS)}


@pytest.mark.parametrize("service", SERVICES)
async def test_service_may_read_only_topics_that_it_consumes(service, processes):
    subscribed = {
        (topic.name, subscriber.group_id)
        for subscriber in processes[service].subscribers
        for topic in subscriber.topics
    }
    granted = rights(service)
    readable = {name for (kind, name), operations in granted.items() if kind == "topic" and "Read" in operations}
    groups = {name for (kind, name), operations in granted.items() if kind == "group" and "Read" in operations}
    assert {topic for topic, _ in subscribed} == readable
    assert {group for _, group in subscribed} == groups


@pytest.mark.parametrize("service", SERVICES)
async def test_topics_read_without_a_group_are_readable(service, processes):
    granted = rights(service)
    for tail in processes[service].consumer_monitor.tails:
        for topic in tail.topics:
            assert "Read" in granted["topic", getattr(topic, "topic", topic)]


@pytest.mark.parametrize("service", SERVICES)
def test_service_may_write_only_topics_that_it_publishes(service):
    granted = rights(service)
    writable = {name for (kind, name), operations in granted.items() if kind == "topic" and "Write" in operations}
    readers = [(topic, reader) for topic in TOPICS.values() for reader in topic.readers]
    dead_letter = {f"{t.name}.{reader}.dlq" for t, reader in readers if service_of_reader(reader) == service}
    assert dead_letter <= writable
    published = {TOPIC_OF[name] for name in published_by(service)}
    assert published <= writable
    assert writable - dead_letter == published


MADE_BY_SHARED_CODE = {"EraseUser": "UserDataErased"}
"""What a service makes by calling this."""


def published_by(service: str) -> Iterator[str]:
    """The events that a service publishes: those that its code constructs."""
    made = set()
    for file in (CHECKOUT / "services" / service / "src").rglob("*.py"):
        if "testing" in file.parts:
            continue
        # Stores convert what they read; elsewhere a conversion creates an event to publish.
        words = ("forget",) if "store" in file.parts else ("convert", "forget")
        for node in ast.walk(ast.parse(file.read_text())):
            made |= set(made_in(node, words))
    return iter(made)


def made_in(node: ast.AST, words: tuple[str, ...]) -> Iterator[str]:
    """Events constructed by calling their class or by conversion, chosen from a table or for deletion."""
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        made = [called, *(named(argument) for argument in node.args if called in words)]
    elif isinstance(node, ast.Dict):
        made = [named(value) for value in node.values]
    else:
        made = []
    made = [MADE_BY_SHARED_CODE.get(name, name) for name in made]
    yield from (name for name in made if name in TOPIC_OF)


def named(node: ast.AST) -> str:
    """The name of an expression, if it is a name."""
    return node.id if isinstance(node, ast.Name) else ""


def test_strimzi_acls_equal_the_documented_matrix():
    users = yaml.safe_load_all((CHECKOUT / "deploy" / "strimzi" / "users.yaml").read_text())
    for user in users:
        acls = user["spec"]["authorization"]["acls"]
        found = [Grant(acl["resource"]["type"], acl["resource"]["name"], tuple(acl["operations"])) for acl in acls]
        assert found == grants(user["metadata"]["name"].removeprefix("stories-"), TOPICS)


def test_services_may_not_create_topics_or_use_foreign_ones():
    for service in SERVICES:
        for (kind, name), operations in rights(service).items():
            assert operations <= {"Describe", "Read", "Write"}
            assert kind == "topic" or service_of_reader(name.partition(".")[0]) == service
            assert not name.endswith(".dlq") or service_of_reader(name.split(".")[1]) == service


def test_the_page_has_a_row_for_every_topic():
    page = Path(CHECKOUT / "docs" / "acls.md").read_text()
    for topic in TOPICS.values():
        assert topic.dead_letters_of is not None or f"| `{topic.name}` |" in page
