"""Reels, single stories and For You: visibility, working URLs and valid tickets."""

from datetime import datetime, timedelta

import httpx
import pytest
from stories_feed.testing.builders import posted
from stories_shared.clock import system_now
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired, StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.http.paging import Cursors
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers
SECOND = timedelta(seconds=1)


async def item_of(feed, story, user) -> dict:
    return await feed.get(f"/v1/stories/{story.story_id}", user)


async def test_an_item_has_every_field_of_the_contract(feed, people) -> None:
    story = await feed.post(people.ann, caption="first light", layers=({"kind": "text", "id": "l1"},))
    item = await item_of(feed, story, people.bob)
    assert set(item) == {
        *("id", "author_id", "kind", "label", "audience", "posted_at", "expires_at", "duration_ms", "width", "height"),
        *("content_type", "size", "has_audio", "codecs", "media_url", "poster_url", "download_url", "renditions"),
        *("urls_expire_at", "caption", "layers", "sound", "captions_track", "alt_text", "seen", "series_id", "part"),
        *("parts", "viewers_listed", "can", "ticket", "ticket_expires_at", "captions_url"),
        *("preview", "reposted_from"),
    }
    assert (item["label"], item["renditions"], item["caption"], item["seen"]) == ("Story", [], "first light", False)
    assert item["codecs"] == "avc1.640028,mp4a.40.2"
    assert item["can"] == {"comment": True, "react": True, "share": True, "download": False}
    assert item["download_url"] is None


async def test_the_urls_open_the_media_for_whole_seconds(feed, people, tmp_path) -> None:
    story = await feed.post(people.ann, download=True)
    file = tmp_path / "media"
    file.write_bytes(b"moving pictures")
    objects = feed.objects
    await objects.ensure_bucket()
    await objects.put_file(story.media.key, file, "video/mp4")
    item = await item_of(feed, story, people.bob)
    async with httpx.AsyncClient() as client:
        media = await client.get(item["media_url"])
        saved = await client.get(item["download_url"])
        forged = await client.get(item["media_url"].replace("max-age%3D900", "max-age%3D901"))
    assert (media.content, media.headers["cache-control"]) == (b"moving pictures", "private, max-age=900")
    assert saved.headers["content-disposition"].startswith("attachment")
    assert forged.status_code == 403
    left = datetime.fromisoformat(item["urls_expire_at"]) - system_now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


async def test_urls_are_reused_and_tickets_are_the_viewers_own(feed, people) -> None:
    story = await feed.post(people.ann)
    for_bob, for_cho = await item_of(feed, story, people.bob), await item_of(feed, story, people.cho)
    assert for_bob["media_url"] == for_cho["media_url"]
    ticket = feed.tickets.read(for_bob["ticket"], people.bob, system_now())
    assert (ticket.story_id, ticket.author_id, ticket.expires_at) == (story.story_id, people.ann, story.expires_at)
    assert timedelta(minutes=59) < ticket.ends_at - system_now() <= timedelta(hours=1)


async def test_urls_and_tickets_of_restricted_stories_live_five_minutes(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    story = await feed.post(people.ann, audience="followers")
    item = await item_of(feed, story, people.bob)
    ticket = feed.tickets.read(item["ticket"], people.bob, system_now())
    assert datetime.fromisoformat(item["urls_expire_at"]) - system_now() <= timedelta(minutes=5)
    assert ticket.ends_at - system_now() <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("audience", "seeing"),
    [
        ("everyone", {"ann", "bob", "cho", "dee"}),
        ("followers", {"ann", "bob", "cho"}),
        ("friends", {"ann", "bob"}),
        ("close_friends", {"ann", "dee"}),
    ],
)
async def test_only_the_audience_sees_a_story(feed, people, audience, seeing) -> None:
    await feed.follow(people.bob, people.ann)
    await feed.follow(people.ann, people.bob)
    await feed.follow(people.cho, people.ann)
    await feed.edit("PUT", f"/v1/close-friends/{people.dee}", people.ann)
    story = await feed.post(people.ann, audience=audience)
    for name in ("ann", "bob", "cho", "dee"):
        user = getattr(people, name)
        assert await feed.sees(user, story.story_id) is (name in seeing), name
        assert await feed.reel(user, people.ann) == ([story.story_id] if name in seeing else [])


async def test_a_narrowed_story_disappears_for_excluded_viewers(feed, people) -> None:
    story = await feed.post(people.ann)
    assert await feed.sees(people.bob, story.story_id)
    fields = {"audience": "close_friends", "hide_from": (people.cho,), "revision": 2, "access_revision": 2}
    narrowed = posted(people.ann, story.posted_at, story_id=story.story_id, **fields)
    await feed.publish(narrowed, story)

    async def gone() -> bool:
        return not await feed.sees(people.bob, story.story_id)

    await eventually(gone, 2)
    item = await eventually(lambda: item_of(feed, story, people.ann), 2)
    assert (item["audience"], feed.tickets.read(item["ticket"], people.ann, system_now()).access_revision) == (
        "close_friends",
        2,
    )


async def test_a_story_is_invisible_to_users_it_is_hidden_from(feed, people) -> None:
    story = await feed.post(people.ann, hide_from=(people.bob,))
    assert not await feed.sees(people.bob, story.story_id)
    assert await feed.ring(people.bob, people.ann) == "none"
    assert await feed.sees(people.cho, story.story_id)


@pytest.mark.parametrize("meta", [{"$ref": "a", "$id": "b"}, {"$oid": "x"}, {"a.b": {"": None}}, 2**63 - 1])
async def test_a_layer_may_hold_any_json_and_no_page_fails(feed, people, meta) -> None:
    layer = {"kind": "text", "meta": meta, "$ref": "a", "$id": "b"}
    story = await feed.post(people.ann, layers=(layer,))
    reel = await feed.get(f"/v1/users/{people.ann}/stories", people.bob)
    reels = await feed.get(f"/v1/reels?user_ids={people.ann}", people.bob)
    for_you = await feed.get("/v1/for-you?limit=100", people.bob)
    for items in (reel["items"], reels["reels"][people.ann], for_you["items"]):
        assert {item["id"]: item["layers"] for item in items}[story.story_id] == [layer]


@pytest.mark.parametrize("position", [[], [1], ["x", 2, 3], [True, "y", None, 1], [[], {}]])
async def test_every_list_refuses_a_cursor_with_another_position_type(feed, people, position) -> None:
    cursors = Cursors(feed.settings.ticket_secrets)
    lists = {
        "tray": "/v1/tray",
        "for-you": "/v1/for-you",
        f"reel/{people.ann}": f"/v1/users/{people.ann}/stories",
        "followers": "/v1/followers",
        "following": "/v1/following",
    }
    for name, path in lists.items():
        cursor = cursors.encode(name, people.bob, position)
        answer = await feed.call("GET", path, people.bob, params={"cursor": cursor})
        assert answer.status_code == 422, path


async def test_an_admin_sees_any_live_story_by_id_only(feed, people) -> None:
    story = await feed.post(people.ann, audience="close_friends")
    path = f"/v1/stories/{story.story_id}"
    assert (await feed.call("GET", path, people.bob, roles=["admin"])).status_code == 200
    assert (await feed.call("GET", path, people.bob)).status_code == 404
    reel = await feed.call("GET", f"/v1/users/{people.ann}/stories", people.bob, roles=["admin"])
    assert reel.json()["items"] == []


UNKNOWN = "01a00000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("path", [f"/v1/stories/{UNKNOWN}", "/v1/stories/x", "/v1/users/-/stories", "/v1/nowhere"])
async def test_an_unknown_resource_is_404(feed, path) -> None:
    answer = await feed.call("GET", path, "bob")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:stories:not-found")


async def test_a_reel_has_pages_in_the_order_of_posting(feed, people) -> None:
    at = system_now()
    series = new_id()
    parts = [posted(people.ann, at, series_id=series, part=part, parts=3, story_id=new_id()) for part in (1, 2, 3)]
    older = posted(people.ann, at - SECOND)
    await feed.publish(*reversed(parts), older)

    async def complete() -> bool:
        return len(await feed.reel(people.ann, people.ann)) == 4

    await eventually(complete)
    first = await feed.get(f"/v1/users/{people.ann}/stories", people.bob, params={"limit": 3})
    rest = await feed.get(
        f"/v1/users/{people.ann}/stories", people.bob, params={"limit": 3, "cursor": first["next_cursor"]}
    )
    found = [item["id"] for item in (*first["items"], *rest["items"])]
    assert found == [older.story_id, *(part.story_id for part in parts)]
    assert rest["next_cursor"] is None


async def test_an_unchanged_reel_is_304_until_a_story_is_seen(feed, people) -> None:
    story = await feed.post(people.ann)
    path = f"/v1/users/{people.ann}/stories"
    known = {"If-None-Match": f'"x", {(await feed.call("GET", path, people.bob)).headers["etag"]}'}
    assert (await feed.call("GET", path, people.bob, headers=known)).status_code == 304
    await feed.see(people.bob, people.ann, story.story_id)
    assert (await feed.call("GET", path, people.bob, headers=known)).status_code == 200


async def test_several_reels_are_read_in_one_request(feed, people) -> None:
    ours, theirs = await feed.post(people.ann), await feed.post(people.bob, audience="followers")
    reels = (await feed.get(f"/v1/reels?user_ids={people.ann},{people.bob},{people.dee}", people.cho))["reels"]
    assert {author: [item["id"] for item in items] for author, items in reels.items()} == {
        people.ann: [ours.story_id],
        people.bob: [],
        people.dee: [],
    }
    assert theirs.story_id not in str(reels)
    many = ",".join(f"u{number}" for number in range(21))
    assert (await feed.call("GET", f"/v1/reels?user_ids={many}", people.cho)).status_code == 422


async def test_stories_are_seen_up_to_one(feed, people) -> None:
    first = await feed.post(people.ann, at=system_now() - 2 * SECOND)
    second = await feed.post(people.ann, at=system_now() - SECOND)
    await feed.see(people.bob, people.ann, first.story_id)
    items = (await feed.get(f"/v1/users/{people.ann}/stories", people.bob))["items"]
    assert [(item["id"], item["seen"]) for item in items] == [(first.story_id, True), (second.story_id, False)]


async def test_marking_an_invisible_story_as_seen_is_404(feed, people) -> None:
    story = await feed.post(people.ann, audience="close_friends")
    for author in (people.ann, people.cho):
        answer = await feed.call("PUT", f"/v1/users/{author}/seen", people.bob, json={"up_to": story.story_id})
        assert answer.status_code == 404


@pytest.mark.parametrize(("body", "status"), [({}, 422), ({"up_to": "x"}, 422), ({"up_to": new_id(), "n": 1}, 422)])
async def test_a_malformed_seen_body_is_422(feed, body, status) -> None:
    assert (await feed.call("PUT", "/v1/users/ann/seen", "bob", json=body)).status_code == status


async def test_for_you_has_public_unseen_stories_of_unmuted_authors(feed, people) -> None:
    await feed.edit("PUT", f"/v1/muted/{people.cho}", people.bob)
    await feed.edit("PUT", f"/v1/blocked/{people.bob}", people.dee)
    expected = await feed.post(people.ann)
    excluded = [
        await feed.post(people.ann, audience="followers"),
        await feed.post(people.bob),
        await feed.post(people.cho),
        await feed.post(people.dee),
    ]
    found, cursor = [], None
    while True:
        page = await feed.get("/v1/for-you", people.bob, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found.count(expected.story_id) == 1
    assert not {story.story_id for story in excluded} & set(found)
    await feed.see(people.bob, people.ann, expected.story_id)
    assert expected.story_id not in str(await feed.get("/v1/for-you", people.bob, params={"limit": 100}))


async def test_a_deleted_story_is_gone_everywhere_within_a_second(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    story = await feed.post(people.ann)
    deleted = StoryDeleted(story_id=story.story_id, author_id=people.ann, deleted_at=system_now(), by="author")
    await feed.publish(deleted, deleted)

    async def gone() -> bool:
        return not await feed.sees(people.ann, story.story_id) and await feed.tray(people.bob) == {}

    await eventually(gone, 1)
    erasures = await eventually(lambda: published_erasures(feed, story, 2))
    assert all(record.event.store == "feed" for record in erasures)
    await feed.publish(posted(people.ann, story.posted_at, story_id=story.story_id, revision=7))
    later = await feed.post(people.ann)
    assert await feed.reel(people.bob, people.ann) == [later.story_id]
    assert await feed.mongo["stories"].find_one({"_id": story.story_id}) is None


async def published_erasures(feed, story, times: int):
    erasures = await feed.events_of(StoryErased, story.story_id)
    return erasures if len(erasures) >= times else None


async def test_a_story_disappears_at_its_end_before_the_event_is_consumed(feed, people) -> None:
    story = await feed.post(people.ann, 3 * SECOND)

    async def gone() -> bool:
        return await feed.reel(people.ann, people.ann) == []

    await eventually(gone, 4)
    assert not await feed.sees(people.ann, story.story_id)
    assert system_now() < story.expires_at + SECOND
    ended = StoryExpired(
        story_id=story.story_id, author_id=people.ann, expires_at=story.expires_at, expired_at=system_now()
    )
    await feed.publish(ended, ended)
    await eventually(lambda: published_erasures(feed, story, 2))
    assert await feed.mongo["stories"].find_one({"_id": story.story_id}) is None


async def test_the_erasure_of_an_unknown_story_is_published_too(feed, people) -> None:
    story = posted(people.ann, system_now())
    await feed.publish(StoryDeleted(story_id=story.story_id, deleted_at=system_now(), by="admin"))
    await eventually(lambda: published_erasures(feed, story, 1))


async def test_a_tombstone_removes_a_story_from_the_index(feed, people) -> None:
    story = await feed.post(people.ann)
    await feed.ingest.publish_tombstones(StoryPosted, [story.story_id])

    async def gone() -> bool:
        return not await feed.sees(people.ann, story.story_id)

    await eventually(gone, 2)


async def test_an_external_producer_may_delete_only_as_admin(feed, people) -> None:
    story, other = await feed.post(people.ann), await feed.post(people.ann)
    await feed.publish_as_host(
        StoryDeleted(story_id=story.story_id, author_id=people.ann, deleted_at=system_now(), by="author"),
        StoryDeleted(story_id=other.story_id, deleted_at=system_now(), by="admin"),
    )

    async def moderated() -> bool:
        return await feed.reel(people.bob, people.ann) == [story.story_id]

    await eventually(moderated, 3)
