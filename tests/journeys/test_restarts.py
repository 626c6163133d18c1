"""Every process is killed during a journey, and the journey continues."""

import asyncio
from functools import partial

import pytest
from stories_shared.events.cloudevents import SERVICES
from stories_shared.testing import eventually

from .installation import Installation
from .people import TIMEOUT_S, Answer, Person
from .stack import SERVERS
from .waiting import SOON, end_of, holds

BACK = 60.0
"""Seconds until a killed process must be running again."""


async def all_running(installation: Installation) -> None:
    """Wait until every process runs."""
    states = {name: each["state"] for name, each in (await installation.stack.processes()).items()}
    assert set(states.values()) == {"running"}, states


async def killed(installation: Installation, *names: str) -> None:
    """Send SIGKILL and wait until the supervisor has restarted the processes."""
    before = await installation.stack.processes()
    await installation.stack.kill(*names)
    await eventually(
        installation.stack.processes,
        BACK,
        accept=lambda now: all(now[name]["restarts"] > before[name]["restarts"] for name in names),
    )
    await holds(lambda: all_running(installation), BACK)
    after = await installation.stack.processes()
    assert all(after[name]["pid"] != before[name]["pid"] for name in names)


async def journey_until_restart(installation: Installation) -> tuple[Person, Person, Answer]:
    """An author, a follower who has viewed, reacted to and commented on a story, and that story."""
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post(caption="before")
    item = await eventually(lambda: bob.item(story), SOON)
    await bob.view(item, play_id="the-one-play")
    assert (await bob.react(item, "🎉")).status_code == 204
    assert (await bob.comment(item, "before")).status_code == 201
    await eventually(lambda: bob.ring(ann), SOON, accept="seen".__eq__)
    return ann, bob, item


async def journey_after_restart(installation: Installation, ann: Person, bob: Person, item: Answer) -> None:
    """Everything from before still exists, and everything continues to work."""
    assert [(each["id"], each["caption"], each["seen"]) for each in await bob.reel(ann)] == [
        (item["id"], "before", True)
    ]
    await bob.view(await bob.item(item), play_id="the-one-play")  # reported again: the same play
    counts = {"views": 1, "viewers": 1, "reactions": 1, "comments": 1, "shares": 0}
    assert await ann.counts(item) == counts
    second = await ann.post(caption="after")
    fresh = await eventually(lambda: bob.item(second), TIMEOUT_S)
    assert (await bob.ring_in_tray(ann) or {})["unseen"] == 1
    await bob.view(fresh)
    assert (await bob.comment(fresh, "after")).status_code == 201
    await eventually(
        lambda: ann.counts(second), TIMEOUT_S, accept=lambda found: (found["views"], found["comments"]) == (1, 1)
    )
    assert await ann.counts(item) == counts
    await ann.delete(second)
    await eventually(lambda: bob.sees(second), SOON, accept=lambda seen: not seen)
    await ann.complete_receipt(second)


@pytest.mark.parametrize(
    "name",
    [
        # The others are killed in tests of their own below, and all at once.
        pytest.param(name, marks=[] if name in ("feed", "gateway") else [pytest.mark.nightly])
        for name in (*SERVICES, *SERVERS, "gateway")
    ],
)
async def test_killed_process_restarts_and_the_journey_continues(installation: Installation, name: str) -> None:
    ann, bob, item = await journey_until_restart(installation)
    await killed(installation, name)
    await journey_after_restart(installation, ann, bob, item)


async def test_all_processes_killed_at_once_restart_without_data_loss(installation: Installation) -> None:
    ann, bob, item = await journey_until_restart(installation)
    await killed(installation, *SERVERS, *SERVICES)
    await journey_after_restart(installation, ann, bob, item)


async def test_publish_whose_process_is_killed_completes_and_can_be_retried(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    draft = await ann.draft(installation.samples.clip(15.4))
    assert (await ann.publish(draft["id"], wait=0)).status_code == 202
    await killed(installation, "ingest")
    answer = await eventually(lambda: ann.publish(draft["id"]), BACK, accept=lambda answer: answer.status_code != 202)
    assert (answer.status_code, answer.json()["state"]) == (200, "live")
    [item] = await eventually(lambda: bob.reel(ann), SOON)
    assert (await bob.media(item["media_url"])).status_code == 200
    assert (await ann.get("/v1/me/quota"))["posted_24h"] == 1


async def test_views_accepted_by_a_killed_process_are_counted_once(installation: Installation) -> None:
    ann, *viewers = installation.people("ann", *(f"viewer{n}" for n in range(20)))
    story = await ann.post()
    items = [await eventually(partial(viewer.item, story), SOON) for viewer in viewers]
    pairs = list(zip(viewers, items, strict=True))
    await asyncio.gather(*(viewer.view(item, play_id="only-one-play") for viewer, item in pairs))
    await killed(installation, "engagement")
    await asyncio.gather(*(viewer.view(item, play_id="only-one-play") for viewer, item in pairs[:5]))  # to be sure
    await eventually(
        lambda: ann.counts(story), TIMEOUT_S, accept=lambda counts: counts["views"] == counts["viewers"] == 20
    )
    assert (await ann.viewers(story))["total"] == 20


async def test_story_that_expires_during_an_outage_still_ends(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post(lifetime=installation.short)
    await eventually(lambda: bob.sees(story), SOON)
    await installation.stack.kill("expiry")
    await end_of(story)
    assert not await bob.sees(story)
    assert await bob.ring(ann) == "none"
    await holds(lambda: all_running(installation), BACK)
    receipt = await ann.complete_receipt(story)
    assert receipt["ended"] == "expired"


async def test_story_posted_during_an_outage_is_posted_once(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    for server in SERVERS:
        draft = await ann.draft()
        await installation.stack.kill(server)
        await eventually(partial(ann.publish, draft["id"]), BACK, accept=lambda answer: answer.status_code == 200)
        await holds(lambda: all_running(installation), BACK)
        await eventually(partial(bob.sees, draft), TIMEOUT_S)
    reel = await eventually(lambda: bob.reel(ann), TIMEOUT_S)
    assert len(reel) == len({item["id"] for item in reel}) == len(SERVERS)
