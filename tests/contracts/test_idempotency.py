"""The same request with the same key takes effect once."""

import asyncio
import secrets

from stories_shared.testing import eventually

from ..journeys.installation import Installation
from ..journeys.waiting import SOON


async def test_repeated_create_returns_the_story_with_a_fresh_form(installation: Installation) -> None:
    ann, key = installation.person("ann"), secrets.token_hex(8)
    first = await ann.create(key=key, caption="once")
    again = await ann.create(key=key, caption="once")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert again.json()["upload"]["fields"]["policy"]
    assert again.headers["location"] == first.headers["location"] == f"/v1/me/stories/{first.json()['id']}"
    assert len((await ann.get("/v1/me/stories"))["items"]) == 1


async def test_reused_key_with_another_body_is_422(installation: Installation) -> None:
    ann, key = installation.person("ann"), secrets.token_hex(8)
    await ann.create(key=key, caption="once")
    other = await ann.create(key=key, caption="twice")
    assert (other.status_code, other.json()["type"]) == (422, "urn:stories:idempotency-reused")


async def test_concurrent_requests_create_one_story(installation: Installation) -> None:
    ann, key = installation.person("ann"), secrets.token_hex(8)
    answers = await asyncio.gather(*(ann.create(key=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len((await ann.get("/v1/me/stories"))["items"]) == 1


async def test_idempotency_key_is_scoped_to_user_and_path(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    key = secrets.token_hex(8)
    anns, bobs = await ann.create(key=key), await bob.create(key=key)
    assert anns.json()["id"] != bobs.json()["id"]
    story = await ann.post_and_wait()
    assert (await ann.comment(story, "hello", key=key)).status_code == 201


async def test_idempotent_response_reflects_the_current_state(installation: Installation) -> None:
    ann, key = installation.person("ann"), secrets.token_hex(8)
    draft = (await ann.create(key=key)).json()
    await ann.upload(draft["upload"], ann.usual)
    assert (await ann.publish(draft["id"])).status_code == 200
    again = await ann.create(key=key)
    assert (again.status_code, again.json()["state"], again.json()["upload"]) == (201, "live", None)
    await ann.delete(draft)
    assert (await ann.create(key=key)).status_code == 404


async def test_comment_is_stored_once_and_can_be_deleted(installation: Installation) -> None:
    ann, key = installation.person("ann"), secrets.token_hex(8)
    story = await ann.post_and_wait()
    first, again = await ann.comment(story, "once", key=key), await ann.comment(story, "once", key=key)
    assert first.json()["id"] == again.json()["id"]
    await eventually(lambda: ann.counts(story), SOON, accept=lambda counts: counts["comments"] == 1)
    await ann.done("DELETE", f"/v1/comments/{first.json()['id']}")
    assert (await ann.comment(story, "once", key=key)).status_code == 404


async def test_repeated_publish_returns_the_same_story(installation: Installation) -> None:
    ann = installation.person("ann")
    draft = await ann.draft()
    answers = await asyncio.gather(*(ann.publish(draft["id"]) for _ in range(4)))
    assert {(answer.status_code, answer.json()["id"]) for answer in answers} == {(200, draft["id"])}
    assert len(await eventually(lambda: ann.reel(ann), SOON)) == 1
