"""Two replicas of every service behave like one."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

import pytest
from stories_shared.clock import rfc3339, system_now
from stories_shared.events.cloudevents import SERVICES
from stories_shared.testing import eventually

from .installation import Installation
from .people import TIMEOUT_S, Answer, Person
from .waiting import AT_ONCE, SOON, end_of, holds


async def views_and_reacts(viewer: Person, story: Answer) -> None:
    """A user who gets the story can also react."""
    item = await eventually(lambda: viewer.item(story), TIMEOUT_S)
    await viewer.view(item, play_id="the-one-play")
    await eventually(lambda: viewer.react(item), TIMEOUT_S, accept=lambda answer: answer.status_code == 204)


async def test_all_replicas_serve_and_count_alike(paired_installation: Installation) -> None:
    installation = paired_installation
    processes = await installation.stack.processes()
    assert {f"{service}-2" for service in SERVICES} <= set(processes)
    ann, *fans = installation.people("ann", *(f"fan{n}" for n in range(16)))  # tokens spread over the replicas
    await asyncio.gather(*(fan.follow(ann) for fan in fans))
    story = await ann.post(installation.samples.clip(), caption="for all")
    items = await asyncio.gather(*(eventually(partial(fan.item, story), SOON) for fan in fans))
    assert await asyncio.gather(*(fan.ring(ann) for fan in fans)) == ["unseen"] * len(fans)
    for fan, item in zip(fans, items, strict=True):
        await asyncio.gather(*(fan.view(item, play_id="the-one-play") for _ in range(3)))
        assert (await fan.react(item)).status_code == 204
        assert (await fan.comment(item, f"by {fan.id}")).status_code == 201
    exact = {"views": 16, "viewers": 16, "reactions": 16, "comments": 16, "shares": 0}
    for person, its in ((ann, {"id": story["id"]}), *zip(fans, items, strict=True)):
        await eventually(partial(person.counts, its), SOON, accept=exact.__eq__)
    for fan in fans:
        await eventually(partial(fan.ring, ann), SOON, accept="seen".__eq__)
    assert (await ann.viewers(story))["total"] == 16

    await ann.delete(story)

    async def gone() -> None:
        assert not any(await asyncio.gather(*(fan.sees(story) for fan in fans)))
        reactions = await asyncio.gather(*(fan.react(item) for fan, item in zip(fans, items, strict=True)))
        assert {answer.status_code for answer in reactions} == {404}

    await holds(gone, AT_ONCE)
    receipt = await ann.complete_receipt(story)
    assert receipt["ended"] == "deleted"


async def test_block_and_narrowed_audience_apply_on_every_replica_within_1_s(paired_installation: Installation) -> None:
    installation = paired_installation
    ann, *others = installation.people("ann", *(f"other{n}" for n in range(8)))
    story = await ann.post()
    items = await asyncio.gather(*(eventually(partial(other.item, story), SOON) for other in others))
    blocked, rest = others[:4], others[4:]
    await asyncio.gather(*(ann.done("PUT", f"/v1/blocked/{each.id}") for each in blocked))

    async def kept_out() -> None:
        for each, item in zip(blocked, items, strict=False):
            assert not await each.sees(story)
            assert (await each.comment(item, "hello")).status_code == 404

    await holds(kept_out, AT_ONCE)
    assert all(await asyncio.gather(*(each.sees(story) for each in rest)))
    await ann.change(story, audience="followers")

    async def unseen() -> None:
        assert not any(await asyncio.gather(*(each.sees(story) for each in rest)))

    await holds(unseen, AT_ONCE)


async def test_one_replica_of_each_is_enough(paired_installation: Installation) -> None:
    installation = paired_installation
    ann, bob, cat = installation.people("ann", "bob", "cat")
    await bob.follow(ann)
    await cat.follow(ann)
    short, long = await asyncio.gather(ann.post(lifetime=installation.short), ann.post(installation.samples.clip()))
    await eventually(lambda: bob.reel(ann), SOON, accept=lambda items: len(items) == 2)
    await installation.stack.kill(*SERVICES)  # the first of each
    await asyncio.gather(*(views_and_reacts(viewer, long) for viewer in (bob, cat)))
    another = await eventually(ann.create, TIMEOUT_S, accept=lambda answer: answer.status_code == 201)
    assert another.json()["state"] == "draft"
    await eventually(
        lambda: ann.counts(long), TIMEOUT_S, accept=lambda found: (found["views"], found["reactions"]) == (2, 2)
    )
    await end_of(short)
    for viewer in (bob, cat):
        assert not await viewer.sees(short)
    receipt = await ann.complete_receipt(short)
    assert receipt["ended"] == "expired"
    assert all(receipt["erased"].values())


@pytest.mark.nightly
async def test_scheduled_story_survives_the_kill_of_a_replica(paired_installation: Installation) -> None:
    installation = paired_installation
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    draft = await ann.draft(caption="tomorrow")
    at = system_now() + timedelta(seconds=8)
    path = f"/v1/stories/{draft['id']}/publish"
    assert (await ann.ask("POST", path, json={"at": rfc3339(at)})).status_code == 202
    await eventually(lambda: ann.own(draft), TIMEOUT_S, accept=lambda story: story["progress"] == 1)
    await installation.stack.kill("ingest")
    item = await eventually(lambda: bob.item(draft), TIMEOUT_S)
    assert at <= datetime.fromisoformat(item["posted_at"]) <= at + timedelta(seconds=1)
    assert item["caption"] == "tomorrow"
