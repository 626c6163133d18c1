"""A PATCH changes only the fields that it contains, also for generated clients."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from stories_shared.events.cloudevents import SERVICES

from ..journeys.world import World


def defaults(document: Mapping[str, Any], part: Any, place: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Where a schema, or one that it references, has a default."""
    if isinstance(part, list):
        for number, each in enumerate(part):
            yield from defaults(document, each, f"{place}/{number}", seen)
    if not isinstance(part, Mapping):
        return
    reference = part.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        found: Any = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
        yield from defaults(document, found, reference, seen | {reference})
    for name, value in part.items():
        if name == "default":
            yield place
        elif name == "properties":  # a field may be called `default`
            for field, about in value.items():
                yield from defaults(document, about, f"{place}/{field}", seen)
        else:
            yield from defaults(document, value, f"{place}/{name}", seen)


@pytest.mark.parametrize("default", [{"a": {"default": 1}}, {"b": {"anyOf": [{"$ref": "#/parts/B"}]}}])
def test_default_is_found_at_any_depth(default: Mapping[str, Any]) -> None:
    document = {"parts": {"B": {"properties": {"default": {"type": "array", "items": {"default": ""}}}}}}
    assert len(list(defaults(document, {"properties": default}, "body"))) == 1


async def test_no_body_of_a_patch_has_defaults(world: World) -> None:
    processes, patches = await world.stack.processes(), 0
    async with httpx.AsyncClient(trust_env=False) as http:
        for service in SERVICES:
            document = (await http.get(f"{processes[service]['url']}/openapi.json")).json()
            for path, methods in document["paths"].items():
                for body in [methods["patch"]["requestBody"]] if "requestBody" in methods.get("patch", {}) else []:
                    patches += 1
                    assert list(defaults(document, body, path)) == []
    assert patches
