"""What an author can create: text stories with layers, scheduled stories, reposts; and how it leaves."""

from datetime import timedelta
from functools import partial

from stories_shared.clock import rfc3339, system_now
from stories_shared.testing import eventually

from .installation import Installation
from .people import Person
from .waiting import SOON

FRAME = {"x": 0.1, "y": 0.1, "w": 0.8, "h": 0.2}
QUIZ = {"kind": "quiz", "question": "1 + 1", "options": ["1", "2"], "correct": 1, **FRAME}


async def created(person: Person, **body: object) -> dict:
    """A draft of a text story."""
    answer = await person.call("POST", "/v1/stories", json={"media": {"background": "#1e90ff"}, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_text_story_is_reposted_and_leaves_with_its_repost(installation: Installation) -> None:
    ann, bob, cho = installation.people("ann", "bob", "cho")
    wrong = {"media": {"background": "#1e90ff"}, "layers": [QUIZ, {**QUIZ, "options": ["", "2"]}]}
    refused = await ann.call("POST", "/v1/stories", json=wrong)
    assert refused.json()["errors"][0]["loc"] == ["body", "layers", 1, "options", 0]
    draft = await created(ann, layers=[QUIZ], caption="#first try")
    assert draft["upload"] is None
    assert (await ann.publish(draft["id"])).status_code == 200
    item = await eventually(lambda: bob.item(draft), SOON)
    assert (item["kind"], item["width"], item["height"]) == ("photo", 1080, 1920)
    assert "correct" not in item["layers"][0]
    assert (await ann.own(draft))["layers"][0]["correct"] == 1

    path = f"/v1/stories/{draft['id']}/repost"
    answer = await bob.call("POST", path, ticket=item["ticket"])
    assert (answer.status_code, answer.json()["upload"]) == (201, None), answer.text
    repost = answer.json()
    assert repost["reposted_from"] == {"story_id": draft["id"], "author_id": ann.id}
    assert (await bob.publish(repost["id"])).status_code == 200
    await eventually(lambda: cho.sees(repost), SOON)
    assert (await ann.call("DELETE", "/v1/me/stories")).json() == {"deleting": 1}
    for story in (draft, repost):
        await eventually(partial(cho.sees, story), SOON, accept=lambda seen: not seen)
    await bob.complete_receipt(repost, SOON)


async def test_repost_is_refused_where_sharing_is_off_or_without_a_right_to_see(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    off, public = await ann.post(sharing=False), await ann.post()
    for story, status, slug in ((off, 409, "sharing-off"), (public, 422, "ticket-missing")):
        item = await eventually(partial(bob.item, story), SOON)
        ticket = item["ticket"] if status == 409 else None
        answer = await bob.call("POST", f"/v1/stories/{story['id']}/repost", ticket=ticket)
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:stories:{slug}")
    item = await bob.item(public)
    await ann.delete(public)
    assert (await bob.call("POST", f"/v1/stories/{public['id']}/repost", ticket=item["ticket"])).status_code == 404


async def test_scheduled_story_is_moved_and_cancelled(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    draft = await created(ann, layers=[QUIZ])
    path = f"/v1/stories/{draft['id']}"
    for at in (system_now() - timedelta(seconds=5), system_now() + timedelta(days=31)):
        assert (await ann.call("POST", f"{path}/publish", json={"at": rfc3339(at)})).status_code == 422
    tomorrow = rfc3339(system_now() + timedelta(days=1))
    assert (await ann.call("POST", f"{path}/publish", json={"at": tomorrow})).json()["publish_at"] == tomorrow
    assert [each["id"] for each in await ann.pages("/v1/me/stories", state="scheduled")] == [draft["id"]]
    later = rfc3339(system_now() + timedelta(days=2))
    assert (await ann.change(draft, publish_at=later))["publish_at"] == later
    assert (await bob.call("PATCH", path, json={"publish_at": later})).status_code == 404
    assert (await ann.done("POST", f"{path}/cancel")).status_code == 204
    assert (await ann.call("GET", f"/v1/me/stories/{draft['id']}")).status_code == 404


async def test_scheduled_story_appears_at_its_time(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    draft = await created(ann, layers=[QUIZ])
    at = system_now() + timedelta(seconds=3)
    answer = await ann.call("POST", f"/v1/stories/{draft['id']}/publish", json={"at": rfc3339(at)})
    assert (answer.status_code, answer.json()["state"]) == (202, "scheduled")
    assert not await bob.sees(draft)
    await eventually(lambda: bob.sees(draft), SOON + 5)
    assert (await ann.own(draft))["posted_at"] >= rfc3339(at)
