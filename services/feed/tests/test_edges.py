"""Edges, changed over HTTP and by events of the host application."""

from dataclasses import replace
from datetime import timedelta

import pytest
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import (
    UserBlocked,
    UserCloseFriendAdded,
    UserDataErased,
    UserErased,
    UserFollowed,
    UserMuted,
    UserUnblocked,
    UserUnfollowed,
)
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers
HOUR = timedelta(hours=1)
COLLECTIONS = ["following", "blocked", "muted", "close-friends"]


@pytest.mark.parametrize("name", COLLECTIONS)
async def test_an_edge_is_listed_until_it_is_deleted(feed, people, name) -> None:
    for _ in range(2):
        await feed.edit("PUT", f"/v1/{name}/{people.bob}", people.ann)
    (entry,) = (await feed.get(f"/v1/{name}", people.ann))["items"]
    assert (entry["user_id"], entry["since"][-1]) == (people.bob, "Z")
    for _ in range(2):
        await feed.edit("DELETE", f"/v1/{name}/{people.bob}", people.ann)
    assert await feed.get(f"/v1/{name}", people.ann) == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("name", COLLECTIONS)
async def test_an_edge_to_oneself_is_422(feed, people, name) -> None:
    for method in ("PUT", "DELETE"):
        await feed.edit(method, f"/v1/{name}/{people.ann}", people.ann, 422)


@pytest.mark.parametrize("user", ["-x", "a b", "%00", "x" * 129])
async def test_a_malformed_user_id_is_404(feed, people, user) -> None:
    await feed.edit("PUT", f"/v1/following/{user}", people.ann, 404)


async def test_a_user_id_with_every_allowed_character_can_be_followed(feed, people) -> None:
    user_id = f"{people.bob}_.:@|+~-"
    await feed.edit("PUT", f"/v1/following/{user_id.replace('|', '%7C').replace('+', '%2B')}", people.ann)
    assert await feed.listed(people.ann, "following") == [user_id]


async def test_a_list_has_pages_newest_first(feed, people) -> None:
    targets = [f"{people.bob}{number}" for number in range(3)]
    await feed.follow(people.ann, *targets)
    first = await feed.get("/v1/following", people.ann, params={"limit": 2})
    rest = await feed.get("/v1/following", people.ann, params={"limit": 2, "cursor": first["next_cursor"]})
    assert [each["user_id"] for each in (*first["items"], *rest["items"])] == targets[::-1]
    assert rest["next_cursor"] is None


async def test_a_follower_can_be_removed(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    assert await feed.listed(people.ann, "followers") == [people.bob]
    await feed.edit("DELETE", f"/v1/followers/{people.bob}", people.ann)
    assert await feed.listed(people.ann, "followers") == []
    assert await feed.listed(people.bob, "following") == []
    unfollowed = await eventually(lambda: feed.events_of(UserUnfollowed, people.bob))
    assert unfollowed[0].event.target_id == people.ann


async def test_a_block_hides_both_at_once_and_is_published_before_the_response(feed, people) -> None:
    await feed.follow(people.ann, people.bob)
    await feed.follow(people.bob, people.ann)
    await feed.edit("PUT", f"/v1/close-friends/{people.bob}", people.ann)
    ours, theirs = await feed.post(people.ann), await feed.post(people.bob)
    await feed.edit("PUT", f"/v1/blocked/{people.bob}", people.ann)
    (record,) = await feed.events_of(UserBlocked, people.ann)
    assert record.event.target_id == people.bob
    assert not await feed.sees(people.bob, ours.story_id)
    assert not await feed.sees(people.ann, theirs.story_id)
    for user, name in [(people.ann, "following"), (people.ann, "followers"), (people.ann, "close-friends")]:
        assert await feed.listed(user, name) == []


async def test_a_block_prevents_follows_and_unblocking_restores_none(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    await feed.edit("PUT", f"/v1/blocked/{people.bob}", people.ann)
    await feed.edit("PUT", f"/v1/following/{people.ann}", people.bob)
    assert await feed.listed(people.bob, "following") == []
    await feed.edit("DELETE", f"/v1/blocked/{people.bob}", people.ann)
    assert await feed.listed(people.bob, "following") == []
    await feed.follow(people.bob, people.ann)
    assert await feed.listed(people.ann, "followers") == [people.bob]


async def test_every_change_of_an_edge_is_published_once(feed, people) -> None:
    await feed.follow(people.ann, people.bob)
    await feed.follow(people.ann, people.bob)
    (record,) = await eventually(lambda: feed.events_of(UserFollowed, people.ann))
    since = (await feed.get("/v1/following", people.ann))["items"][0]["since"]
    assert (record.source, record.event.target_id) == ("/stories/feed", people.bob)
    assert truncate_to_ms(record.event.at).isoformat(timespec="milliseconds").replace("+00:00", "Z") == since


async def test_edge_events_of_the_host_delivered_twice_count_once(feed, people) -> None:
    at = system_now() - HOUR
    follows = UserFollowed(user_id=people.ann, target_id=people.bob, at=at)
    mutes = UserMuted(user_id=people.ann, target_id=people.cho, at=at)
    close = UserCloseFriendAdded(user_id=people.ann, target_id=people.dee, at=at)
    await feed.publish_as_host(follows, follows, mutes, mutes, close, close)
    for name, target in [("following", people.bob), ("muted", people.cho), ("close-friends", people.dee)]:
        await eventually(lambda name=name, target=target: is_listed(feed, people.ann, name, [target]))
    await feed.post(people.bob)
    assert list(await feed.tray(people.ann)) == [people.bob]


async def is_listed(feed, user, name, targets) -> bool:
    return await feed.listed(user, name) == targets


async def test_an_event_from_the_future_counts_from_when_it_was_appended(feed, people) -> None:
    ahead = UserFollowed(user_id=people.ann, target_id=people.bob, at=system_now() + 100 * HOUR)
    await feed.publish_as_host(ahead)
    await eventually(lambda: is_listed(feed, people.ann, "following", [people.bob]))
    await feed.publish_as_host(UserUnfollowed(user_id=people.ann, target_id=people.bob, at=system_now() + HOUR))
    await eventually(lambda: is_listed(feed, people.ann, "following", []))
    await feed.follow(people.ann, people.bob)
    assert await feed.listed(people.ann, "following") == [people.bob]


async def test_an_older_event_changes_nothing(feed, people) -> None:
    now = system_now()
    await feed.publish_as_host(UserUnfollowed(user_id=people.ann, target_id=people.bob, at=now - HOUR))
    await feed.publish_as_host(UserFollowed(user_id=people.ann, target_id=people.bob, at=now - HOUR))
    await feed.publish_as_host(UserFollowed(user_id=people.ann, target_id=people.cho, at=now))
    await eventually(lambda: is_listed(feed, people.ann, "following", [people.cho]))


async def test_a_block_event_of_the_host_removes_follows(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    await feed.publish_as_host(UserBlocked(user_id=people.ann, target_id=people.bob, at=system_now()))
    await eventually(lambda: is_listed(feed, people.bob, "following", []))
    await feed.publish_as_host(UserUnblocked(user_id=people.ann, target_id=people.bob, at=system_now()))
    await eventually(lambda: is_listed(feed, people.ann, "blocked", []))
    assert await feed.listed(people.bob, "following") == []


async def test_a_self_follow_is_dead_lettered_without_blocking_its_batch(feed, people) -> None:
    follow = UserFollowed(user_id=people.ann, target_id=people.bob, at=system_now())
    good = feed.host.record_of(OutgoingEvent(follow))
    bad = replace(good, value=good.value.replace(people.bob.encode(), people.ann.encode()))
    await feed.host.send([bad, good])
    await eventually(lambda: is_listed(feed, people.ann, "following", [people.bob]))
    assert bad.value in await eventually(lambda: feed.values("user-followed.feed.dlq"))


async def test_thousands_of_follows_are_consumed_in_seconds(feed, people) -> None:
    at = system_now() - HOUR
    follows = [
        UserFollowed(user_id=f"{people.ann}{number % 50}", target_id=f"{people.bob}{number}", at=at)
        for number in range(3_000)
    ]
    await feed.publish_as_host(*follows)

    async def complete() -> bool:
        return await feed.mongo["edges"].count_documents({"target": {"$regex": f"^{people.bob}"}, "on": True}) == 3_000

    await eventually(complete, 30)
    follow_list = await feed.mongo["choices"].find_one({"_id": f"{people.ann}7"})
    assert len(follow_list["following"]) == len(set(follow_list["following"])) == 60


async def test_a_user_is_erased_and_each_delivery_is_confirmed(feed, people) -> None:
    await feed.follow(people.ann, people.bob)
    await feed.follow(people.bob, people.ann)
    story = await feed.post(people.ann)
    theirs = await feed.post(people.bob)
    await feed.see(people.ann, people.bob, theirs.story_id)
    erased = UserErased(user_id=people.ann, at=system_now(), receipt_id=new_id())
    await feed.publish(erased, erased)

    async def confirmed_twice() -> bool:
        confirmed = await feed.events_of(UserDataErased, people.ann)
        return [record.event.receipt_id for record in confirmed] == [erased.receipt_id] * 2

    await eventually(confirmed_twice)
    assert await feed.listed(people.bob, "following") == await feed.listed(people.bob, "followers") == []
    assert not await feed.sees(people.bob, story.story_id)
    assert await feed.ring(people.ann, people.bob) == "unseen"


async def test_later_edges_survive_a_redelivered_erasure(feed, people) -> None:
    erased = UserErased(user_id=people.ann, at=system_now(), receipt_id=new_id())
    await feed.publish(erased)
    await eventually(lambda: feed.events_of(UserDataErased, people.ann))
    await feed.follow(people.ann, people.bob)
    await feed.publish(erased)
    await feed.publish_as_host(UserFollowed(user_id=people.ann, target_id=people.cho, at=erased.at - HOUR))

    async def confirmed_twice() -> bool:
        return len(await feed.events_of(UserDataErased, people.ann)) == 2

    await eventually(confirmed_twice)
    assert await feed.listed(people.ann, "following") == [people.bob]
