"""Regular expressions for JSON Schema and OpenAPI, which use ECMA-262 syntax."""

from typing import Any

ANCHORS = {r"\A": "^", r"\Z": "$"}
"""Python's anchors; its ``$`` also matches before a trailing newline."""


def ecma(pattern: str) -> str:
    """The pattern with ECMA's anchors."""
    for ours, theirs in ANCHORS.items():
        pattern = pattern.replace(ours, theirs)
    return pattern


def published(schema: Any) -> Any:
    """A schema or document with every ``pattern`` in ECMA-262 syntax."""
    if isinstance(schema, dict):
        return {
            name: ecma(value) if name == "pattern" and isinstance(value, str) else published(value)
            for name, value in schema.items()
        }
    return [published(item) for item in schema] if isinstance(schema, list | tuple) else schema
