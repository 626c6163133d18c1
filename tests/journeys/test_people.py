"""Blocks, mutes and removed followers."""

from functools import partial

from stories_shared.testing import eventually

from .installation import Installation
from .people import Person
from .waiting import AT_ONCE, SOON, holds


async def listed(person: Person, collection: str) -> list[str]:
    """The user ids of an own list."""
    return [each["user_id"] for each in (await person.get(f"/v1/{collection}"))["items"]]


async def test_block_hides_both_users_from_each_other_within_1_s(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    await ann.befriend(bob)
    await ann.done("PUT", f"/v1/close-friends/{bob.id}")
    anns, bobs, cats = await ann.post(), await bob.post(), await cat.post()
    item = await eventually(lambda: bob.item(anns), SOON)
    await eventually(lambda: ann.sees(bobs), SOON)
    under_cats = {person.id: await eventually(partial(person.item, cats), SOON) for person in (ann, bob)}
    for person in (ann, bob):
        assert (await person.comment(under_cats[person.id], f"by {person.id}")).status_code == 201

    await ann.done("PUT", f"/v1/blocked/{bob.id}")

    async def kept_apart() -> None:
        for viewer, author, story in ((bob, ann, anns), (ann, bob, bobs)):
            assert not await viewer.sees(story)
            assert await viewer.ring(author) == "none"
            assert await viewer.ring_in_tray(author) is None
            assert story["id"] not in await viewer.for_you()
            comments = await viewer.get(f"/v1/stories/{cats['id']}/comments", ticket=under_cats[viewer.id]["ticket"])
            assert [each["author_id"] for each in comments["items"]] == [viewer.id]
        assert (await bob.react(item)).status_code == 404
        assert (await bob.comment(item, "still here?")).status_code == 404

    await holds(kept_apart, AT_ONCE)
    assert (await bob.view(item))["accepted"] == 0
    assert await cat.sees(anns)
    assert len((await cat.get(f"/v1/stories/{cats['id']}/comments"))["items"]) == 2


async def test_block_ends_edges_both_ways_and_unblocking_restores_nothing(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await ann.befriend(bob)
    for one, other in ((ann, bob), (bob, ann)):
        await one.done("PUT", f"/v1/close-friends/{other.id}")
    await ann.done("PUT", f"/v1/blocked/{bob.id}")
    for person in (ann, bob):
        for collection in ("following", "followers", "close-friends"):
            assert await listed(person, collection) == []
    await bob.follow(ann)  # answered, and nothing is stored
    assert await listed(bob, "following") == []
    await ann.done("DELETE", f"/v1/blocked/{bob.id}")
    assert await listed(ann, "blocked") == []
    assert await listed(bob, "following") == []
    story = await ann.post()
    await eventually(lambda: bob.sees(story), SOON)
    await bob.follow(ann)
    assert await listed(ann, "followers") == [bob.id]


async def test_muted_author_leaves_tray_and_for_you_but_not_the_reel(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post()
    await eventually(lambda: bob.ring_in_tray(ann), SOON)
    await bob.done("PUT", f"/v1/muted/{ann.id}")
    assert await bob.ring_in_tray(ann) is None
    assert story["id"] not in await bob.for_you()
    assert await bob.sees(story)
    assert await listed(bob, "muted") == [ann.id]
    await bob.done("DELETE", f"/v1/muted/{ann.id}")
    assert await bob.ring_in_tray(ann)


async def test_removed_follower_loses_access_to_follower_stories(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post(audience="followers")
    await eventually(lambda: bob.sees(story), SOON)
    assert await listed(ann, "followers") == [bob.id]
    await ann.done("DELETE", f"/v1/followers/{bob.id}")
    assert not await bob.sees(story)
    assert await bob.ring_in_tray(ann) is None
    assert await listed(bob, "following") == []


async def test_edges_are_idempotent_and_exclude_oneself(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    for collection in ("following", "blocked", "muted", "close-friends"):
        path = f"/v1/{collection}/{bob.id}"
        answers = [await ann.call(method, path) for method in ("PUT", "PUT", "DELETE", "DELETE")]
        assert [answer.status_code for answer in answers] == [204] * 4, collection
        assert await listed(ann, collection) == []
        assert (await ann.call("PUT", f"/v1/{collection}/{ann.id}")).status_code == 422


async def test_lists_of_people_are_paged_newest_first(installation: Installation) -> None:
    ann, *others = installation.people("ann", *(f"friend{n}" for n in range(5)))
    for other in others:
        await ann.follow(other)
    found = [each["user_id"] for each in await ann.pages("/v1/following", limit=2)]
    assert found == [other.id for other in reversed(others)]
