"""The archive on real servers: the move of a story's objects, the author's routes, and the switch."""

import httpx
import pytest
from stories_ingest.testing.harness import photo
from stories_shared.clock import rfc3339, system_now
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers

AUTHOR = "ann.o:b@x|+~-"
"""A user id with every kind of character, since it is part of object keys."""


async def expire(ingest, story):
    """What expiry publishes at a story's end."""
    event = {name: story[name] for name in ("author_id", "expires_at")}
    headers = {"ce_specversion": "1.0", "ce_source": "/stories/expiry", "ce_id": new_id()}
    headers |= {"ce_type": "stories.story-expired.v1", "ce_time": rfc3339(system_now())}
    value = event | {"story_id": story["id"], "expired_at": story["expires_at"]}
    await ingest.produce("story-expired", story["id"], value, **headers)


async def erasures(ingest, story_id, count):
    """The first `count` confirmations about a story."""

    async def probe():
        events = await ingest.events_of("story-erased", story_id)
        return [(event["store"], event.get("archived", False)) for event in events] if len(events) >= count else None

    return await eventually(probe)


async def test_expired_story_is_kept_for_its_author_alone(start):
    async with start(archive="on", story_lifetimes="3s") as ingest, httpx.AsyncClient() as web:
        ann, bob = ingest.author(AUTHOR), ingest.author("bob")
        assert (await ann.http.get("/v1/me/archive-settings")).json() == {"enabled": False}
        assert (await ann.http.put("/v1/me/archive-settings", json={"enabled": True})).json() == {"enabled": True}
        track = "WEBVTT\n\n00:00.000 --> 00:01.000\nsea\n"
        story = await ann.post(photo(1200, 1600), caption="sea", captions_track=track)
        live = await ingest.keys(f"stories/{story['id']}/")
        await expire(ingest, story)
        assert await erasures(ingest, story["id"], 1) == [("media", True)]

        assert await ingest.keys(f"stories/{story['id']}/") == []
        assert len(await ingest.keys(f"archive/{AUTHOR}/{story['id']}/")) == len(live) > 2
        assert (await web.get(story["media_url"])).status_code in (403, 404)
        [item] = (await ann.http.get("/v1/me/archive")).json()["items"]
        assert (item["id"], item["caption"], item["captions_track"]) == (story["id"], "sea", track)
        urls = [
            item["media_url"],
            item["poster_url"],
            item["captions_url"],
            *(each["url"] for each in item["renditions"]),
        ]
        answers = [await web.get(url) for url in urls if url]
        assert {answer.status_code for answer in answers} == {200}
        assert answers[0].headers["content-type"] == "image/jpeg"
        assert (await web.get(item["media_url"].partition("?")[0])).status_code in (401, 403)

        assert (await bob.http.get("/v1/me/archive")).json() == {"items": [], "next_cursor": None}
        assert (await bob.http.delete(f"/v1/me/archive/{story['id']}")).status_code == 404
        for _ in range(2):
            assert (await ann.http.delete(f"/v1/me/archive/{story['id']}")).status_code == 204
        assert (await ann.http.get("/v1/me/archive")).json()["items"] == []
        assert await ingest.keys("archive/") == []
        assert {(await web.get(url)).status_code for url in urls if url} == {404}
        assert (await erasures(ingest, story["id"], 2))[1] == ("archive", False)


async def test_erased_account_leaves_no_archive(start):
    async with start(archive="on", story_lifetimes="3s") as ingest:
        ann = ingest.author(f"ann-{new_id()}")
        await ann.http.put("/v1/me/archive-settings", json={"enabled": True})
        story = await ann.post()
        await expire(ingest, story)
        await erasures(ingest, story["id"], 1)
        value = {"user_id": ann.user_id, "at": rfc3339(system_now()), "receipt_id": new_id()}
        await ingest.produce("user-erased", ann.user_id, value)

        async def erased():
            return await ingest.events_of("user-data-erased", ann.user_id)

        await eventually(erased)
        assert await ingest.keys(f"archive/{ann.user_id}/") == []
        assert (await ann.http.get("/v1/me/archive")).json()["items"] == []
        assert (await ann.http.get("/v1/me/archive-settings")).json() == {"enabled": False}


async def test_routes_of_the_archive_answer_404_while_it_is_off(ingest, ann):
    calls = [
        await ann.http.get("/v1/me/archive-settings"),
        await ann.http.put("/v1/me/archive-settings", json={"enabled": True}),
        await ann.http.get("/v1/me/archive"),
        await ann.http.delete(f"/v1/me/archive/{new_id()}"),
    ]
    assert {(call.status_code, call.json()["type"]) for call in calls} == {(404, "urn:stories:not-found")}
    assert "archive" not in (await ingest.http.get("/v1/config")).json()["features"]
    assert await ingest.mongo["archive_settings"].find_one({"_id": ann.user_id}) is None
