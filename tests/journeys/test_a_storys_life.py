"""The lifecycle of a story: posted, viewed, commented, counted, expired, erased."""

import pytest
from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person
from .waiting import AT_ONCE, SOON, end_of, holds


@pytest.mark.objects
async def test_clip_is_found_viewed_commented_and_counted(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post(installation.samples.clip(), caption="first light")
    ring = await eventually(lambda: bob.ring_in_tray(ann), SOON)
    assert ring
    assert (ring["ring"], ring["stories"], ring["unseen"]) == ("unseen", 1, 1)
    [item] = await bob.reel(ann)
    assert (item["caption"], item["label"], item["seen"]) == ("first light", "Story", False)
    assert (item["width"], item["height"], item["duration_ms"]) == (180, 320, 1000)
    clip, poster = await bob.media(item["media_url"]), await bob.media(item["poster_url"])
    assert (clip.headers["content-type"], len(clip.content)) == ("video/mp4", item["size"])
    assert poster.headers["content-type"] == "image/jpeg"

    assert (await bob.view(item, watched_ms=900, completed=True)) == {"accepted": 1, "rejected": []}
    assert (await bob.react(item, "🎉")).status_code == 204
    assert (await bob.comment(item, "lovely")).status_code == 201
    assert (await bob.share(item)).status_code == 201
    everything = {"views": 1, "viewers": 1, "reactions": 1, "comments": 1, "shares": 1}
    await eventually(lambda: ann.counts(story), SOON, accept=everything.__eq__)
    await eventually(lambda: bob.ring(ann), SOON, accept="seen".__eq__)
    viewers = await ann.viewers(story)
    assert [(each["viewer_id"], each["plays"], each["reaction"]) for each in viewers["items"]] == [(bob.id, 1, "🎉")]


async def test_author_sees_their_own_story_within_two_seconds(installation: Installation) -> None:
    ann = installation.person("ann")
    story = await ann.post(audience="close_friends")
    mine = await eventually(ann.mine, SOON)
    assert mine
    assert (mine["author_id"], mine["stories"]) == (ann.id, 1)
    await eventually(lambda: ann.sees(story), SOON)


@pytest.mark.objects
async def test_expired_story_disappears_at_once_and_is_erased_soon(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post(installation.samples.clip(), lifetime=installation.short, caption=f"soon over {ann.id}")
    item = await eventually(lambda: bob.item(story), SOON)
    await bob.view(item, watched_ms=900)
    await bob.react(item)
    assert (await bob.comment(item, f"a word by {bob.id}")).status_code == 201

    await end_of(story)
    await assert_gone(ann, bob, item)

    stores = await installation.stores()
    receipt = await ann.complete_receipt(story)
    assert receipt["ended"] == "expired"
    assert all(at >= story["expires_at"] for at in receipt["erased"].values())
    assert await stores.content(story["id"], f"soon over {ann.id}", f"a word by {bob.id}") == []
    assert await stores.viewers(story["id"], bob.id) == []


@pytest.mark.objects
async def test_deleted_story_disappears_at_once_and_is_erased_soon(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post(caption=f"a mistake of {ann.id}", download=True)
    item = await eventually(lambda: bob.item(story), SOON)
    await bob.view(item)
    assert (await bob.comment(item, f"a word by {bob.id}")).status_code == 201
    urls = [item["media_url"], item["poster_url"], item["download_url"]]
    assert [(await bob.media(url)).status_code for url in urls] == [200, 200, 200]

    await ann.delete(story)
    assert [(await bob.media(url)).status_code for url in urls] == [404, 404, 404]
    await holds(lambda: assert_gone(ann, bob, item), AT_ONCE)

    stores = await installation.stores()
    receipt = await ann.complete_receipt(story)
    assert receipt["ended"] == "deleted"
    assert await stores.content(story["id"], f"a mistake of {ann.id}", f"a word by {bob.id}") == []
    assert await stores.viewers(story["id"], bob.id) == []
    await ann.delete(story)  # again: still confirmed


async def test_cancelled_drafts_and_deleted_drafts_leave_neither_receipt_nor_upload(installation: Installation) -> None:
    ann, stores = installation.person("ann"), await installation.stores()
    cancelled, deleted = await ann.draft(), await ann.draft()
    await ann.done("POST", f"/v1/stories/{cancelled['id']}/cancel")
    await ann.delete(deleted)
    for draft in (cancelled, deleted):
        assert await stores.objects(draft["id"]) == []
        for path in (f"/v1/me/stories/{draft['id']}", f"/v1/stories/{draft['id']}/receipt"):
            assert (await ann.call("GET", path)).status_code == 404
    assert (await ann.get("/v1/me/quota"))["live"] == 0


async def test_a_receipt_is_for_the_author_and_admins_and_not_before_the_end(installation: Installation) -> None:
    ann, bob, root = *installation.people("ann", "bob"), installation.admin()
    story = await ann.post()
    path = f"/v1/stories/{story['id']}/receipt"
    assert (await ann.call("GET", path)).status_code == 404
    await ann.delete(story)
    await ann.complete_receipt(story)
    assert (await bob.call("GET", path)).status_code == 404
    assert (await root.get(path))["complete"]


async def assert_gone(ann: Person, bob: Person, item: Answer) -> None:
    """No read of any service returns it, and every write on it fails."""
    story_id, ticket = item["id"], item["ticket"]
    for person in (ann, bob):
        assert not await person.sees(item)
        assert await person.ring(ann) == "none"
    assert ann.id not in await bob.tray()
    assert await ann.mine() is None
    assert story_id not in await bob.for_you()
    own = await ann.call("GET", f"/v1/me/stories/{story_id}")
    counts = await bob.call("GET", f"/v1/stories/{story_id}/counts", ticket=ticket)
    viewers = await ann.call("GET", f"/v1/stories/{story_id}/viewers")
    engaging = [await bob.react(item), await bob.comment(item, "late"), await bob.share(item)]
    assert [each.status_code for each in (own, counts, viewers, *engaging)] == [404] * 6
    assert (await bob.view(item))["accepted"] == 0
    assert (await bob.media(item["media_url"])).status_code in {403, 404}
