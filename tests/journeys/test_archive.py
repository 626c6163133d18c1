"""An author keeps an expired story, shows it again, and deletes it for good."""

import pytest
from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer
from .waiting import ERASED, SOON, end_of


@pytest.mark.objects
async def test_expired_story_is_kept_shown_and_deleted_for_good(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await ann.done("PUT", "/v1/me/archive-settings", json={"enabled": True})
    story = await ann.post(lifetime=installation.short, caption="to keep")
    deleted = await ann.post(lifetime=installation.short)
    public = (await eventually(lambda: bob.item(story), SOON))["media_url"]
    await ann.delete(deleted)
    await end_of(story)
    receipt = await ann.complete_receipt(story)
    assert (receipt["archived"], receipt["erased"]["archive"]) == (True, None)
    assert (await bob.media(public)).status_code in (403, 404)
    [kept] = (await ann.get("/v1/me/archive"))["items"]
    assert (kept["id"], kept["caption"]) == (story["id"], "to keep")
    assert (await bob.get("/v1/me/archive"))["items"] == []

    made = (await ann.ask("POST", "/v1/me/highlights", json={"title": "Sea", "story_ids": [story["id"]]})).json()
    path = f"/v1/highlights/{made['id']}"
    [item] = (await bob.get(path))["items"]
    assert (await bob.media(item["media_url"])).status_code == 200
    assert [each["title"] for each in (await bob.get(f"/v1/users/{ann.id}/highlights"))["items"]] == ["Sea"]
    await ann.done("PUT", f"/v1/blocked/{bob.id}")

    async def hidden() -> bool:
        return (await bob.call("GET", path)).status_code == 404

    await eventually(hidden, SOON)

    await ann.done("DELETE", f"/v1/me/archive/{story['id']}")
    assert (await bob.media(item["media_url"])).status_code == 404
    assert (await ann.call("GET", path)).status_code == 404

    def is_gone(found: Answer) -> bool:
        return found["erased"]["archive"] is not None

    receipt = await eventually(lambda: ann.receipt(story), ERASED, accept=is_gone)
    assert (receipt["complete"], receipt["archived"]) == (True, False)
    assert await (await installation.stores()).content(story["id"], "to keep") == []
