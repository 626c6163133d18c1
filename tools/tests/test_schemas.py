"""The published JSON Schemas are as strict as the consumers."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from stories_shared.events import EVENTS

from tools.codegen import SCHEMAS, schemas

GOLDEN = Path(__file__).parents[2] / "shared" / "tests" / "golden"
NOBODY, LONG = "not a user!", "x" * 100_000


@cache
def schema(topic: str) -> dict[str, Any]:
    """The committed schema."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{topic}.v1.json").read_text())
    return found


def golden() -> list[Path]:
    return sorted(GOLDEN.rglob("*.json"))


def accepts(topic: str, payload: Any) -> bool:
    """Whether the schema of a topic accepts a payload."""
    return validator(topic).is_valid(payload)


@cache
def validator(topic: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(topic))


def decodes(topic: str, payload: Any) -> bool:
    """Whether consumers decode it."""
    try:
        msgspec.json.decode(json.dumps(payload), type=EVENTS[topic])
    except (msgspec.ValidationError, ValueError):
        return False
    return True


def test_each_event_has_exactly_one_schema() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == schemas.pages().keys() == {f"{name}.v1.json" for name in EVENTS}


@pytest.mark.parametrize("topic", EVENTS)
def test_each_schema_is_self_contained(topic: str) -> None:
    found = schema(topic)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"] == f"urn:stories:{topic}:v1"
    assert "\\Z" not in json.dumps(found)


@pytest.mark.parametrize("path", golden(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_golden_payloads_are_valid_with_unknown_fields_too(path: Path) -> None:
    payload = json.loads(path.read_text())
    assert accepts(path.stem, payload)
    assert accepts(path.stem, payload | {"from_a_later_release": {"any": ["thing"]}})


@pytest.mark.parametrize("topic", EVENTS)
def test_out_of_bounds_event_fails_schema_and_consumer(topic: str) -> None:
    payload = json.loads((GOLDEN / "unreleased" / f"{topic}.json").read_text())
    wrong = list(spoilt(schema(topic), payload))
    assert len(wrong) > 10
    for path, bad in wrong:
        assert not accepts(topic, bad), f"{topic}: the schema takes {path}"
        assert not decodes(topic, bad), f"{topic}: consumers take {path}"


@pytest.mark.parametrize("topic", EVENTS)
def test_boundary_values_are_valid_and_decoded(topic: str) -> None:
    payload = json.loads((GOLDEN / "unreleased" / f"{topic}.json").read_text())
    for path, good in stretched(schema(topic), payload):
        assert accepts(topic, good), f"{topic}: the schema refuses {path}"
        assert decodes(topic, good), f"{topic}: consumers refuse {path}"


@pytest.mark.parametrize(
    "at",
    ["2026-01-01", "2026-01-01T00:00:00", "yesterday", "1999-12-31T23:59:59Z", "9999-01-01T00:00:00Z", 1_767_225_600],
)
def test_time_without_offset_or_out_of_range_is_invalid(at: object) -> None:
    edge = {"user_id": "ann", "target_id": "bob", "at": at}
    assert not accepts("user-followed", edge)
    assert not decodes("user-followed", edge)


def spoilt(schema: dict[str, Any], payload: Any) -> Iterator[tuple[str, Any]]:
    """Variants of the payload that each violate the schema in one place."""
    yield from ((f"whole={bad!r}", bad) for bad in (None, [], "text", 7))
    for name in schema["required"]:
        yield f"without {name}", {key: value for key, value in payload.items() if key != name}
    for path, rule in places(schema, schema, payload):
        for bad in beyond(rule, at(payload, path)):
            yield f"{'.'.join(map(str, path))}={str(bad)[:60]}", changed(payload, path, bad)


def stretched(schema: dict[str, Any], payload: Any) -> Iterator[tuple[str, Any]]:
    """The payload with single values at their bounds; revisions and parts have rules between them."""
    for path, rule in places(schema, schema, payload):
        if path[-1] in {"part", "parts"}:
            continue
        for good in (rule[bound] for bound in ("minimum", "maximum") if bound in rule):
            yield f"{'.'.join(map(str, path))}={good}", changed(payload, path, good)
        if "maxLength" in rule:
            yield f"{'.'.join(map(str, path))} at length", changed(payload, path, "ü" * rule["maxLength"])


def places(root: dict[str, Any], rule: dict[str, Any], value: Any, path: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Every location in a payload with a schema rule, and the rule."""
    if "$ref" in rule:
        rule = root["$defs"][rule["$ref"].rpartition("/")[2]]
    if "anyOf" in rule:
        choices = [one for one in rule["anyOf"] if one != {"type": "null"}]
        if len(choices) > 1:  # a layer of any kind, or of an earlier release: there is nothing that all refuse
            return
        (rule,) = choices
        yield from places(root, rule, value, path)
        return
    if path:
        yield path, rule
    if isinstance(value, dict):
        for name, inner in rule.get("properties", {}).items():
            if name in value:
                yield from places(root, inner, value[name], (*path, name))
        if isinstance(inner := rule.get("additionalProperties"), dict):
            for name in value:
                yield from places(root, inner, value[name], (*path, name))
    if isinstance(value, list) and value:
        yield from places(root, rule["items"], value[0], (*path, 0))


def beyond(rule: dict[str, Any], value: Any) -> Iterator[Any]:
    """Values that violate a rule."""
    kinds: dict[str, tuple[Any, ...]] = {
        "string": (7, True, [], {}),
        "integer": ("7", 7.5, True, []),
        "number": ("7", True, []),
        "boolean": ("true", 1, []),
        "array": ("[]", {}, 7),
        "object": ("{}", [], 7),
    }
    yield from kinds.get(rule.get("type", ""), ())
    if "enum" in rule:
        yield from ("no such word", 7, None)
    if "pattern" in rule:
        yield from ("", NOBODY, LONG, f"{value}\0", f" {value}")
    if "maxLength" in rule:
        yield "x" * (rule["maxLength"] + 1)
    if rule.get("minLength"):
        yield ""
    if "minimum" in rule:
        yield rule["minimum"] - 1
    if "maximum" in rule:
        yield rule["maximum"] + 1
    if "maxItems" in rule:
        yield [*value, *([value[0]] * rule["maxItems"])]
    if "enum" in rule.get("propertyNames", {}):
        yield value | {"no such word": 1}
    if isinstance(value, dict):
        yield from ({k: v for k, v in value.items() if k != name} for name in rule.get("required", ()))


def at(payload: Any, path: tuple[Any, ...]) -> Any:
    """The value at a location."""
    for step in path:
        payload = payload[step]
    return payload


def changed(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at one location."""
    made = copy.deepcopy(payload)
    at(made, path[:-1])[path[-1]] = value
    return made
