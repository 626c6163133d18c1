"""shared/schemas: a JSON Schema of each event, for producers in any language.

They are at least as strict as the consumers: an event that matches its schema is decoded, except for the rules between
two fields that docs/events.md lists.
"""

import inspect
import json
from typing import Any

import msgspec
from stories_shared.events import EVENTS, Event
from stories_shared.events.ecma_patterns import ecma

Document = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def pages() -> dict[str, str]:
    """The text of every schema by file name, `<topic>.v1.json`."""
    return {
        f"{topic}.v1.json": json.dumps(schema(event), indent=1, ensure_ascii=False) + "\n"
        for topic, event in EVENTS.items()
    }


def schema(event: type[Event]) -> Document:
    """The schema of one event; nested types are under `$defs`."""
    _, found = msgspec.json.schema_components([event], ref_template="#/$defs/{name}")
    held = {name: published(each) for name, each in sorted(found.items()) if name != event.__name__}
    return {
        "$schema": DIALECT,
        "$id": event.dataschema(),
        **published(found[event.__name__]),
        "description": f"{summary(event)} Keyed by {event.key_field}.",
        **({"$defs": held} if held else {}),
    }


def components(template: str) -> Document:
    """The schemas of every event and nested type, with references by the template."""
    _, found = msgspec.json.schema_components(EVENTS.values(), ref_template=template)
    return {name: published(found[name]) for name in sorted(found)}


def summary(event: type[Event]) -> str:
    """The event's docstring on one line."""
    return prose(inspect.getdoc(event) or "")


def published(schema: Any) -> Any:
    """A schema for other languages: regular expressions in ECMA syntax (`$` instead of Python's `\\Z`), plain prose."""
    if isinstance(schema, dict):
        return {
            name: WRITTEN[name](value) if name in WRITTEN and isinstance(value, str) else published(value)
            for name, value in schema.items()
        }
    return [published(each) for each in schema] if isinstance(schema, list | tuple) else schema


def prose(text: str) -> str:
    """A docstring as one line of Markdown."""
    return " ".join(text.replace("``", "`").split())


WRITTEN = {"pattern": ecma, "description": prose}
