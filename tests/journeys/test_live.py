"""Live updates through the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
from stories_shared.testing import eventually

from .waiting import SOON
from .world import World


async def events(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """The events of a stream, as they arrive."""
    event = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield event, json.loads(line.removeprefix("data: "))


async def test_a_browser_learns_of_a_story_and_its_end(world: World) -> None:
    ann, bob = world.people("ann", "bob")
    await bob.follow(ann)
    await eventually(lambda: bob.get("/v1/following"), SOON, accept=lambda page: page["items"])
    token = (await bob.done("POST", "/v1/live/token")).json()["token"]
    request = world.http.stream("GET", "/v1/live", params={"token": token}, headers={"Accept-Encoding": "gzip"})
    async with asyncio.timeout(60), request as answer:
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        arriving = events(answer)
        story = await ann.post()
        assert await anext(arriving) == ("ring", {"author_id": ann.id, "ring": "unseen"})
        await ann.delete(story)
        assert await anext(arriving) == ("ring", {"author_id": ann.id, "ring": "none"})
