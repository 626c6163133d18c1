"""Live updates through the gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from stories_shared.testing import eventually

from .installation import Installation
from .live_stream import LiveStream
from .people import TIMEOUT_S, Person
from .waiting import SOON


async def test_a_browser_learns_of_a_story_and_its_end(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    await eventually(lambda: bob.get("/v1/following"), SOON, accept=lambda page: page["items"])
    token = (await bob.done("POST", "/v1/live/token")).json()["token"]
    request = installation.http.stream("GET", "/v1/live", params={"token": token}, headers={"Accept-Encoding": "gzip"})
    async with asyncio.timeout(60), request as answer:
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        arriving = aiter(LiveStream(answer))
        story = await ann.post()
        assert await anext(arriving) == ("ring", {"author_id": ann.id, "ring": "unseen"})
        await ann.delete(story)
        assert await anext(arriving) == ("ring", {"author_id": ann.id, "ring": "none"})


@asynccontextmanager
async def live(person: Person, last_event_id: str | None = None) -> AsyncIterator[LiveStream]:
    """A connection of an app, which sends its token in the header."""
    headers = {"Authorization": f"Bearer {person.token}"}
    headers |= {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with person.http.stream("GET", "/v1/live", headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        yield LiveStream(answer)


@pytest.mark.nightly
async def test_two_viewers_and_the_author_learn_what_each_may_see(installation: Installation) -> None:
    ann, bob, cho = installation.people("ann", "bob", "cho")
    for viewer in (bob, cho):
        await viewer.follow(ann)
    await ann.done("PUT", f"/v1/close-friends/{cho.id}")
    async with asyncio.timeout(90), live(ann) as author, live(bob) as bobs, live(cho) as chos:
        of_ann, of_bob, of_cho = aiter(author), aiter(bobs), aiter(chos)
        private = await ann.post(audience="close_friends")
        assert await anext(of_cho) == ("ring", {"author_id": ann.id, "ring": "unseen"})
        assert await anext(of_ann) == ("story", {"id": private["id"], "state": "live"})
        await cho.view(await eventually(lambda: cho.item(private), SOON))
        assert await anext(of_cho) == ("ring", {"author_id": ann.id, "ring": "seen"})
        public = await ann.post()
        for stream in (of_bob, of_cho):  # Bob's first: nothing told him of the other story
            assert await anext(stream) == ("ring", {"author_id": ann.id, "ring": "unseen"})
        assert await anext(of_ann) == ("story", {"id": public["id"], "state": "live"})
        await ann.done("PUT", f"/v1/blocked/{bob.id}")
        assert await anext(of_bob) == ("ring", {"author_id": ann.id, "ring": "none"})
        await ann.delete(public)
        assert await anext(of_cho) == ("ring", {"author_id": ann.id, "ring": "seen"})
        assert await anext(of_ann) == ("story", {"id": public["id"], "state": "ended"})


@pytest.mark.nightly
async def test_connection_that_returns_is_told_what_it_missed(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    async with asyncio.timeout(60), live(bob) as stream:
        await ann.post()
        assert (await anext(aiter(stream)))[0] == "ring"
        last_id = stream.last_id
    missed = await ann.post()
    await eventually(lambda: bob.sees(missed), TIMEOUT_S)
    async with asyncio.timeout(60), live(bob, last_id) as stream:
        assert await anext(aiter(stream)) == ("ring", {"author_id": ann.id, "ring": "unseen"})
    async with asyncio.timeout(60), live(bob, "unknown") as stream:
        assert await anext(aiter(stream)) == ("reset", {})
    await bob.done("PUT", f"/v1/muted/{ann.id}")  # what it may be told has changed meanwhile
    async with asyncio.timeout(60), live(bob, last_id) as stream:
        assert await anext(aiter(stream)) == ("reset", {})


@pytest.mark.nightly
async def test_connection_ends_with_its_token_and_its_account(installation: Installation) -> None:
    brief = installation.person("brief", seconds=5)
    cho = installation.person("cho")
    async with asyncio.timeout(90), live(brief) as stream:
        assert [event async for event in stream] == []
    async with asyncio.timeout(90), live(cho) as stream:
        await installation.admin().done("POST", f"/v1/admin/users/{cho.id}/erasure")
        assert [event async for event in stream] == []
    assert (await cho.http.get("/v1/live", params={"token": "x"})).status_code == 401
