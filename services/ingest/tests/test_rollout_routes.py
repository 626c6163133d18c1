"""The rollout policy over HTTP: reloaded while the service runs, enforced at create and at publish."""

from datetime import timedelta

import pytest
from stories_ingest.store.documents import STORIES, story_document
from stories_ingest.testing.builders import live
from stories_ingest.testing.harness import photo
from stories_shared.clock import system_now
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


async def test_policy_is_reloaded_and_enforced(start, tmp_path):
    policy = tmp_path / "rollout.yaml"
    policy.write_text("create: {countries: [NL]}")
    async with start(rollout_file=policy) as ingest:
        ann, bob = ingest.author("ann", country="NL"), ingest.author("bob", country="FR")
        draft = await ann.drafted(photo())
        refused = await bob.create()
        assert (refused.status_code, refused.json()["type"], refused.json()["reason"]) == (
            403,
            "urn:stories:not-in-rollout",
            "country",
        )
        assert (await bob.http.get("/v1/eligibility")).json() == {"create": False, "view": True, "reason": "country"}

        async def denied() -> bool:
            return (await ann.http.get("/v1/eligibility")).json()["reason"] == "denied"

        policy.write_text("create: {deny: [ann]}")
        await eventually(denied)
        assert (await ann.publish(draft["id"])).json()["reason"] == "denied"
        policy.write_text("create: {deny: ann}")

        async def told() -> bool:
            return "stories_rollout_reload_success 0.0" in (await ingest.http.get("/metrics")).text

        await eventually(told)
        assert await denied()


async def test_creating_pauses_while_stories_end_late(start, tmp_path):
    policy = tmp_path / "rollout.yaml"
    policy.write_text("pause: {expiry_lateness_s: 5, for_s: 1}")
    async with start(rollout_file=policy) as ingest:
        ann = ingest.author("ann")
        late = live("cho", system_now() - timedelta(seconds=70), timedelta(seconds=60))
        await ingest.mongo[STORIES].insert_one({"_id": late.id, **story_document(late)})

        async def reason(expected: str | None) -> bool:
            return (await ann.http.get("/v1/eligibility")).json()["reason"] == expected

        await eventually(lambda: reason("paused"), within_s=10)
        assert (await ann.create()).status_code == 403
        assert 'stories_rollout_paused{switch="create"} 1.0' in (await ingest.http.get("/metrics")).text
        await ingest.mongo[STORIES].delete_one({"_id": late.id})
        await eventually(lambda: reason(None), within_s=10)
        assert (await ann.create()).status_code == 201
