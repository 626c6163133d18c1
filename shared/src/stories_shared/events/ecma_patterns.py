"""Regular expressions as others read them: published in ECMA-262's words, which JSON Schema and OpenAPI go by."""

from typing import Any

ANCHORS = {r"\A": "^", r"\Z": "$"}
"""Python's ends of a text; its ``$`` would let a line break follow."""


def ecma(pattern: str) -> str:
    """The same pattern with ECMA's anchors, for a reader whose ``$`` is the end."""
    for ours, theirs in ANCHORS.items():
        pattern = pattern.replace(ours, theirs)
    return pattern


def published(schema: Any) -> Any:
    """A schema, or a document of many, with every ``pattern`` in ECMA's words."""
    if isinstance(schema, dict):
        return {
            name: ecma(value) if name == "pattern" and isinstance(value, str) else published(value)
            for name, value in schema.items()
        }
    return [published(each) for each in schema] if isinstance(schema, list | tuple) else schema
