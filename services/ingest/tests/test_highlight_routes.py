"""Highlights on real servers: routes, blocks by event, removal, the switch."""

import httpx
import pytest
from stories_shared.clock import rfc3339, system_now
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


async def archived(ingest, author, **fields):
    """Live stories of an author that have expired into the archive."""
    await author.http.put("/v1/me/archive-settings", json={"enabled": True})
    stories = [await author.post(**each) for each in fields.pop("stories")]
    for story in stories:
        headers = {"ce_specversion": "1.0", "ce_source": "/stories/expiry", "ce_id": new_id()}
        headers |= {"ce_type": "stories.story-expired.v1", "ce_time": rfc3339(system_now())}
        value = {name: story[name] for name in ("author_id", "expires_at")}
        value |= {"story_id": story["id"], "expired_at": story["expires_at"]}
        await ingest.produce("story-expired", story["id"], value, **headers)

    async def kept():
        items = (await author.http.get("/v1/me/archive")).json()["items"]
        return len(items) == len(stories)

    await eventually(kept)
    return [story["id"] for story in stories]


async def edge(ingest, topic, user_id, target_id):
    await ingest.produce(topic, user_id, {"user_id": user_id, "target_id": target_id, "at": rfc3339(system_now())})


async def got(author, path, params=None):
    """The answer, once this replica has read the log of blocks in time."""

    async def answer():
        found = await author.http.get(path, params=params)
        return found if found.status_code != 503 else None

    return await eventually(answer, within_s=60)


async def test_highlight_is_shown_blocked_changed_and_removed(start):
    async with start(archive="on", story_lifetimes="4s") as ingest, httpx.AsyncClient() as web:
        ann, bob = ingest.author(f"ann-{new_id()}"), ingest.author(f"bob-{new_id()}")
        frame = {"x": 0.1, "y": 0.1, "w": 0.5, "h": 0.2}
        quiz = {"kind": "quiz", **frame, "question": "?", "options": ["a", "b"], "correct": 1}
        one, two = await archived(ingest, ann, stories=[{"layers": [quiz]}, {"caption": "lake"}])
        body = {"title": "  Summer ", "story_ids": [two, one], "cover_story_id": one}
        keyed = {"Idempotency-Key": new_id()}
        made = await ann.http.post("/v1/me/highlights", json=body, headers=keyed)
        assert (made.status_code, made.json()["title"]) == (201, "Summer")
        assert made.headers["location"] == f"/v1/highlights/{made.json()['id']}"
        assert (await ann.http.post("/v1/me/highlights", json=body, headers=keyed)).json()["id"] == made.json()["id"]
        path, own = f"/v1/highlights/{made.json()['id']}", f"/v1/me/highlights/{made.json()['id']}"

        first = (await got(bob, path, params={"limit": 1})).json()
        assert ([item["id"] for item in first["items"]], first["story_ids"]) == ([two], [two, one])
        rest = (await got(bob, path, params={"limit": 1, "cursor": first["next_cursor"]})).json()
        assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([one], None)
        assert "correct" not in rest["items"][0]["layers"][0]
        assert "ticket" not in first["items"][0]
        assert (await ann.http.get(path)).json()["items"][1]["layers"][0]["correct"] == 1
        assert (await web.get(first["cover_url"])).status_code == 200
        assert (await web.get(first["items"][0]["media_url"])).status_code == 200

        for story_ids, where in (([one, new_id()], 1), ([new_id()], 0)):
            wrong = await ann.http.post("/v1/me/highlights", json={"title": "x", "story_ids": story_ids})
            assert wrong.json()["errors"][0]["loc"] == ["body", "story_ids", where], wrong.text
        cover = await ann.http.patch(own, json={"cover_story_id": new_id()})
        assert cover.json()["errors"][0]["loc"] == ["body", "cover_story_id"]
        for title in ("", " ", "x" * 51):
            answer = await ann.http.post("/v1/me/highlights", json={"title": title, "story_ids": [one]})
            assert answer.status_code == 422
        assert (await bob.http.patch(own, json={"title": "mine"})).status_code == 404
        assert (await bob.http.delete(own)).status_code == 404

        async def is_hidden(expected):
            listed = (await got(bob, f"/v1/users/{ann.user_id}/highlights")).json()["items"]
            return (listed == [], (await got(bob, path)).status_code == 404) == (expected, expected)

        for begins, ends, who in (
            ("user-blocked", "user-unblocked", (ann, bob)),
            ("user-blocked", "user-unblocked", (bob, ann)),
            ("user-hidden", "user-unhidden", (ann, bob)),
        ):
            pair = [each.user_id for each in who]
            assert await is_hidden(expected=False)
            await edge(ingest, begins, *pair)
            await eventually(lambda: is_hidden(expected=True))
            await edge(ingest, ends, *pair)
            await eventually(lambda: is_hidden(expected=False))

        assert (await ann.http.delete(f"/v1/me/archive/{one}")).status_code == 204
        left = (await got(bob, path)).json()
        assert (left["story_ids"], left["cover_story_id"]) == ([two], two)
        assert (await ann.http.patch(own, json={"title": "Lake"})).json()["title"] == "Lake"
        assert (await ann.http.delete(own)).status_code == 204
        assert (await ann.http.get(path)).status_code == 404

        again = await ann.http.post("/v1/me/highlights", json={"title": "Last", "story_ids": [two]})
        erased = {"user_id": ann.user_id, "at": rfc3339(system_now()), "receipt_id": new_id()}
        await ingest.produce("user-erased", ann.user_id, erased)
        await eventually(lambda: ingest.events_of("user-data-erased", ann.user_id))
        assert (await got(bob, f"/v1/highlights/{again.json()['id']}")).status_code == 404
        for collection in ("archive_settings", "highlights", "access_edges"):
            owned = {"$or": [{"_id": ann.user_id}, {"author_id": ann.user_id}, {"user_id": ann.user_id}]}
            assert await ingest.mongo[collection].find_one(owned) is None, collection


@pytest.mark.nightly
@pytest.mark.own_servers
async def test_highlights_are_503_for_others_while_kafka_is_frozen(start, servers):
    async with start(archive="on", story_lifetimes="4s") as ingest:
        ann, bob = ingest.author(f"ann-{new_id()}"), ingest.author(f"bob-{new_id()}")
        story_ids = await archived(ingest, ann, stories=[{}])
        made = await ann.http.post("/v1/me/highlights", json={"title": "Sea", "story_ids": story_ids})
        paths = f"/v1/highlights/{made.json()['id']}", f"/v1/users/{ann.user_id}/highlights"

        async def answers(expected):
            for path in paths:
                answer = await bob.http.get(path)
                assert answer.status_code == expected, answer.text
                assert expected == 200 or int(answer.headers["retry-after"]) >= 1
                assert (await ann.http.get(path)).status_code == 200
            return True

        await eventually(lambda: answers(200))
        with servers.frozen(servers.kafka):
            await eventually(lambda: answers(503))
        await eventually(lambda: answers(200), within_s=60)


async def test_routes_of_highlights_answer_404_while_the_archive_is_off(ingest, ann):
    body = {"title": "x", "story_ids": [new_id()]}
    calls = [
        await ann.http.post("/v1/me/highlights", json=body),
        await ann.http.patch(f"/v1/me/highlights/{new_id()}", json={"title": "x"}),
        await ann.http.delete(f"/v1/me/highlights/{new_id()}"),
        await ann.http.get(f"/v1/users/{ann.user_id}/highlights"),
        await ann.http.get(f"/v1/highlights/{new_id()}"),
    ]
    assert {(call.status_code, call.json()["type"]) for call in calls} == {(404, "urn:stories:not-found")}
