"""The routes of live updates: tokens, headers, and events as they go over the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


class Stream:
    """One connection to `GET /v1/live`."""

    def __init__(self) -> None:
        self.status, self.headers, self.text = 0, {}, ""
        self.gone = asyncio.Event()
        self.ended = False

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message["body"].decode()
            self.ended = not message.get("more_body", False)
            if self.ended:
                self.gone.set()

    def named(self, event: str) -> list[str]:
        """The data of the events with a name."""
        blocks = [block.splitlines() for block in self.text.split("\n\n")]
        return [lines[-1].removeprefix("data: ") for lines in blocks if f"event: {event}" in lines]


@asynccontextmanager
async def streaming(feed, method: str = "GET", query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """A connection that stays open in the block."""
    stream = Stream()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": "/v1/live",
        "raw_path": b"/v1/live",
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "app": feed.app,
    }
    task = asyncio.create_task(feed.app(scope, stream.receive, stream.send))
    try:
        await eventually(lambda: stream.status)
        yield stream
    finally:
        stream.gone.set()
        await task


def bearer(feed, user: str) -> str:
    return f"Bearer {feed.namespace.servers.token(user)}"


async def test_a_follower_and_the_author_are_told_of_a_story(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    async with (
        streaming(feed, authorization=bearer(feed, people.bob)) as bob,
        streaming(feed, authorization=bearer(feed, people.ann)) as ann,
    ):
        assert bob.headers["content-type"] == "text/event-stream"
        assert bob.headers["cache-control"] == "private, no-store"
        assert bob.headers["x-accel-buffering"] == "no"
        await eventually(lambda: bob.text.startswith("retry: 2000\nid: "))
        await eventually(lambda: ann.text)
        story = await feed.post(people.ann)
        await eventually(lambda: bob.named("ring"), accept=[f'{{"author_id":"{people.ann}","ring":"unseen"}}'].__eq__)
        await eventually(lambda: ann.named("story"), accept=[f'{{"id":"{story.story_id}","state":"live"}}'].__eq__)
        await feed.see(people.bob, people.ann, story.story_id)
        await eventually(lambda: len(bob.named("ring")) == 2)
        assert bob.named("ring")[1] == f'{{"author_id":"{people.ann}","ring":"seen"}}'
        page = (await feed.http.get("/metrics")).text
        assert "\nstories_live_connections " in page


async def test_a_browser_token_opens_the_stream_and_nothing_else(feed, people) -> None:
    answer = await feed.call("POST", "/v1/live/token", people.bob)
    assert answer.status_code == 201
    token = answer.json()["token"]
    async with streaming(feed, query=f"token={token}") as stream:
        assert stream.status == 200
    other = await feed.http.get("/v1/tray", headers={"Authorization": f"Bearer {token}"})
    assert other.status_code == 401
    for bad in ("token=x", "", f"token={token}&color=red"):
        async with streaming(feed, query=bad) as stream:
            assert stream.status == (422 if "color" in bad else 401)


async def test_head_ends_after_the_headers(feed, people) -> None:
    async with streaming(feed, "HEAD", authorization=bearer(feed, people.bob)) as stream:
        await eventually(lambda: stream.ended)
        assert (stream.status, stream.text) == (200, "")


async def test_an_unknown_last_event_id_says_reset(feed, people) -> None:
    async with streaming(feed, authorization=bearer(feed, people.bob), last_event_id="nonsense") as stream:
        await eventually(lambda: stream.named("reset"), accept=["{}"].__eq__)
