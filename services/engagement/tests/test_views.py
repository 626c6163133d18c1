"""Views through HTTP and Kafka: report, count, list."""

import asyncio
from datetime import timedelta

from stories_engagement.testing.builders import a_story, a_ticket
from stories_engagement.testing.harness import ServiceHarness, until_available
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryPosted, StoryViewed, Taps, UserBlocked, UserUnblocked
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.publisher import Publisher
from stories_shared.testing import eventually


def telemetry(story: StoryPosted, viewer: str, **changes: object) -> StoryViewed:
    fields = {"story_id": story.story_id, "viewer_id": viewer, "viewed_at": system_now()}
    return StoryViewed(**fields | changes)  # type: ignore[arg-type]


async def test_a_reported_view_is_counted_and_its_viewer_listed(service: ServiceHarness) -> None:
    story = await service.post()
    answer = await service.view(
        story, "bob", watched_ms=1200, completed=True, taps={"forward": 1, "back": 0, "exit": 0}
    )
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    await service.until_counted(story, views=1, viewers=1)
    page = await service.viewers(story)
    assert [(item["viewer_id"], item["plays"], item["reaction"]) for item in page["items"]] == [("bob", 1, None)]
    assert (page["total"], page["hidden"], page["next_cursor"]) == (1, 0, None)


async def test_the_same_viewer_twice_is_one_viewer_and_two_plays(service: ServiceHarness) -> None:
    story = await service.post()
    for _ in range(2):
        await service.view(story, "bob")
    await service.until_counted(story, views=2, viewers=1)
    assert (await service.viewers(story))["items"][0]["plays"] == 2


async def test_retried_play_counts_once_with_maximum_figures(service: ServiceHarness) -> None:
    story = await service.post()
    for watched_ms, completed, forward in ((900, False, 2), (700, True, 0), (900, False, 1)):
        taps = {"forward": forward, "back": 0, "exit": 0}
        await service.view(story, "bob", play_id="play-abc", watched_ms=watched_ms, completed=completed, taps=taps)
    await service.until_counted(story, views=1, viewers=1)
    await service.until_consumed(StoryViewed)
    assert await service.counts(story) == {"views": 1, "viewers": 1, "reactions": 0, "comments": 0, "shares": 0}
    row = await service.mongo["viewers"].find_one({"_id": f"bob/{story.story_id}"})
    assert row["plays"]["play-abc"][1:] == [900, True, 2, 0, 0]


async def test_redelivered_views_of_one_batch_count_once(service: ServiceHarness) -> None:
    story = await service.post()
    records = [OutgoingEvent(telemetry(story, f"v{n}", author_id="ann"), event_id=new_id()) for n in range(5)]
    for _ in range(2):
        await service.feed.publish_all(records)
    await service.until_counted(story, views=5, viewers=5)
    await service.until_consumed(StoryViewed)
    await service.until_counted(story, views=5, viewers=5)


async def test_views_redelivered_to_another_process_count_once(service: ServiceHarness) -> None:
    story = await service.post()
    records = [OutgoingEvent(telemetry(story, f"v{n}", play_id="play-0001")) for n in range(5)]
    await service.feed.publish_all(records)
    await service.until_counted(story, views=5, viewers=5)
    service.app.state.recent.clear()
    await service.feed.publish_all(records)
    await service.until_consumed(StoryViewed)
    await service.until_counted(story, views=5, viewers=5)


async def test_the_authors_own_views_do_not_count(service: ServiceHarness) -> None:
    story = await service.post()
    assert (await service.view(story, "ann")).json()["accepted"] == 1
    await service.feed.publish(telemetry(story, "ann"))
    await service.view(story, "bob")
    await service.until_counted(story, views=1, viewers=1)


async def test_views_may_be_consumed_before_their_story(service: ServiceHarness) -> None:
    story = a_story()
    await service.feed.publish_all([OutgoingEvent(telemetry(story, viewer)) for viewer in ("ann", "bob")])
    await service.until_consumed(StoryViewed)
    await service.ingest.publish(story)
    await eventually(lambda: service.has_consumed(story))
    assert (await service.counts(story))["viewers"] == 1
    assert [item["viewer_id"] for item in (await service.viewers(story))["items"]] == ["bob"]


async def test_telemetry_may_omit_optional_fields(service: ServiceHarness) -> None:
    story = await service.post()
    outside = Publisher(service.kafka, "players")
    outside.source = "/players"
    await outside.start()
    await outside.publish(telemetry(story, "bob"))
    await outside.publish(telemetry(story, "bob", taps=Taps(exit=1)))
    await outside.stop()
    await service.until_counted(story, views=2, viewers=1)
    assert (await service.viewers(story))["items"][0]["viewer_id"] == "bob"


async def test_a_view_after_the_end_is_dropped_and_counted_as_late(service: ServiceHarness) -> None:
    story = await service.post(posted_at=truncate_to_ms(system_now()) - timedelta(hours=2), consumed=False)
    await eventually(lambda: service.mongo["stories"].find_one({"_id": story.story_id}))
    before = service.metric("stories_views_total", outcome="late")
    await service.feed.publish(telemetry(story, "bob"))
    await eventually(lambda: service.metric("stories_views_total", outcome="late") > before)
    assert await service.mongo["viewers"].find_one({"story_id": story.story_id}) is None


async def test_views_across_a_block_are_dropped_in_either_direction(service: ServiceHarness) -> None:
    story = await service.post("blocker")
    at = truncate_to_ms(system_now()) - timedelta(seconds=5)
    await service.feed.publish(UserBlocked(user_id="blocker", target_id="vic", at=at))
    await service.feed.publish(UserBlocked(user_id="tim", target_id="blocker", at=at))
    await service.until_consumed(UserBlocked)
    before = service.metric("stories_views_total", outcome="blocked")
    await service.feed.publish_all([OutgoingEvent(telemetry(story, viewer)) for viewer in ("vic", "tim", "zoe")])
    await service.until_counted(story, viewers=1)
    await eventually(lambda: service.metric("stories_views_total", outcome="blocked") == before + 2)


async def test_a_lifted_block_does_not_bring_its_views_back(service: ServiceHarness) -> None:
    story = await service.post("lifter")
    at = truncate_to_ms(system_now()) - timedelta(seconds=5)
    view = OutgoingEvent(telemetry(story, "vic"), event_id=new_id())
    await service.feed.publish(UserBlocked(user_id="lifter", target_id="vic", at=at))
    await service.until_consumed(UserBlocked)
    await service.feed.publish(view.event)
    await service.until_consumed(StoryViewed)
    await service.feed.publish(UserUnblocked(user_id="lifter", target_id="vic", at=system_now()))
    await service.until_consumed(UserUnblocked)
    service.app.state.recent.clear()
    await service.feed.publish(view.event)
    await service.until_consumed(StoryViewed)
    assert (await service.counts(story))["viewers"] == 0


async def test_only_entries_with_valid_tickets_are_accepted(service: ServiceHarness) -> None:
    story, other = await service.post(), await service.post()
    good = service.tickets.sign(a_ticket(story, "bob"))
    foreign = service.tickets.sign(a_ticket(story, "eve"))
    ended = service.tickets.sign(a_ticket(other, "bob", expires_at=system_now() - timedelta(seconds=1)))
    over = service.tickets.sign(a_ticket(other, "bob", ends_at=system_now() - timedelta(seconds=1)))
    views = [{"ticket": ticket} for ticket in (good, foreign, "forged", ended, over)]
    answer = await service.request("POST", "/v1/views", "bob", json={"views": views})
    assert answer.json() == {
        "accepted": 1,
        "rejected": [
            {"index": 1, "reason": "ticket"},
            {"index": 2, "reason": "ticket"},
            {"index": 3, "reason": "ended"},
            {"index": 4, "reason": "ticket"},
        ],
    }
    await service.until_counted(story, viewers=1)


async def test_an_older_access_revision_still_counts_a_view(service: ServiceHarness) -> None:
    story = await service.post(access_revision=3, revision=3)
    await service.view(story, "bob", ticket=service.tickets.sign(a_ticket(story, "bob", access_revision=2)))
    await service.until_counted(story, viewers=1)


async def test_views_of_the_wrong_shape_are_refused_whole(service: ServiceHarness) -> None:
    story = await service.post()
    ticket = service.tickets.sign(a_ticket(story, "bob"))
    for wrong in (
        {"ticket": ticket, "play_id": "short"},
        {"ticket": ticket, "watched_ms": 3_600_001},
        {"ticket": ticket, "watched_ms": -1},
        {"ticket": ticket, "watched_ms": True},
        {"ticket": ticket, "taps": {"up": 1}},
        {"ticket": ticket, "more": 1},
        {"play_id": "play-0001"},
    ):
        answer = await service.request("POST", "/v1/views", "bob", json={"views": [wrong]})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:stories:invalid"), wrong
    too_many = await service.request("POST", "/v1/views", "bob", json={"views": [{"ticket": ticket}] * 101})
    assert too_many.status_code == 422
    twice = '{"views": [], "views": []}'
    headers = {"Content-Type": "application/json"}
    assert (await service.request("POST", "/v1/views", "bob", content=twice, headers=headers)).status_code == 400
    assert (await service.client.post("/v1/views", json={"views": []})).status_code == 401


async def test_the_list_of_viewers_pages_newest_first_and_adds_up(service: ServiceHarness) -> None:
    story = await service.post()
    base = truncate_to_ms(system_now()) - timedelta(minutes=1)
    views = [telemetry(story, f"v{n}", viewed_at=base + timedelta(seconds=n // 2), listed=n != 3) for n in range(7)]
    await service.feed.publish_all([OutgoingEvent(view) for view in views])
    await service.until_counted(story, viewers=7)
    seen, cursor = [], None
    while cursor is not None or not seen:
        page = await service.viewers(story, limit=2, **({"cursor": cursor} if cursor else {}))
        assert (page["total"], page["hidden"]) == (7, 1)
        seen += [item["viewer_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["v6", "v5", "v4", "v2", "v1", "v0"]


async def test_only_the_author_sees_the_viewers(service: ServiceHarness) -> None:
    story = await service.post()
    path = f"/v1/stories/{story.story_id}/viewers"
    assert (await service.request("GET", path, "bob")).status_code == 404
    assert (await service.request("GET", path, "bob", a_ticket(story, "bob"))).status_code == 404


async def test_with_the_view_list_off_all_viewers_are_hidden(service: ServiceHarness) -> None:
    story = await service.post(view_list=False)
    await service.view(story, "bob")
    await service.until_counted(story, viewers=1)
    page = await service.viewers(story)
    assert (page["items"], page["total"], page["hidden"]) == ([], 1, 1)


async def test_turning_the_view_history_off_unlists_at_once_and_for_good(service: ServiceHarness) -> None:
    story = await service.post()
    await service.view(story, "shy")
    await service.until_counted(story, viewers=1)
    for on in (False, True):
        answer = await service.request("PUT", "/v1/me/privacy", "shy", json={"view_history": on})
        assert (answer.status_code, answer.json()) == (200, {"view_history": on})
        page = await service.viewers(story)
        assert (page["items"], page["total"], page["hidden"]) == ([], 1, 1)
    later = await service.post()
    await service.view(later, "shy")
    await service.until_counted(later, viewers=1)
    assert len((await service.viewers(later))["items"]) == 1


async def test_with_the_view_history_off_views_count_unlisted(service: ServiceHarness) -> None:
    story = await service.post()
    await service.request("PUT", "/v1/me/privacy", "hal", json={"view_history": False})
    await service.view(story, "hal")
    await service.feed.publish(telemetry(story, "hal", listed=True))
    await service.until_counted(story, viewers=1, views=2)
    page = await service.viewers(story)
    assert (page["items"], page["total"], page["hidden"]) == ([], 1, 1)
    assert (await service.request("GET", "/v1/me/privacy", "hal")).json() == {"view_history": False}


async def test_a_row_keeps_at_most_a_hundred_plays(service: ServiceHarness) -> None:
    story = await service.post()
    await service.feed.publish_all([OutgoingEvent(telemetry(story, "fan", play_id=f"play-{n:04}")) for n in range(103)])
    await service.until_consumed(StoryViewed)
    await service.until_counted(story, views=100, viewers=1)


async def test_concurrent_viewers_are_counted_exactly(service: ServiceHarness) -> None:
    stories = await asyncio.gather(*(service.post() for _ in range(3)))
    for start in range(0, 60, 10):
        people = [f"user{n}" for n in range(start, start + 10)]
        plays = [(story, viewer, f"play-{n}-of-two") for viewer in people for story in stories for n in range(2)]
        requests = (lambda s=s, v=v, play=play: service.view(s, v, play_id=play) for s, v, play in plays)
        assert set(await asyncio.gather(*map(until_available, requests))) == {202}
    for story in stories:
        await service.until_counted(story, views=120, viewers=60)
