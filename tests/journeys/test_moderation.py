"""A report is decided: the story goes as a deletion does, and its author cannot create."""

from functools import partial

from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person
from .waiting import AT_ONCE, ERASED, SOON


async def reports_of(admin: Person, story: Answer) -> list[Answer]:
    """The open reports of a story."""
    found = await admin.pages("/v1/admin/reports", state="open")
    return [report for report in found if report["story_id"] == story["id"]]


async def test_reported_story_is_removed_with_a_receipt_and_its_author_suspended(installation: Installation) -> None:
    mallory, bob, cat = installation.people("mallory", "bob", "cat")
    admin = installation.admin()
    await bob.follow(mallory)
    story = await mallory.post(caption=f"spam by {mallory.id}")
    for reporter in (bob, bob, cat):
        item = await eventually(partial(reporter.item, story), SOON)
        path = f"/v1/stories/{story['id']}/reports"
        answer = await reporter.done("POST", path, ticket=item["ticket"], json={"reason": "spam", "text": None})
        assert answer.status_code == 202

    async def copied() -> list[Answer]:
        found = await reports_of(admin, story)
        assert [report["copy"]["caption"] for report in found if report["copy"]] == [f"spam by {mallory.id}"] * 2
        return found

    first, _ = await eventually(copied, SOON)
    assert first["reports"] == 2
    assert (await mallory.call("GET", "/v1/admin/reports")).status_code == 404

    decision = {"action": "remove_and_suspend", "days": 1}
    await admin.done("POST", f"/v1/admin/reports/{first['id']}/decision", json=decision)

    async def hidden() -> bool:
        return not await bob.sees(story)

    await eventually(hidden, AT_ONCE)

    async def suspended() -> bool:
        answer = await mallory.create()
        return answer.status_code == 403 and answer.json()["type"] == "urn:stories:suspended"

    await eventually(suspended, SOON)
    receipt = await mallory.complete_receipt(story)
    assert receipt["ended"] == "deleted"
    assert await reports_of(admin, story) == []
    (entry, *_) = await admin.pages("/v1/admin/audit")
    assert (entry["author_id"], entry["decision"]["decided_by"]) == (mallory.id, admin.id)


async def test_media_of_a_reported_story_is_held_until_the_decision(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    admin, stores = installation.admin(), await installation.stores()
    await bob.follow(ann)
    story = await ann.post()
    item = await eventually(lambda: bob.item(story), SOON)
    path = f"/v1/stories/{story['id']}/reports"
    await bob.done("POST", path, ticket=item["ticket"], json={"reason": "violence", "text": None})
    await eventually(lambda: stores.documents("stories_ingest.holds", story["id"]), SOON)
    await ann.delete(story)
    assert (await installation.http.get(item["media_url"])).status_code in {403, 404}
    held = await eventually(lambda: ann.receipt(story), ERASED, accept=lambda found: found["held"])
    assert (held["held"], held["complete"], held["erased"]["moderation"]) == ("moderation", False, None)
    objects = await stores.objects(story["id"])
    assert objects
    assert {key.partition("/")[0] for key in objects} == {"held"}
    (report,) = await reports_of(admin, story)
    await admin.done("POST", f"/v1/admin/reports/{report['id']}/decision", json={"action": "keep"})
    receipt = await ann.complete_receipt(story)
    assert (receipt["held"], await stores.objects(story["id"])) == (None, [])
