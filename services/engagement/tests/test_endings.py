"""Endings, erasures and tickets."""

from datetime import timedelta
from typing import Any

import pytest
from stories_engagement.testing.builders import OUTSIDE, a_story, a_ticket
from stories_engagement.testing.harness import ServiceHarness
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import (
    StoryDeleted,
    StoryErased,
    StoryExpired,
    StoryPosted,
    StoryViewed,
    UserBlocked,
    UserDataErased,
    UserErased,
    UserUnblocked,
)
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.publisher import Publisher
from stories_shared.testing import eventually

ROWS = ("viewers", "reactions", "comments", "shares", "answers", "stories")

WITHIN_S = 3.0
"""Seconds. The contract is one; a busy machine gets three. The journeys test one."""


async def engage(service: ServiceHarness, story: StoryPosted, *people: str) -> None:
    """Let each user view, react, comment and share."""
    base = f"/v1/stories/{story.story_id}"
    for user in people:
        ticket = a_ticket(story, user)
        await service.view(story, user)
        await service.request("PUT", f"{base}/reaction", user, ticket, json={"emoji": "❤️"})
        key = {"Idempotency-Key": new_id()}
        await service.request("POST", f"{base}/comments", user, ticket, json={"text": "secret"}, headers=key)
        await service.request("POST", f"{base}/shares", user, ticket, headers=key)
    n = len(people)
    await service.until_counted(story, views=n, viewers=n, reactions=n, comments=n, shares=n)


def deletion(story: StoryPosted, by: Any = "author") -> StoryDeleted:
    return StoryDeleted(story_id=story.story_id, author_id=story.author_id, deleted_at=system_now(), by=by)


async def documents_of(service: ServiceHarness, story_id: str) -> str:
    """All documents that mention a story, as a string."""
    found: list[Any] = []
    for name in await service.mongo.database.list_collection_names():
        found += [d for d in await service.mongo[name].find({}).to_list(None) if story_id in str(d)]
    return str(found)


async def test_a_deletion_leaves_only_ids_times_and_counts(service: ServiceHarness) -> None:
    story = await service.post()
    erased = service.event_reader(StoryErased)
    await engage(service, story, "bob", "eve")
    await service.ingest.publish(deletion(story))
    await eventually(lambda: confirmed(erased, story.story_id, 1))
    documents = await documents_of(service, story.story_id)
    for trace in ("secret", "bob", "eve", "❤️", "body"):
        assert trace not in documents, documents
    views = await service.mongo["views"].find_one({"_id": story.story_id})
    assert (views["viewers"], views["plays"], views["ended"] is not None) == (2, 2, True)
    assert (await service.mongo["views"].find_one({"_id": story.story_id}))["how"] == "deleted"


async def confirmed(read_events: Any, story_id: str, times: int) -> bool:
    own = [event for event in await read_events() if event.story_id == story_id]
    assert all(event.store == "engagement" for event in own)
    return len(own) >= times


async def test_redelivered_deletion_is_confirmed_again(service: ServiceHarness) -> None:
    story = await service.post()
    erased = service.event_reader(StoryErased)
    await service.ingest.publish(deletion(story))
    await eventually(lambda: confirmed(erased, story.story_id, 1))
    once = await documents_of(service, story.story_id)
    await service.ingest.publish(deletion(story))
    await eventually(lambda: confirmed(erased, story.story_id, 2))
    assert await documents_of(service, story.story_id) == once


async def test_deletion_of_an_unknown_story_is_confirmed_and_stored(service: ServiceHarness) -> None:
    story = a_story()
    erased = service.event_reader(StoryErased)
    await service.ingest.publish(deletion(story))
    await eventually(lambda: confirmed(erased, story.story_id, 1))
    await service.ingest.publish(story)
    await service.feed.publish(StoryViewed(story_id=story.story_id, viewer_id="bob", viewed_at=system_now()))
    await service.until_consumed(StoryPosted, StoryViewed)
    for name in ROWS:
        assert (
            await service.mongo[name].find_one({"$or": [{"_id": story.story_id}, {"story_id": story.story_id}]}) is None
        )


async def test_expiry_ends_a_story_not_before_the_local_clock(service: ServiceHarness) -> None:
    expires_at = truncate_to_ms(system_now()) + timedelta(seconds=1.5)
    story = await service.post(expires_at=expires_at)
    erased = service.event_reader(StoryErased)
    await engage(service, story, "bob")
    early = StoryExpired(story_id=story.story_id, author_id="ann", expires_at=expires_at, expired_at=expires_at)
    await service.ingest.publish(early)
    await eventually(lambda: confirmed(erased, story.story_id, 1))
    assert system_now() >= expires_at
    assert (await service.mongo["views"].find_one({"_id": story.story_id}))["how"] == "expired"


async def test_expired_story_is_refused_before_story_expired_arrives(service: ServiceHarness) -> None:
    story = await service.post(expires_at=truncate_to_ms(system_now()) + timedelta(seconds=2))
    ticket = a_ticket(story, "bob", ends_at=system_now() + timedelta(minutes=1))
    path = f"/v1/stories/{story.story_id}/counts"
    assert (await service.request("GET", path, "bob", ticket)).status_code == 200
    await eventually(lambda: refused(service, path, "bob", ticket))
    assert (await service.request("GET", path, "ann")).status_code == 404


async def refused(service: ServiceHarness, path: str, user: str, ticket: Any = None) -> bool:
    return (await service.request("GET", path, user, ticket)).status_code == 404


async def test_every_request_is_refused_within_a_second_of_the_end(service: ServiceHarness) -> None:
    story = await service.post()
    await engage(service, story, "bob")
    base, ticket = f"/v1/stories/{story.story_id}", a_ticket(story, "bob")
    comments = (await service.request("GET", f"{base}/comments", "bob", ticket)).json()["items"]
    await service.ingest.publish(deletion(story))
    await eventually(lambda: refused(service, f"{base}/counts", "bob", ticket), within_s=WITHIN_S)
    for method, path, body in (
        ("GET", f"{base}/reactions", None),
        ("PUT", f"{base}/reaction", {"emoji": "❤️"}),
        ("DELETE", f"{base}/reaction", None),
        ("GET", f"{base}/comments", None),
        ("POST", f"{base}/comments", {"text": "late"}),
        ("DELETE", f"/v1/comments/{comments[0]['id']}", None),
        ("POST", f"{base}/shares", None),
    ):
        assert (await service.request(method, path, "bob", ticket, json=body)).status_code == 404, path
    assert (await service.view(story, "bob")).json() == {"accepted": 0, "rejected": [{"index": 0, "reason": "ended"}]}
    assert (await service.request("GET", f"{base}/viewers", "ann")).status_code == 404


async def test_redelivered_expiry_and_blocks_change_nothing(service: ServiceHarness) -> None:
    author, viewer = f"ann-{new_id()}", f"bob-{new_id()}"
    story, erased = await service.post(author), service.event_reader(StoryErased)
    at = truncate_to_ms(system_now())
    expired = StoryExpired(story_id=new_id(), author_id=author, expires_at=at, expired_at=at)
    blocked = UserBlocked(user_id=author, target_id=viewer, at=at)
    lifted = UserUnblocked(user_id=author, target_id=viewer, at=at + timedelta(milliseconds=1))
    for _ in range(2):
        await service.ingest.publish_all([OutgoingEvent(expired), OutgoingEvent(blocked), OutgoingEvent(lifted)])
    await eventually(lambda: confirmed(erased, expired.story_id, 2))
    await service.until_consumed(UserBlocked, UserUnblocked)
    block = await service.mongo["blocks"].find_one({"user_id": author})
    assert (block["on"], block["since"], block["lifted_at"]) == (False, at, lifted.at)
    assert not await refused(service, f"/v1/stories/{story.story_id}/counts", viewer, a_ticket(story, viewer))
    assert (await service.mongo["views"].find_one({"_id": expired.story_id}))["how"] == "expired"


@pytest.mark.parametrize("blocker", ["ann", "bob"])
async def test_block_and_unblock_take_effect_within_a_second(service: ServiceHarness, blocker: str) -> None:
    author, viewer = f"ann-{new_id()}", f"bob-{new_id()}"
    story = await service.post(author)
    user, target = (author, viewer) if blocker == "ann" else (viewer, author)
    ticket, path = a_ticket(story, viewer), f"/v1/stories/{story.story_id}/counts"
    assert (await service.request("GET", path, viewer, ticket)).status_code == 200
    await service.feed.publish(UserBlocked(user_id=user, target_id=target, at=truncate_to_ms(system_now())))
    await eventually(lambda: refused(service, path, viewer, ticket), within_s=WITHIN_S)
    assert (await service.view(story, viewer)).json()["rejected"] == [{"index": 0, "reason": "ticket"}]
    await service.feed.publish(UserUnblocked(user_id=user, target_id=target, at=truncate_to_ms(system_now())))

    async def taken_again() -> bool:
        return (await service.request("GET", path, viewer, ticket)).status_code == 200

    await eventually(taken_again, within_s=WITHIN_S)


async def test_a_narrowed_audience_refuses_older_tickets_within_a_second(service: ServiceHarness) -> None:
    story = await service.post()
    ticket, path = a_ticket(story, "bob"), f"/v1/stories/{story.story_id}/counts"
    narrowed = a_story(story_id=story.story_id, posted_at=story.posted_at, revision=2, access_revision=2)
    await service.ingest.publish(narrowed)
    await eventually(lambda: refused(service, path, "bob", ticket), within_s=WITHIN_S)
    assert (await service.request("GET", path, "bob", a_ticket(narrowed, "bob"))).status_code == 200
    await service.ingest.publish(story)
    await service.until_consumed(StoryPosted)
    assert await refused(service, path, "bob", ticket)


async def test_ticket_alone_decides_about_an_unknown_story(service: ServiceHarness) -> None:
    story = a_story()
    base = f"/v1/stories/{story.story_id}"
    off = a_ticket(story, "bob", reactions=False)
    assert (await service.request("PUT", f"{base}/reaction", "bob", off, json={"emoji": "❤️"})).status_code == 409
    ticket = a_ticket(story, "bob")
    assert (await service.request("PUT", f"{base}/reaction", "bob", ticket, json={"emoji": "❤️"})).status_code == 204
    assert (await service.request("GET", f"{base}/counts", "bob", ticket)).json()["reactions"] == 1
    assert (await service.request("GET", f"{base}/counts", "ann")).status_code == 422


async def test_refused_tickets_have_their_problem_and_are_counted(service: ServiceHarness) -> None:
    story, other = await service.post(), await service.post()
    path = f"/v1/stories/{story.story_id}/counts"
    good = service.tickets.sign(a_ticket(story, "bob"))
    expired = a_ticket(story, "bob", ends_at=system_now() - timedelta(seconds=1))
    for reason, ticket in (
        ("missing", None),
        ("malformed", "nonsense"),
        ("forged", good[:-3] + ("abc" if not good.endswith("abc") else "xyz")),
        ("foreign", a_ticket(story, "eve")),
        ("story", a_ticket(other, "bob")),
        ("expired", expired),
    ):
        before = service.metric("stories_tickets_refused_total", reason=reason)
        answer = await service.request("GET", path, "bob", ticket)
        expected = {"missing": (422, "ticket-missing"), "expired": (403, "ticket-expired")}.get(
            reason, (404, "not-found")
        )
        assert (answer.status_code, answer.json()["type"].removeprefix("urn:stories:")) == expected
        assert service.metric("stories_tickets_refused_total", reason=reason) == before + 1, reason


async def test_external_deletion_is_accepted_from_admins_only(service: ServiceHarness) -> None:
    story, other = await service.post(), await service.post()
    outside = Publisher(service.kafka, "outside")
    outside.source = OUTSIDE
    await outside.start()
    await outside.publish(StoryDeleted(story_id=story.story_id, deleted_at=system_now(), by="author"))
    await outside.publish(StoryDeleted(story_id=other.story_id, deleted_at=system_now(), by="admin"))
    await outside.stop()
    await eventually(lambda: refused(service, f"/v1/stories/{other.story_id}/counts", "ann"))
    await service.until_consumed(StoryDeleted)
    assert (await service.request("GET", f"/v1/stories/{story.story_id}/counts", "ann")).status_code == 200


async def test_erased_user_leaves_lists_and_counts_of_live_stories(service: ServiceHarness) -> None:
    story, erased_user, stays = await service.post(), f"gone-{new_id()}", f"stays-{new_id()}"
    published = service.event_reader(UserDataErased)
    await engage(service, story, erased_user, stays)
    await service.request("PUT", "/v1/me/hidden-words", erased_user, json={"words": ["x"]})
    await service.request("PUT", "/v1/me/privacy", erased_user, json={"view_history": False})
    event = UserErased(user_id=erased_user, at=system_now(), receipt_id=new_id())
    for times in (1, 2):
        await service.ingest.publish(event)

        async def answered(times: int = times) -> bool:
            own = [e for e in await published() if e.receipt_id == event.receipt_id]
            return len(own) == times and own[0].service == "engagement" and own[0].user_id == erased_user

        await eventually(answered)
        assert await service.counts(story) == {"views": 1, "viewers": 1, "reactions": 1, "comments": 1, "shares": 1}
    page = await service.viewers(story)
    assert ([item["viewer_id"] for item in page["items"]], page["total"], page["hidden"]) == ([stays], 1, 0)
    documents = {
        name: await mentions(service, name, erased_user)
        for name in await service.mongo.database.list_collection_names()
    }
    assert {name for name, found in documents.items() if found} == {"erased_users"}


async def mentions(service: ServiceHarness, name: str, user: str) -> bool:
    return any(user in str(document) for document in await service.mongo[name].find({}).to_list(None))


async def test_replayed_views_from_before_an_erasure_do_not_count(service: ServiceHarness) -> None:
    story, erased_user = await service.post(), f"gone-{new_id()}"
    at = truncate_to_ms(system_now()) - timedelta(seconds=30)
    old = StoryViewed(story_id=story.story_id, viewer_id=erased_user, viewed_at=at, play_id="play-old-1")
    new = StoryViewed(
        story_id=story.story_id, viewer_id=erased_user, viewed_at=at + timedelta(seconds=20), play_id="play-new-1"
    )
    await service.feed.publish_all([OutgoingEvent(old), OutgoingEvent(new)])
    await service.until_counted(story, views=2, viewers=1)
    await service.ingest.publish(UserErased(user_id=erased_user, at=at + timedelta(seconds=10), receipt_id=new_id()))
    await service.until_counted(story, views=1, viewers=1)
    service.app.state.recent.clear()
    await service.feed.publish_all([OutgoingEvent(old), OutgoingEvent(new)])
    await service.until_consumed(StoryViewed)
    await service.until_counted(story, views=1, viewers=1)
