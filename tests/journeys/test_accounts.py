"""Account erasure: every service erases the account and confirms it."""

from datetime import datetime

from stories_shared.testing import eventually

from .installation import Installation
from .waiting import ERASED, SOON

MARKS_AND_RECEIPTS = {
    "stories_ingest.erased_users",
    "stories_ingest.ended",
    "stories_feed.erased_users",
    "stories_engagement.erased_users",
    "stories_engagement.views",
    "stories_expiry.accounts",
    "stories_expiry.stories",
}
"""Where an erased user's id may remain: in tombstones and receipts with ids and times only."""


async def test_erased_account_is_removed_by_every_service_with_a_receipt(installation: Installation) -> None:
    ann, bob, cat, root = *installation.people("ann", "bob", "cat"), installation.admin()
    await bob.befriend(ann)
    await ann.done("PUT", f"/v1/close-friends/{bob.id}")
    await ann.done("PUT", f"/v1/muted/{cat.id}")
    await ann.done("PUT", "/v1/me/hidden-words", json={"words": [f"word of {ann.id}"]})
    anns = await ann.post(caption=f"mine, {ann.id}")
    bobs = await bob.post()
    under_bobs = await eventually(lambda: ann.item(bobs), SOON)
    await ann.view(under_bobs)
    await ann.react(under_bobs)
    assert (await ann.comment(under_bobs, f"signed, {ann.id}")).status_code == 201
    await eventually(lambda: bob.counts(bobs), SOON, accept=lambda counts: counts["viewers"] == 1)
    await eventually(lambda: bob.sees(anns), SOON)

    accepted = await root.call("POST", f"/v1/admin/users/{ann.id}/erasure", key=f"erase-{ann.id}")
    assert accepted.status_code == 202
    receipt = await root.account_receipt(ann)
    assert (receipt["user_id"], receipt["receipt_id"]) == (ann.id, accepted.json()["receipt_id"])
    assert sorted(receipt["erased"]) == ["engagement", "expiry", "feed", "ingest"]
    assert all(datetime.fromisoformat(at) for at in receipt["erased"].values())

    await eventually(lambda: bob.sees(anns), SOON, accept=lambda seen: not seen)
    assert (await ann.get("/v1/me/stories"))["items"] == []
    for collection in ("following", "followers"):
        assert (await bob.get(f"/v1/{collection}"))["items"] == []
    assert (await bob.get(f"/v1/stories/{bobs['id']}/comments"))["items"] == []
    assert (await bob.viewers(bobs))["items"] == []
    assert await ann.get("/v1/me/hidden-words") == {"words": []}

    stores = await installation.stores()
    await eventually(
        lambda: stores.content(anns["id"], f"mine, {ann.id}", f"signed, {ann.id}"), ERASED, accept=lambda left: not left
    )
    again = await root.call("POST", f"/v1/admin/users/{ann.id}/erasure", key=f"erase-{ann.id}")
    assert (again.status_code, again.json()["receipt_id"]) == (202, receipt["receipt_id"])


async def test_erased_account_leaves_only_tombstones_and_receipts(installation: Installation) -> None:
    ann, bob, root = *installation.people("ann", "bob"), installation.admin()
    await ann.befriend(bob)
    story = await bob.post()
    item = await eventually(lambda: ann.item(story), SOON)
    await ann.view(item)
    await ann.comment(item, "hello")
    await ann.post()
    await ann.draft()
    await root.erase_account(ann)
    stores = await installation.stores()
    left = {each.partition(":")[0] for each in await stores.documents(ann.id)}
    assert left <= MARKS_AND_RECEIPTS


async def test_user_after_an_account_erasure_is_new(installation: Installation) -> None:
    ann, bob, root = *installation.people("ann", "bob"), installation.admin()
    await bob.follow(ann)
    await root.erase_account(ann)
    story = await ann.post(caption="hello again")
    await eventually(lambda: bob.sees(story), SOON)
    assert await bob.ring_in_tray(ann) is None
    await bob.follow(ann)
    assert await bob.ring_in_tray(ann)
