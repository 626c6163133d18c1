"""The rollout policy decides who views anything at all, on every read, and is reloaded."""

import pytest
from stories_feed.app import init
from stories_shared.events import StoryNotified
from stories_shared.testing import eventually

from .conftest import Feed

pytestmark = pytest.mark.servers


async def test_viewers_outside_of_the_rollout_find_nothing(feed, people, tmp_path) -> None:
    await feed.follow(people.bob, people.ann)
    story = await feed.post(people.ann, hashtags=("rollout",), mentions=(people.bob,))
    policy = tmp_path / "rollout.yaml"
    policy.write_text(f"view: {{deny: [{people.bob}]}}\n")
    replica = type(feed)(feed.namespace, rollout_file=policy)
    await replica.start()
    try:
        empty = {"items": [], "next_cursor": None}
        lists = (f"/v1/users/{people.ann}/stories", "/v1/for-you", "/v1/hashtags/rollout/stories", "/v1/me/mentions")
        for path in lists:
            assert await replica.get(path, people.bob) == empty, path
        assert await replica.get("/v1/hashtags", people.bob) == empty
        assert await replica.get("/v1/tray", people.bob) == empty | {"mine": None}
        assert await replica.ring(people.bob, people.ann) == "none"
        reels = await replica.get("/v1/reels", people.bob, params={"user_ids": people.ann})
        assert reels == {"reels": {people.ann: []}}
        assert not await replica.sees(people.bob, story.story_id)
        seen = await replica.call("PUT", f"/v1/users/{people.ann}/seen", people.bob, json={"up_to": story.story_id})
        assert seen.status_code == 404
        explained = await replica.get(f"/v1/stories/{story.story_id}/explain?viewer={people.bob}", people.ann)
        assert [rule["rule"] for rule in explained["rules"] if not rule["passed"]] == ["rollout"]
        assert await replica.sees(people.cho, story.story_id)

        policy.write_text("view: {percentage: many}\n")
        await eventually(lambda: reload_succeeded(replica, 0), 10)
        assert not await replica.sees(people.bob, story.story_id)
        policy.write_text("view: {percentage: 100}\n")
        await eventually(lambda: replica.sees(people.bob, story.story_id), 10)
        for path in lists:
            assert [item["id"] for item in (await replica.get(path, people.bob))["items"]][:1] == [story.story_id], path
    finally:
        await replica.stop()


@pytest.mark.nightly
async def test_follower_is_notified_where_the_country_of_the_token_may_view(namespace, people, tmp_path) -> None:
    policy = tmp_path / "rollout.yaml"
    policy.write_text(f"view: {{countries: [NL], allow: [{people.ann}]}}\n")
    replica = Feed(namespace, rollout_file=policy)
    await init(replica.settings)
    await replica.start()
    try:
        path, body = f"/v1/following/{people.ann}", {"notify": True}
        for user, country in ((people.bob, "NL"), (people.cho, "BE")):
            assert (await replica.call("PUT", path, user, json=body, country=country)).status_code == 204
        await replica.post(people.ann)
        [event] = await eventually(lambda: replica.events_of(StoryNotified, people.ann), 20)
        assert event.event.user_ids == (people.bob,)
    finally:
        await replica.stop()


async def reload_succeeded(replica, value: int) -> bool:
    """Whether the gauge has this value."""
    return f"stories_rollout_reload_success {value}.0" in (await replica.http.get("/metrics")).text
