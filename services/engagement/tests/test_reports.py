"""Reports of stories and comments, and decisions about them."""

from datetime import timedelta
from typing import Any

import pytest
from stories_engagement.testing.builders import a_ticket
from stories_engagement.testing.harness import ServiceHarness, settings_of
from stories_shared.auth.tickets import Ticket
from stories_shared.clock import rfc3339, system_now, truncate_to_ms
from stories_shared.events import StoryDeleted, StoryExpired, StoryHeld, StoryPosted, UserSuspended
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

SPAM = {"reason": "spam", "text": None}
ADMIN = {"roles": ["admin"]}


async def report(service: ServiceHarness, story: StoryPosted, user: str, ticket: Ticket | str | None = None) -> int:
    """Report a story; the status."""
    path = f"/v1/stories/{story.story_id}/reports"
    return (await service.request("POST", path, user, ticket or a_ticket(story, user), json=SPAM)).status_code


async def reports_of(service: ServiceHarness, story: StoryPosted, **query: Any) -> list[dict[str, Any]]:
    answer = await service.request("GET", "/v1/admin/reports", "root", params={"limit": 100} | query, **ADMIN)
    assert answer.status_code == 200, answer.text
    return [item for item in answer.json()["items"] if item["story_id"] == story.story_id]


async def decide(service: ServiceHarness, report_id: str, **decision: Any) -> Any:
    path = f"/v1/admin/reports/{report_id}/decision"
    return await service.request("POST", path, "root", json=decision, **ADMIN)


async def test_report_needs_a_ticket_which_serves_a_day_longer(service: ServiceHarness) -> None:
    story = await service.post()
    ended_at = system_now() - timedelta(hours=23)
    assert await report(service, story, "bob", a_ticket(story, "bob", ends_at=ended_at)) == 202
    too_late = a_ticket(story, "eve", ends_at=ended_at - timedelta(hours=2))
    denied = [too_late, "forged", a_ticket(story, "bob"), a_ticket(await service.post(), "eve")]
    assert {await report(service, story, "eve", ticket) for ticket in denied} <= {403, 404}
    own = await service.request("POST", f"/v1/stories/{story.story_id}/reports", "ann", json=SPAM)
    assert own.status_code == 422
    assert len(await reports_of(service, story)) == 1


async def test_admins_alone_see_reports_with_the_copy_and_no_reporter(service: ServiceHarness) -> None:
    story = await service.post(caption="buy my pills")
    assert [await report(service, story, user) for user in ("bob", "bob", "eve")] == [202] * 3
    items = await reports_of(service, story, state="open")
    assert [(item["reason"], item["reports"], item["copy"]["caption"]) for item in items] == [
        ("spam", 2, "buy my pills")
    ] * 2
    assert not {"bob", "eve"} & set(str(items).split("'"))
    for path in ("/v1/admin/reports", "/v1/admin/audit"):
        assert (await service.request("GET", path, "ann")).status_code == 404


async def test_removed_story_is_deleted_and_its_author_suspended(service: ServiceHarness) -> None:
    story = await service.post("mallory")
    await report(service, story, "bob")
    (item,) = await reports_of(service, story)
    decided = await decide(service, item["id"], action="remove_and_suspend", days=2)
    assert (decided.status_code, decided.json()["decision"]["decided_by"]) == (200, "root"), decided.text
    deletions, suspensions = service.event_reader(StoryDeleted), service.event_reader(UserSuspended)
    (deletion,) = {event for event in await deletions() if event.story_id == story.story_id}
    assert (deletion.by, deletion.author_id) == ("admin", "mallory")
    (suspension,) = {event for event in await suspensions() if event.user_id == "mallory"}
    assert suspension.until == deletion.deleted_at + timedelta(days=2)
    assert (await decide(service, item["id"], action="remove_and_suspend")).status_code == 200
    assert (await decide(service, item["id"], action="keep")).status_code == 409
    assert {event for event in await deletions() if event.story_id == story.story_id} == {deletion}
    answer = await service.request("GET", "/v1/admin/audit", "root", **ADMIN)
    (entry,) = [entry for entry in answer.json()["items"] if entry["story_id"] == story.story_id]
    assert (entry["author_id"], entry["decision"]["action"]) == ("mallory", "remove_and_suspend")

    async def gone() -> bool:
        return await service.mongo["stories"].find_one({"_id": story.story_id}) is None

    await eventually(gone)
    (kept,) = await reports_of(service, story, state="decided")
    assert kept["copy"] is not None


@pytest.mark.parametrize("how", ["expired", "deleted"])
async def test_removed_story_that_had_expired_leaves_archive_and_insights(service: ServiceHarness, how: str) -> None:
    author = f"ann-{new_id()}"
    story = await service.post(author)
    assert await report(service, story, "bob") == 202
    at = truncate_to_ms(system_now())
    ids = {"story_id": story.story_id, "author_id": author}
    expired = StoryExpired(**ids, expires_at=at, expired_at=at)
    await service.ingest.publish(expired if how == "expired" else StoryDeleted(**ids, deleted_at=at, by="author"))

    async def ended() -> bool:
        return await service.mongo["views"].find_one({"_id": story.story_id, "how": how}) is not None

    await eventually(ended)
    (item,) = await reports_of(service, story)
    deletions = service.event_reader(StoryDeleted)
    assert (await decide(service, item["id"], action="remove")).status_code == 200
    by = [event.by for event in await deletions() if event.story_id == story.story_id]
    assert by == (["admin"] if how == "expired" else ["author"])

    async def forgotten() -> bool:
        path = f"/v1/stories/{story.story_id}/insights"
        return (await service.request("GET", path, author)).status_code == 404

    await eventually(forgotten)


async def test_removed_comment_goes_with_its_replies(service: ServiceHarness) -> None:
    story = await service.post()
    base, ticket = f"/v1/stories/{story.story_id}/comments", a_ticket(story, "bob")
    rude = (await service.request("POST", base, "bob", ticket, json={"text": "rude"})).json()
    await service.request("POST", base, "bob", ticket, json={"text": "ruder", "reply_to": rude["id"]})
    path = f"/v1/comments/{rude['id']}/reports"
    assert (await service.request("POST", path, "bob", ticket, json=SPAM)).status_code == 422
    assert (await service.request("POST", path, "ann", json=SPAM)).status_code == 202
    (item,) = await reports_of(service, story)
    assert (item["kind"], item["author_id"], item["copy"]["text"]) == ("comment", "bob", "rude")
    assert (await decide(service, item["id"], action="remove")).status_code == 200
    await service.until_counted(story, comments=0)


async def test_media_of_a_reported_story_is_held_until_the_decision(service: ServiceHarness) -> None:
    stories = [await service.post() for _ in range(2)]
    for story in stories:
        assert [await report(service, story, user) for user in ("bob", "eve")] == [202, 202]
    held = service.event_reader(StoryHeld)

    async def holds_of(story: StoryPosted) -> list[StoryHeld]:
        return sorted({event for event in await held() if event.story_id == story.story_id}, key=lambda event: event.at)

    (hold,) = await eventually(lambda: holds_of(stories[0]))
    assert (hold.author_id, hold.until - hold.at) == ("ann", timedelta(days=7))
    for story, action in zip(stories, ("keep", "remove"), strict=True):
        item, _ = await reports_of(service, story)
        decided = (await decide(service, item["id"], action=action)).json()["decision"]
        _, release = await eventually(lambda story=story: holds_of(story), accept=lambda found: len(found) == 2)  # type: ignore[misc]
        assert (rfc3339(release.until), release.at) == (decided["decided_at"], release.until)


async def test_reports_of_comments_and_with_the_setting_off_hold_nothing(service: ServiceHarness) -> None:
    story = await service.post()
    path = f"/v1/stories/{story.story_id}/comments"
    comment = (await service.request("POST", path, "bob", a_ticket(story, "bob"), json={"text": "spam"})).json()
    path = f"/v1/comments/{comment['id']}/reports"
    assert (await service.request("POST", path, "eve", a_ticket(story, "eve"), json=SPAM)).status_code == 202
    reported = await service.mongo["reported"].find_one({"story_id": story.story_id})
    assert not {"pending", "hold_until"} & reported.keys()
    assert settings_of(service.namespace).moderation_hold is None
    for wrong in ("0s", "31d", "never"):
        with pytest.raises(SystemExit):
            settings_of(service.namespace, moderation_hold=wrong)
