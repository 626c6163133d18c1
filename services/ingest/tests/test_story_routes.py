"""Publish, change, read and delete stories over HTTP."""

import asyncio
import time

import pytest
from stories_ingest.store.documents import STORIES, story_document
from stories_ingest.testing.builders import live
from stories_ingest.testing.harness import photo
from stories_shared.clock import system_now
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


async def test_photo_goes_from_draft_to_live_and_is_published(ingest, ann):
    story = await ann.post(caption="first light", audience="followers")
    assert (story["state"], story["kind"], story["part_ids"]) == ("live", "photo", [story["id"]])
    assert (story["series_id"], story["part"], story["parts"], story["duration_ms"]) == (None, 1, 1, None)

    async def published():
        return await ingest.events_of("story-posted", story["id"])

    (event,) = await eventually(published)
    assert (event["caption"], event["audience"], event["revision"]) == ("first light", "followers", 1)
    kept = {key for key in await ingest.keys() if story["id"] in key}
    assert kept == {event["media"]["key"], event["media"]["poster_key"]}


async def test_publishing_is_idempotent(ann):
    draft = await ann.drafted(photo())
    answers = await asyncio.gather(*(ann.publish(draft["id"]) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["posted_at"] for answer in [*answers, await ann.publish(draft["id"])]}) == 1


async def test_publishing_without_waiting_returns_the_progress(ann):
    draft = await ann.drafted(photo(4000, 4000))
    answer = await ann.publish(draft["id"], wait=0)
    assert answer.status_code in (200, 202)
    if answer.status_code == 202:
        assert (answer.json()["id"], answer.json()["state"]) == (draft["id"], "processing")
        assert 0 <= answer.json()["progress"] <= 1
    assert (await ann.publish(draft["id"])).status_code == 200


async def test_publishing_before_uploading_is_a_conflict(ann):
    draft = (await ann.create()).json()
    answer = await ann.publish(draft["id"])
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:stories:wrong-state")


async def test_refused_media_has_a_reason_and_leaves_no_object(ingest, ann):
    draft = await ann.drafted(b"this is no photo at all", "image/jpeg")
    for answer in [await ann.publish(draft["id"]), await ann.publish(draft["id"])]:
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:stories:media-refused")
        assert answer.json()["reason"] == "not_media"
    shown = (await ann.show(draft["id"])).json()
    assert (shown["state"], shown["reason"]) == ("refused", "not_media")
    assert not [key for key in await ingest.keys() if draft["id"] in key]
    assert await ann.quota() == {"live": 0, "max_live": 100, "posted_24h": 0, "max_posted_24h": 200, "retry_after_s": 0}


@pytest.mark.parametrize("wait", ["-1", "31", "soon", "nan"])
async def test_wait_is_bounded(ann, wait):
    draft = (await ann.create()).json()
    answer = await ann.http.post(f"/v1/stories/{draft['id']}/publish", params={"wait": wait})
    assert answer.status_code == 422


async def test_cancelled_draft_loses_its_upload(ingest, ann):
    draft = await ann.drafted(photo())
    assert (await ann.http.post(f"/v1/stories/{draft['id']}/cancel")).status_code == 204
    assert (await ann.show(draft["id"])).status_code == 404
    assert not [key for key in await ingest.keys() if draft["id"] in key]


async def test_a_live_story_cannot_be_cancelled(ann):
    story = await ann.post()
    answer = await ann.http.post(f"/v1/stories/{story['id']}/cancel")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:stories:wrong-state")


async def test_access_change_is_published_on_response(ingest, ann):
    story = await ann.post()
    changes = {"audience": "friends", "hide_from": ["bob"]}
    answer = await ann.http.patch(f"/v1/stories/{story['id']}", json=changes)
    assert (answer.status_code, answer.json()["audience"], answer.json()["hide_from"]) == (200, "friends", ["bob"])
    event = (await ingest.events_of("story-posted", story["id"]))[-1]
    assert (event["revision"], event["access_revision"], event["audience"], event["hide_from"]) == (
        2,
        2,
        "friends",
        ["bob"],
    )


async def test_other_changes_raise_only_the_revision(ingest, ann):
    story = await ann.post()
    await ann.http.patch(f"/v1/stories/{story['id']}", json={"reactions": False})

    async def published():
        return (await ingest.events_of("story-posted", story["id"]))[-1]["revision"] == 2

    await eventually(published)
    event = (await ingest.events_of("story-posted", story["id"]))[-1]
    assert (event["access_revision"], event["reactions"]) == (1, False)


async def test_changing_a_draft_publishes_no_event(ingest, ann):
    draft = await ann.drafted(photo())
    assert (await ann.http.patch(f"/v1/stories/{draft['id']}", json={"comments": "nobody"})).status_code == 200
    await ann.publish(draft["id"])
    assert (await ann.show(draft["id"])).json()["comments"] == "nobody"


@pytest.mark.parametrize(
    "body", [{"caption": "new"}, {"audience": None}, {"hide_from": "bob"}, {"reactions": "yes"}, []]
)
async def test_fixed_fields_cannot_be_changed(ann, body):
    draft = (await ann.create()).json()
    assert (await ann.http.patch(f"/v1/stories/{draft['id']}", json=body)).status_code == 422


async def test_generated_client_changes_only_the_fields_it_sets(ingest, ann):
    schemas = (await ingest.http.get("/openapi.json")).json()
    patch = schemas["paths"]["/v1/stories/{story_id}"]["patch"]
    body = schemas
    for name in patch["requestBody"]["content"]["application/json"]["schema"]["$ref"].removeprefix("#/").split("/"):
        body = body[name]
    # A generated client sends every field that has a default, and the fields that its user set.
    defaults = {name: about["default"] for name, about in body["properties"].items() if "default" in about}
    story = await ann.post(audience="followers", hide_from=["bob"], download=True)
    answer = await ann.http.patch(f"/v1/stories/{story['id']}", json={**defaults, "comments": "nobody"})
    assert answer.status_code == 200
    assert answer.json() == {**story, "comments": "nobody"}


async def test_empty_change_changes_nothing(ingest, ann):
    story = await ann.post()
    answer = await ann.http.patch(f"/v1/stories/{story['id']}", json={})
    assert (answer.status_code, answer.json()) == (200, story)
    assert [event["revision"] for event in await ingest.events_of("story-posted", story["id"])] == [1]


async def test_deletion_is_published_and_media_erased_on_response(ingest, ann):
    story = await ann.post()
    assert (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204
    assert not [key for key in await ingest.keys() if story["id"] in key]
    published = (await ingest.events_of("story-deleted", story["id"]))[0]
    assert (published["author_id"], published["by"]) == (ann.user_id, "author")
    assert (await ann.show(story["id"])).status_code == 404
    assert (await ann.publish(story["id"])).status_code == 404


async def test_repeated_deletion_is_confirmed_only_to_the_author(ingest, ann):
    story = await ann.post()
    answers = [await ann.http.delete(f"/v1/stories/{story['id']}") for _ in range(3)]
    stranger = await ingest.author("bob").http.delete(f"/v1/stories/{story['id']}")
    assert [answer.status_code for answer in [*answers, stranger]] == [204, 204, 204, 404]
    event_ids = {dict(record.headers)["ce_id"] for record in await ingest.records("story-deleted", story["id"])}
    assert len(event_ids) == 1


async def test_deleted_story_has_an_erasure_event_and_a_tombstone(ingest, ann):
    story = await ann.post()
    await ann.http.delete(f"/v1/stories/{story['id']}")

    async def forgotten():
        return (await ingest.events_of("story-posted", story["id"]))[-1] is None

    await eventually(forgotten)
    erased = await ingest.events_of("story-erased", story["id"])
    assert {event["store"] for event in erased} == {"media"}


async def test_deleting_drafts_and_refused_stories_publishes_nothing(ingest, ann):
    draft, refused = await ann.drafted(photo()), await ann.drafted(b"no photo")
    await ann.publish(refused["id"])
    for story in (draft, refused):
        for _ in range(2):
            assert (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204
        assert await ingest.events_of("story-deleted", story["id"]) == []


async def test_an_admin_reads_and_deletes_but_does_not_publish(ingest, ann):
    story = await ann.post()
    admin = ingest.author("root", roles=["admin"])
    assert (await admin.show(story["id"])).json()["author_id"] == ann.user_id
    assert (await admin.publish(story["id"])).status_code == 404
    assert (await admin.http.delete(f"/v1/stories/{story['id']}")).status_code == 204
    assert (await ingest.events_of("story-deleted", story["id"]))[0]["by"] == "admin"


async def test_the_quota_counts_what_went_live(ann):
    one, _ = await ann.post(), await ann.post()
    await ann.create()
    assert {name: (await ann.quota())[name] for name in ("live", "posted_24h")} == {"live": 2, "posted_24h": 2}
    await ann.http.delete(f"/v1/stories/{one['id']}")
    assert {name: (await ann.quota())[name] for name in ("live", "posted_24h")} == {"live": 1, "posted_24h": 2}


async def test_a_full_quota_is_refused_at_create_and_at_publish(start):
    async with start(max_live=1) as ingest:
        ann = ingest.author()
        waiting = await ann.drafted(photo())
        await ann.post()
        for answer in [await ann.create(), await ann.publish(waiting["id"])]:
            assert (answer.status_code, answer.json()["type"]) == (429, "urn:stories:quota-reached")
            assert int(answer.headers["retry-after"]) > 0
        assert (await ann.show(waiting["id"])).json()["state"] == "draft"
        assert (await ann.quota())["retry_after_s"] > 0


async def test_an_author_pages_through_their_stories(ann):
    drafts = [(await ann.create()).json()["id"] for _ in range(5)]
    live = (await ann.post())["id"]
    first = (await ann.http.get("/v1/me/stories", params={"limit": 4})).json()
    rest = (await ann.http.get("/v1/me/stories", params={"limit": 4, "cursor": first["next_cursor"]})).json()
    shown = [item["id"] for item in first["items"] + rest["items"]]
    assert (shown, rest["next_cursor"]) == ([live, *reversed(drafts)], None)


async def test_number_of_queries_does_not_depend_on_the_page_size(start, namespace):
    async with start(role="api") as ingest:
        ann = ingest.author()
        series = [new_id() for _ in range(10)]
        parts = [live("ann", system_now(), series_id=each, part=n, parts=3) for each in series for n in (1, 2, 3)]
        await ingest.mongo[STORIES].insert_many([{"_id": part.id, **story_document(part)} for part in parts])

        async def queries(limit):
            before = (await ingest.mongo.client.admin.command("serverStatus"))["opcounters"]["query"]
            items = (await ann.http.get("/v1/me/stories", params={"limit": limit})).json()["items"]
            after = (await ingest.mongo.client.admin.command("serverStatus"))["opcounters"]["query"]
            return after - before, [item["part_ids"] for item in items]

        many, shown = min([await queries(30) for _ in range(10)])
        assert many < 10
        assert sorted(map(tuple, shown)) == sorted(
            tuple(part.id for part in parts if part.posted.series_id == each) for each in series for _ in range(3)
        )


async def test_stories_are_listed_by_state(ann):
    await ann.create()
    live = (await ann.post())["id"]
    items = (await ann.http.get("/v1/me/stories", params={"state": "live"})).json()["items"]
    assert all(each["media_url"] and each["poster_url"] for each in items)
    assert [item["id"] for item in items] == [live]
    assert (await ann.http.get("/v1/me/stories", params={"state": "ended"})).status_code == 422


async def test_cursor_is_valid_only_for_its_user_and_list(ingest, ann):
    for _ in range(2):
        await ann.create()
    cursor = (await ann.http.get("/v1/me/stories", params={"limit": 1})).json()["next_cursor"]
    elsewhere = {"cursor": cursor, "state": "draft"}
    assert (await ann.http.get("/v1/me/stories", params=elsewhere)).status_code == 422
    assert (await ingest.author("bob").http.get("/v1/me/stories", params={"cursor": cursor})).status_code == 422


async def test_expired_story_is_not_found(start):
    async with start(story_lifetimes="2s") as ingest:
        ann = ingest.author()
        story = await ann.post()

        async def over():
            return (await ann.show(story["id"])).status_code == 404

        await eventually(over)
        assert (await ann.http.get("/v1/me/stories")).json()["items"] == []
        assert (await ann.publish(story["id"])).status_code == 404
        assert (await ann.http.patch(f"/v1/stories/{story['id']}", json={"reactions": False})).status_code == 404
        assert (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204


async def test_waiting_publish_returns_when_another_process_finishes(start):
    async with start(role="api") as api:
        ann = api.author()
        draft = await ann.drafted(photo())
        waiting = asyncio.ensure_future(ann.publish(draft["id"]))
        async with start(role="worker") as worker:
            answer = await waiting
            assert answer.status_code == 200
            assert (await worker.http.get("/v1/config")).status_code == 404


async def test_waiting_publish_returns_after_its_timeout(start):
    async with start(role="api") as api:
        ann = api.author()
        draft = await ann.drafted(photo())
        began = time.monotonic()
        assert (await ann.publish(draft["id"], wait=1)).status_code == 202
        assert 0.9 < time.monotonic() - began < 3
        assert (await ann.http.post(f"/v1/stories/{draft['id']}/cancel")).status_code == 204
        assert (await ann.publish(draft["id"])).status_code == 404
