"""Regular expressions for JSON Schema, OpenAPI and pydantic, which have ECMA-262's anchors."""

ANCHORS = {r"\A": "^", r"\Z": "$"}
"""Python's anchors; its ``$`` also matches before a trailing newline."""


def ecma(pattern: str) -> str:
    """The pattern with ECMA's anchors."""
    for ours, theirs in ANCHORS.items():
        pattern = pattern.replace(ours, theirs)
    return pattern
