"""A rollout policy decides who may create, and is changed while the stack runs."""

import json

import pytest
from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person
from .waiting import ERASED, SOON


@pytest.mark.nightly
async def test_policy_decides_who_creates_while_it_changes(installation: Installation) -> None:
    ann, bob = installation.person("ann", country="NL"), installation.person("bob", country="BE")
    draft = await ann.draft()

    async def eligibility(person: Person) -> Answer:
        return await person.get("/v1/eligibility")

    def because(reason: str | None) -> Answer:
        return {"create": reason is None, "view": True, "reason": reason}

    try:
        installation.stack.rollout.write_text(f"create: {{countries: [NL], deny: [{ann.id}]}}\n")
        await eventually(lambda: eligibility(ann), 5 + SOON, accept=because("denied").__eq__)
        assert await eligibility(bob) == because("country")
        refused = [await bob.create(), await ann.publish(draft["id"], wait=0)]
        assert {(answer.status_code, answer.json()["type"]) for answer in refused} == {
            (403, "urn:stories:not-in-rollout")
        }
        assert [answer.json()["reason"] for answer in refused] == ["country", "denied"]
        shown = json.loads(await installation.stack.run("rollout", "show", "--json"))
        assert (shown["create"]["countries"], shown["create"]["deny"]) == (["NL"], [ann.id])
        assert (
            await installation.stack.run("rollout", "check", bob.id, "--country", "BE")
            == "create: country\nview: yes\n"
        )

        installation.stack.rollout.write_text("create: {percentage: many}\n")

        async def refuses_the_file() -> bool:
            return "rollout_file_refused" in installation.stack.log("ingest").read_text()

        await eventually(refuses_the_file, 5 + SOON)
        assert await eligibility(bob) == because("country")
    finally:
        installation.stack.rollout.write_text("")
    await eventually(lambda: eligibility(bob), 5 + SOON, accept=because(None).__eq__)
    assert (await bob.create()).status_code == 201
    assert (await ann.publish(draft["id"])).status_code == 200
    await eventually(lambda: bob.sees(draft), ERASED)
