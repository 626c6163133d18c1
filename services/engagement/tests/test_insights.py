"""Insights through HTTP: live, sealed, after a deletion; and the event."""

from datetime import timedelta
from typing import Any

from stories_engagement.testing.builders import a_poll, a_ticket
from stories_engagement.testing.harness import ServiceHarness
from stories_shared.clock import rfc3339, system_now, truncate_to_ms
from stories_shared.events import StoryDeleted, StoryExpired, StoryInsightsSealed, StoryPosted, StoryViewed, encode
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually


async def insights(service: ServiceHarness, story: StoryPosted, user: str | None = None) -> dict[str, Any]:
    path = f"/v1/stories/{story.story_id}/insights"
    found = await service.request("GET", path, user or story.author_id)
    return {"status": found.status_code, **found.json()}


async def watched(service: ServiceHarness, story: StoryPosted, people: int) -> None:
    """Let users view, react and answer; the first one follows the author."""
    poll = story.layers[0]["id"]
    for n in range(people):
        ticket = service.tickets.sign(a_ticket(story, f"v{n}", follower=n == 0))
        play = {"play_id": "play-0001", "watched_ms": 1_000 * n, "completed": n == 1, "taps": {"forward": n}}
        await service.view(story, f"v{n}", ticket=ticket, **play)
        await service.view(story, f"v{n}", ticket=ticket, **{**play, "watched_ms": 2_000})
        path = f"/v1/stories/{story.story_id}"
        await service.request("PUT", f"{path}/reaction", f"v{n}", ticket, json={"emoji": "❤️"})
        await service.request("PUT", f"{path}/answers/{poll}", f"v{n}", ticket, json={"option": n % 2})


async def test_figures_are_live_then_sealed_once(service: ServiceHarness) -> None:
    read_events = service.event_reader(StoryInsightsSealed)
    author = f"ann-{new_id()}"
    story = await service.post(author, layers=(a_poll(),))
    await watched(service, story, 5)
    watched_ms = 2_000 * 3 + 3_000 + 4_000
    expected = {
        "story_id": story.story_id,
        "reach": {"total": 5, "followers": 1, "others": 4},
        "plays": 5,
        "completion_rate": 0.2,
        "mean_watch_ms": watched_ms // 5,
        "taps": {"forward": 10, "back": 0, "exit": 0},
        "drop_off": [{"part": 1, "viewers": 5}],
        "reactions": {"❤️": 5},
        "comments": 0,
        "shares": 0,
        "answers": [{"layer_id": story.layers[0]["id"], "kind": "poll", "tallies": [3, 2]}],
    }

    async def reached(*, sealed: bool) -> bool:
        found = await insights(service, story)
        assert {name: found.get(name) for name in expected} == expected, found
        return found["sealed"] is sealed

    await eventually(lambda: reached(sealed=False))
    at = truncate_to_ms(system_now())
    expired = StoryExpired(story_id=story.story_id, author_id=author, expires_at=at, expired_at=at)
    for _ in range(2):
        await service.ingest.publish(expired)
        await service.until_consumed(StoryExpired)
    assert await reached(sealed=True)
    assert (await insights(service, story, "v0"))["status"] == 404

    async def published() -> bool:
        mine = [event for event in await read_events() if event.story_id == story.story_id]
        assert not any(user in str(encode(event)) for event in mine for user in (author, "v0", "v1"))
        return len(mine) == 1 and mine[0].reach.total == 5 and mine[0].reactions == {"❤️": 5}

    await eventually(published)
    listed = (await service.request("GET", "/v1/me/insights", author)).json()
    assert [item["story_id"] for item in listed["items"]] == [story.story_id]
    assert (listed["totals"]["stories"], listed["totals"]["reach"], listed["totals"]["mean_watch_ms"]) == (
        1,
        5,
        watched_ms // 5,
    )


async def test_deleted_story_has_no_insights(service: ServiceHarness) -> None:
    author = f"ann-{new_id()}"
    story = await service.post(author)
    assert (await insights(service, story))["reach"] == {"total": 0, "followers": 0, "others": 0}
    assert (await insights(service, story, "bob"))["status"] == 404
    await service.ingest.publish(
        StoryDeleted(story_id=story.story_id, author_id=author, deleted_at=system_now(), by="author")
    )

    async def gone() -> bool:
        return (await insights(service, story))["status"] == 404

    await eventually(gone)
    await service.until_consumed(StoryDeleted)
    assert await gone()
    listed = (await service.request("GET", "/v1/me/insights", author)).json()
    assert (listed["items"], listed["totals"]["stories"]) == ([], 0)


async def test_stories_of_a_period_are_added_up_and_paged(service: ServiceHarness) -> None:
    author, now = f"ann-{new_id()}", truncate_to_ms(system_now())
    series = new_id()
    stories = [
        await service.post(author, posted_at=now - timedelta(minutes=n), series_id=series, part=n + 1, parts=3)
        for n in range(3)
    ]
    for n, story in enumerate(stories):
        for viewer in range(3 - n):
            await service.feed.publish(
                StoryViewed(story_id=story.story_id, viewer_id=f"v{viewer}", viewed_at=now, watched_ms=100)
            )
    await eventually(lambda: service.until_counted(stories[2], views=1))

    async def listed(**query: Any) -> dict[str, Any]:
        found = await service.request("GET", "/v1/me/insights", author, params=query)
        assert found.status_code == 200, found.text
        page: dict[str, Any] = found.json()
        return page

    async def counted() -> bool:
        return (await listed())["totals"]["plays"] == 6

    await eventually(counted)
    first = await listed(limit=2)
    last = await listed(limit=2, cursor=first["next_cursor"])
    found = [item["story_id"] for page in (first, last) for item in page["items"]]
    assert (found, last["next_cursor"]) == ([story.story_id for story in stories], None)
    parts = [{"part": 1, "viewers": 3}, {"part": 2, "viewers": 2}, {"part": 3, "viewers": 1}]
    assert all(item["drop_off"] == parts for item in (*first["items"], *last["items"]))
    period = {"from": rfc3339(stories[1].posted_at), "to": rfc3339(stories[0].posted_at)}
    assert [item["story_id"] for item in (await listed(**period))["items"]] == [stories[1].story_id]
    for wrong in ({"from": "yesterday"}, {"to": "2026-11-22T08:00:00"}, {"from": "1700000000"}):
        refused = await service.request("GET", "/v1/me/insights", author, params=wrong)
        assert refused.status_code == 422, wrong
    swapped = {"from": period["to"], "to": period["from"]}
    assert (await service.request("GET", "/v1/me/insights", author, params=swapped)).status_code == 422
