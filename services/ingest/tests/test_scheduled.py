"""Scheduled stories: domain rules and the whole way over HTTP."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NotInFuture, Suspended, WrongState
from stories_ingest.domain.quota import Quota, Slot
from stories_ingest.domain.story import State, Story
from stories_ingest.domain.transitions import StorySnapshot
from stories_ingest.testing.builders import BOUNDS, NOW, draft, part
from stories_ingest.testing.harness import photo
from stories_shared.clock import rfc3339, system_now, truncate_to_ms
from stories_shared.testing import eventually

AT = NOW + timedelta(hours=2)


NO_SLOTS = Quota()


def snapshot_of(story: Story, quota: Quota = NO_SLOTS) -> StorySnapshot:
    return StorySnapshot(story, (story,), quota)


def prepared() -> Story:
    """A scheduled story whose media is finished."""
    story = transitions.schedule(snapshot_of(draft()), "etag", AT, NOW).upserts[0]
    assert story.job is not None
    claimed = replace(story, job=replace(story.job, worker="w"))
    return transitions.go_live(snapshot_of(claimed), "w", [part(story.id)], NOW).upserts[0]


def test_a_scheduled_story_counts_as_a_draft_until_its_time():
    story = draft()
    quota = Quota(drafts=(Slot(story.id, story.vanishes_at),))
    changes = transitions.schedule(snapshot_of(story, quota), "etag", AT, NOW)
    assert [slot.story for slot in changes.quota.drafts] == [story.id]
    assert changes.quota.drafts[0].until > AT
    assert changes.quota.held == ()
    assert changes.upserts[0].shown_state is State.SCHEDULED


@pytest.mark.parametrize("at", [NOW, NOW - timedelta(seconds=1), NOW + timedelta(days=30, seconds=1)])
def test_a_time_in_the_past_or_too_far_ahead_is_refused(at):
    with pytest.raises(NotInFuture):
        transitions.schedule(snapshot_of(draft()), "etag", at, NOW)


def test_finished_media_waits_for_its_time():
    story = prepared()
    assert (story.state, story.posted) == (State.SCHEDULED, None)
    assert transitions.post_scheduled(snapshot_of(story), AT - timedelta(seconds=1), BOUNDS).upserts == ()
    late = AT + timedelta(hours=1)
    changes = transitions.post_scheduled(snapshot_of(story), late, BOUNDS)
    [live] = changes.upserts
    assert live.posted is not None
    assert (live.state, live.posted.posted_at, live.posted.expires_at) == (State.LIVE, late, late + live.lifetime)
    assert (changes.publish, [slot.story for slot in changes.quota.live]) == (True, [story.id])
    assert live.prepared == ()


def test_a_full_quota_refuses_a_scheduled_story_at_its_time():
    story = prepared()
    full = Quota(live=tuple(Slot(str(number), AT + timedelta(days=1)) for number in range(BOUNDS.live)))
    changes = transitions.post_scheduled(snapshot_of(story, full), AT, BOUNDS)
    assert [(each.state, each.reason) for each in changes.upserts] == [(State.REFUSED, "quota")]
    assert not changes.publish


def test_suspended_author_schedules_nothing_and_nothing_scheduled_appears():
    suspended = Quota(suspended_at=NOW, suspended_until=AT + timedelta(hours=1))
    with pytest.raises(Suspended):
        transitions.schedule(snapshot_of(draft(), suspended), "etag", AT, NOW)
    changes = transitions.post_scheduled(snapshot_of(prepared(), suspended), AT, BOUNDS)
    assert [(each.state, each.reason) for each in changes.upserts] == [(State.REFUSED, "quota")]
    assert not changes.publish
    over = Quota(suspended_at=NOW, suspended_until=AT)
    assert transitions.post_scheduled(snapshot_of(prepared(), over), AT, BOUNDS).publish


def test_a_cancelled_scheduled_story_ends_with_all_of_its_parts():
    story = prepared()
    story = replace(story, prepared=(part(story.id), part("0198"), part("0199")))
    changes = transitions.cancel(snapshot_of(story), NOW)
    assert [ended.id for ended in changes.ended] == [story.id, "0198", "0199"]


def test_only_a_scheduled_story_is_moved():
    later = AT + timedelta(days=1)
    moved = transitions.change(snapshot_of(prepared()), lambda settings: settings, NOW, later).upserts[0]
    assert moved.publish_at == later
    with pytest.raises(WrongState):
        transitions.change(snapshot_of(draft()), lambda settings: settings, NOW, later)


@pytest.mark.servers
async def test_scheduled_story_is_moved_goes_live_in_time_and_mentions(ingest, ann):
    draft = await ann.drafted(photo(), caption=f"with @bob and @eve and @{ann.user_id}", hide_from=["eve"])
    publish = f"/v1/stories/{draft['id']}/publish"
    far = rfc3339(system_now() + timedelta(hours=1))
    for wrong in (rfc3339(system_now()), rfc3339(system_now() + timedelta(days=31)), "tomorrow", 1):
        answer = await ann.http.post(publish, json={"at": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "at"]), wrong
    answer = await ann.http.post(publish, json={"at": far})
    assert (answer.status_code, answer.json()) == (
        202,
        {"id": draft["id"], "state": "scheduled", "publish_at": far},
    )
    assert (await ann.publish(draft["id"], wait=5)).status_code == 202

    async def finished() -> bool:
        return any(draft["id"] in key for key in await ingest.keys("stories/"))

    await eventually(finished)
    assert (await ann.quota())["live"] == 0
    listed = (await ann.http.get("/v1/me/stories", params={"state": "scheduled"})).json()["items"]
    assert [(story["id"], story["state"], story["publish_at"]) for story in listed] == [(draft["id"], "scheduled", far)]
    at = system_now() + timedelta(seconds=2)
    moved = await ann.http.patch(f"/v1/stories/{draft['id']}", json={"publish_at": rfc3339(at)})
    assert (moved.status_code, moved.json()["publish_at"]) == (200, rfc3339(at))

    async def live() -> dict | None:
        story = (await ann.show(draft["id"])).json()
        return story if story["state"] == "live" else None

    story = await eventually(live)
    assert rfc3339(at) <= story["posted_at"] < rfc3339(at + timedelta(seconds=5))
    assert await eventually(lambda: ingest.events_of("story-posted", draft["id"]))
    [mention] = await eventually(lambda: ingest.events_of("user-mentioned", draft["id"]))
    assert (mention["user_id"], mention["at"]) == ("bob", story["posted_at"])
    again = await ann.http.patch(f"/v1/stories/{draft['id']}", json={"publish_at": far})
    assert (again.status_code, again.json()["type"]) == (409, "urn:stories:wrong-state")


@pytest.mark.servers
async def test_scheduled_story_survives_a_restart_and_is_cancelled_with_its_media(start):
    async with start() as first:
        ann = first.author("ann")
        kept, cancelled = [await ann.drafted(photo()) for _ in range(2)]
        at = system_now() + timedelta(seconds=4)
        await ann.http.post(f"/v1/stories/{kept['id']}/publish", json={"at": rfc3339(at)})
        far = rfc3339(at + timedelta(days=1))
        await ann.http.post(f"/v1/stories/{cancelled['id']}/publish", json={"at": far})

        async def finished() -> bool:
            keys = await first.keys("stories/")
            return all(any(each["id"] in key for key in keys) for each in (kept, cancelled))

        await eventually(finished)
        assert (await ann.http.post(f"/v1/stories/{cancelled['id']}/cancel")).status_code == 204
        assert not [key for key in await first.keys() if cancelled["id"] in key]
    async with start(prepare=False) as second:
        ann = second.author("ann")

        async def live() -> bool:
            return (await ann.show(kept["id"])).json()["state"] == "live"

        await eventually(live)
        assert (await ann.show(cancelled["id"])).status_code == 404


@pytest.mark.servers
@pytest.mark.nightly
async def test_scheduled_story_goes_live_after_an_outage_and_says_how_late(start):
    async with start() as first:
        ann = first.author("ann")
        draft = await ann.drafted(photo())
        at = truncate_to_ms(system_now() + timedelta(seconds=6))
        await ann.http.post(f"/v1/stories/{draft['id']}/publish", json={"at": rfc3339(at)})

        async def finished() -> bool:
            return any(draft["id"] in key for key in await first.keys("stories/"))

        await eventually(finished)
        assert (await ann.show(draft["id"])).json()["state"] == "scheduled"

    async def late() -> bool:
        return system_now() > at + timedelta(seconds=3)

    await eventually(late)
    async with start(prepare=False) as second:

        async def live() -> dict | None:
            story = (await second.author("ann").show(draft["id"])).json()
            return story if story["state"] == "live" else None

        story = await eventually(live)
        posted_at, expires_at = (datetime.fromisoformat(story[name]) for name in ("posted_at", "expires_at"))
        assert posted_at > at + timedelta(seconds=3)
        assert expires_at - posted_at == timedelta(hours=24)
        metrics = (await second.http.get("/metrics")).text
        lateness = float(re.search(r"^stories_scheduled_lateness_seconds_sum (.+)$", metrics, re.M)[1])
        assert lateness == pytest.approx((posted_at - at).total_seconds(), abs=0.01)


@pytest.mark.servers
@pytest.mark.nightly
async def test_two_replicas_post_each_scheduled_story_once_and_in_time(start):
    async with start() as first, start(prepare=False):
        ann = first.author("ann")
        drafts = [await ann.drafted(photo()) for _ in range(5)]
        at = system_now() + timedelta(seconds=10)
        for draft in drafts:
            await ann.http.post(f"/v1/stories/{draft['id']}/publish", json={"at": rfc3339(at)})

        async def live() -> list[dict] | None:
            stories = [(await ann.show(draft["id"])).json() for draft in drafts]
            assert all("state" in story for story in stories), stories
            return stories if all(story["state"] == "live" for story in stories) else None

        for story in await eventually(live, within_s=30, every_s=0.2):
            assert at <= datetime.fromisoformat(story["posted_at"]) <= at + timedelta(seconds=1)
            events = await eventually(lambda story=story: first.events_of("story-posted", story["id"]))
            assert {event["revision"] for event in events} == {1}
        assert (await ann.quota())["live"] == len(drafts)
