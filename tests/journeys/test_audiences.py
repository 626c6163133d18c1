"""Each audience is visible exactly to its members, also after it was narrowed."""

import asyncio
from functools import partial

from stories_shared.testing import eventually

from .installation import Installation
from .people import Person
from .waiting import AT_ONCE, SOON, holds

AUDIENCES = ("everyone", "followers", "friends", "close_friends")
MAY_SEE = {
    "stranger": {"everyone"},
    "follower": {"everyone", "followers"},
    "friend": {"everyone", "followers", "friends"},
    "intimate": {"everyone", "close_friends"},
    "author": set(AUDIENCES),
}


async def circle(installation: Installation) -> dict[str, Person]:
    """An author and one user of each relationship."""
    around = {name: installation.person(name) for name in MAY_SEE}
    author = around["author"]
    await around["follower"].follow(author)
    await around["friend"].befriend(author)
    await author.done("PUT", f"/v1/close-friends/{around['intimate'].id}")
    return around


async def test_each_audience_is_visible_only_to_its_members(installation: Installation) -> None:
    around = await circle(installation)
    posted = await asyncio.gather(*(around["author"].post(audience=audience) for audience in AUDIENCES))
    stories = {story["audience"]: story for story in posted}

    async def check(name: str) -> None:
        seen = {audience for audience, story in stories.items() if await around[name].sees(story)}
        assert seen == MAY_SEE[name], name

    for name in MAY_SEE:
        await holds(partial(check, name), SOON)


async def test_rings_and_trays_count_only_what_the_viewer_may_see(installation: Installation) -> None:
    around = await circle(installation)
    author, friend, follower, stranger = (around[name] for name in ("author", "friend", "follower", "stranger"))
    await asyncio.gather(*(author.post(audience=audience) for audience in AUDIENCES))
    await eventually(lambda: friend.ring_in_tray(author), SOON, accept=lambda ring: ring and ring["stories"] == 3)
    await eventually(lambda: follower.ring_in_tray(author), SOON, accept=lambda ring: ring and ring["stories"] == 2)
    assert await stranger.ring_in_tray(author) is None
    assert await stranger.ring(author) == "unseen"
    assert [item["audience"] for item in await stranger.reel(author)] == ["everyone"]


async def test_narrowed_audience_hides_and_protects_the_story_within_1_s(installation: Installation) -> None:
    around = await circle(installation)
    author, follower, friend = around["author"], around["follower"], around["friend"]
    story = await author.post(comments="everyone")
    item = await eventually(lambda: follower.item(story), SOON)
    friends_item = await eventually(lambda: friend.item(story), SOON)
    assert (await follower.comment(item, "still here")).status_code == 201

    await author.change(story, audience="friends")

    async def out_of_reach() -> None:
        assert not await follower.sees(story)
        assert await follower.ring(author) == "none"
        assert (await follower.react(item)).status_code == 404
        assert (await follower.comment(item, "no more")).status_code == 404

    await holds(out_of_reach, AT_ONCE)
    await eventually(lambda: friend.sees(story), AT_ONCE)
    assert (await friend.react(friends_item)).status_code == 404  # its ticket is of before
    assert (await friend.react(await friend.item(story))).status_code == 204


async def test_hidden_from_applies_at_creation_and_after_a_change(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    for viewer in (bob, cat):
        await viewer.befriend(ann)
    story = await ann.post(hide_from=[bob.id])
    await eventually(lambda: cat.sees(story), SOON)
    assert not await bob.sees(story)
    assert await bob.ring_in_tray(ann) is None
    assert story["id"] not in await bob.for_you()

    await ann.change(story, hide_from=[cat.id])
    await eventually(lambda: cat.sees(story), AT_ONCE, accept=lambda seen: not seen)
    await eventually(lambda: bob.sees(story), SOON)


async def test_a_widened_audience_shows_within_two_seconds(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    story = await ann.post(audience="close_friends")
    assert not await bob.sees(story)
    await ann.change(story, audience="everyone")
    await eventually(lambda: bob.sees(story), SOON)


async def test_leaving_close_friends_and_unfollowing_stop_reads_at_once(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    await bob.follow(ann)
    await ann.done("PUT", f"/v1/close-friends/{cat.id}")
    to_followers, to_close = await asyncio.gather(ann.post(audience="followers"), ann.post(audience="close_friends"))
    await eventually(lambda: bob.sees(to_followers), SOON)
    await eventually(lambda: cat.sees(to_close), SOON)
    await bob.done("DELETE", f"/v1/following/{ann.id}")
    await ann.done("DELETE", f"/v1/close-friends/{cat.id}")
    assert not await bob.sees(to_followers)
    assert not await cat.sees(to_close)


async def test_an_admin_reads_any_live_story_by_its_id(installation: Installation) -> None:
    ann, root = installation.person("ann"), installation.admin()
    story = await ann.post(audience="close_friends")
    await eventually(lambda: root.item(story), SOON)
    assert await root.reel(ann) == []


async def test_urls_and_tickets_of_restricted_stories_live_five_minutes_at_most(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post(audience="followers")
    item = await eventually(lambda: bob.item(story), SOON)
    assert "X-Amz-Expires=300" in item["media_url"]
    served = await bob.media(item["media_url"])
    assert served.headers["cache-control"].startswith("private, max-age=")
