"""Tray and rings over HTTP."""

import asyncio
from datetime import timedelta

import pytest
from stories_shared.clock import system_now
from stories_shared.events import StoryViewed
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers
HOUR = timedelta(hours=1)


async def test_a_posted_story_is_in_the_tray_of_a_follower(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    story = await feed.post(people.ann)
    tray = await feed.get("/v1/tray", people.bob)
    (ring,) = tray["items"]
    assert (ring["author_id"], ring["ring"], ring["stories"], ring["unseen"]) == (people.ann, "unseen", 1, 1)
    assert story.media.poster_key in ring["poster_url"]
    assert (tray["mine"], tray["next_cursor"]) == (None, None)


async def test_authors_see_their_own_ring_within_two_seconds(feed, people) -> None:
    async with asyncio.timeout(2):
        await feed.post(people.ann)
    tray = await feed.get("/v1/tray", people.ann)
    assert tray["items"] == []
    assert (tray["mine"]["author_id"], tray["mine"]["stories"]) == (people.ann, 1)


async def test_unseen_rings_come_first_and_newer_ones_before_older(feed, people) -> None:
    await feed.follow(people.dee, people.ann, people.bob, people.cho)
    for hours, author in enumerate([people.cho, people.bob, people.ann]):
        last = await feed.post(author, at=system_now() - hours * HOUR)
    assert list(await feed.tray(people.dee)) == [people.cho, people.bob, people.ann]
    newest = (await feed.reel(people.dee, people.cho))[0]
    assert (
        await feed.call("PUT", f"/v1/users/{people.cho}/seen", people.dee, json={"up_to": newest})
    ).status_code == 204
    assert await feed.tray(people.dee) == {people.bob: "unseen", people.ann: "unseen", people.cho: "seen"}
    assert last.author_id == people.ann


async def test_a_tray_has_pages(feed, people) -> None:
    authors = [f"{people.ann}{number}" for number in range(5)]
    await feed.follow(people.bob, *authors)
    for author in authors:
        await feed.post(author)
    seen, cursor = [], None
    while True:
        page = await feed.get("/v1/tray", people.bob, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        seen += [ring["author_id"] for ring in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == authors[::-1]


async def test_a_cursor_is_valid_only_for_its_user_and_route(feed, people) -> None:
    authors = [people.ann, people.cho]
    await feed.follow(people.bob, *authors)
    for author in authors:
        await feed.post(author)
    cursor = (await feed.get("/v1/tray", people.bob, params={"limit": 1}))["next_cursor"]
    for path, user, text in [
        ("/v1/tray", people.ann, cursor),
        ("/v1/for-you", people.bob, cursor),
        ("/v1/tray", people.bob, cursor[:-2] + "AA"),
    ]:
        assert (await feed.call("GET", path, user, params={"cursor": text})).status_code == 422


async def test_muted_and_blocked_authors_never_appear(feed, people) -> None:
    await feed.follow(people.dee, people.ann, people.bob, people.cho)
    for author in (people.ann, people.bob, people.cho):
        await feed.post(author)
    await feed.edit("PUT", f"/v1/muted/{people.ann}", people.dee)
    await feed.edit("PUT", f"/v1/blocked/{people.dee}", people.bob)
    assert list(await feed.tray(people.dee)) == [people.cho]
    assert await feed.ring(people.dee, people.bob) == "none"
    assert await feed.ring(people.dee, people.ann) == "unseen"


async def test_stories_for_friends_make_a_ring_for_friends_only(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    await feed.follow(people.cho, people.ann)
    await feed.follow(people.ann, people.bob)
    await feed.post(people.ann, audience="friends")
    assert people.ann in await feed.tray(people.bob)
    assert people.ann not in await feed.tray(people.cho)


async def test_a_story_watched_on_one_device_is_seen_on_the_other(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    story = await feed.post(people.ann)
    view = StoryViewed(story_id=story.story_id, viewer_id=people.bob, viewed_at=system_now())
    await feed.publish(view, view)

    async def seen() -> bool:
        return await feed.tray(people.bob) == {people.ann: "seen"}

    await eventually(seen, 5)
    (item,) = (await feed.get(f"/v1/users/{people.ann}/stories", people.bob))["items"]
    assert item["seen"] is True


async def test_rings_are_returned_for_every_requested_user(feed, people) -> None:
    await feed.post(people.ann)
    rings = await feed.get("/v1/rings", people.bob, params={"user_ids": f"{people.ann},{people.cho},{people.ann}"})
    assert rings == {"rings": {people.ann: "unseen", people.cho: "none"}}


@pytest.mark.parametrize(
    "query", ["", "user_ids=", "user_ids=a,,b", "user_ids=%2F", "user_ids=" + ",".join(f"u{n}" for n in range(101))]
)
async def test_an_invalid_user_ids_query_is_422(feed, query) -> None:
    answer = await feed.call("GET", f"/v1/rings?{query}", "bob")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", "color=red", "limit=1&limit=1"])
async def test_an_invalid_tray_query_is_422(feed, query) -> None:
    assert (await feed.call("GET", f"/v1/tray?{query}", "bob")).status_code == 422


@pytest.mark.parametrize("path", ["tray", "rings?user_ids=a", "for-you", "users/a/stories", "blocked"])
async def test_a_request_without_a_token_is_401(feed, path) -> None:
    answer = await feed.http.get(f"/v1/{path}")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_unchanged_tray_is_304(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    await feed.post(people.ann)
    first = await feed.call("GET", "/v1/tray", people.bob)
    assert first.headers["cache-control"] == "private, no-cache"
    tag = {"If-None-Match": first.headers["etag"]}
    again = await feed.call("GET", "/v1/tray", people.bob, headers=tag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await feed.post(people.ann)
    assert (await feed.call("GET", "/v1/tray", people.bob, headers=tag)).status_code == 200


async def test_requests_are_counted_by_route_template(feed, people) -> None:
    await feed.get("/v1/tray", people.bob)
    page = (await feed.http.get("/metrics")).text
    routes = {line for line in page.splitlines() if line.startswith("stories_http_requests_total")}
    assert any('route="/v1/tray"' in line for line in routes), routes
    for name in (
        "stories_live_authors",
        "stories_live_stories",
        "stories_visible_seconds",
        "stories_index_load_seconds",
    ):
        assert name in page
