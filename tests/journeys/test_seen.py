"""Seen state on every device."""

from dataclasses import replace
from functools import partial

from stories_shared.testing import eventually

from .installation import Installation
from .waiting import SOON, holds


async def test_devices_share_the_seen_state(installation: Installation) -> None:
    ann, phone = installation.people("ann", "bob")
    tablet = replace(phone, token=installation.stack.token(phone.id, country="DE"))  # another token of the same user
    assert tablet.token != phone.token
    await phone.follow(ann)
    first, second = await ann.post(), await ann.post()
    items = await eventually(lambda: tablet.reel(ann), SOON, accept=lambda items: len(items) == 2)
    assert [item["id"] for item in items] == [first["id"], second["id"]]

    async def both_show(seen: list[bool], ring: str, unseen: int) -> None:
        for device in (phone, tablet):
            assert [item["seen"] for item in await device.reel(ann)] == seen
            in_tray = await device.ring_in_tray(ann)
            assert in_tray is not None
            assert (in_tray["ring"], in_tray["unseen"], await device.ring(ann)) == (ring, unseen, ring)

    await holds(lambda: both_show([False, False], "unseen", 2), SOON)
    await phone.view(items[0])
    await holds(lambda: both_show([True, False], "unseen", 1), SOON)
    await tablet.view(items[1])
    await holds(lambda: both_show([True, True], "seen", 0), SOON)
    await ann.post()
    await holds(lambda: both_show([True, True, False], "unseen", 1), SOON)


async def test_marking_up_to_a_story_counts_no_views(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    stories = [await ann.post() for _ in range(3)]
    items = await eventually(lambda: bob.reel(ann), SOON, accept=lambda items: len(items) == 3)
    await bob.done("PUT", f"/v1/users/{ann.id}/seen", json={"up_to": items[1]["id"]})
    await eventually(
        lambda: bob.reel(ann), SOON, accept=lambda found: [item["seen"] for item in found] == [True, True, False]
    )
    for story in stories:
        await eventually(partial(ann.counts, story), SOON, accept=lambda counts: counts["views"] == 0)


async def test_tray_lists_unseen_first_then_newest(installation: Installation) -> None:
    ann, bob, cat, dan = installation.people("ann", "bob", "cat", "dan")
    await dan.follow(ann, bob, cat)
    for author in (ann, bob, cat):
        await author.post()
    await eventually(dan.tray, SOON, accept=lambda tray: list(tray) == [cat.id, bob.id, ann.id])
    [item] = await dan.reel(cat)
    await dan.view(item)
    await eventually(dan.tray, SOON, accept=lambda tray: list(tray) == [bob.id, ann.id, cat.id])


async def test_a_tray_that_has_not_changed_is_answered_with_304(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post()
    await eventually(lambda: bob.ring_in_tray(ann), SOON)
    for path in ("/v1/tray", f"/v1/users/{ann.id}/stories"):
        first = await bob.call("GET", path)
        assert first.headers["cache-control"] == "private, no-cache"
        again = await bob.call("GET", path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    tag = (await bob.call("GET", "/v1/tray")).headers["etag"]
    await bob.view(await bob.item(story))
    await eventually(
        lambda: bob.call("GET", "/v1/tray", headers={"If-None-Match": tag}),
        SOON,
        accept=lambda answer: answer.status_code == 200,
    )
