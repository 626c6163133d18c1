"""Webhooks: endpoints, signed deliveries in order, and receivers that fail, hang and lie."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from stories_engagement.domain.webhooks import Attempt, Webhook
from stories_engagement.store.webhooks import DUE_BATCH, MongoDeliveries, MongoWebhooks
from stories_engagement.testing.builders import NOON, a_record, a_story, a_ticket
from stories_engagement.testing.harness import ServiceHarness
from stories_engagement.testing.receiver import Receiver, receiving
from stories_engagement.usecases.webhooks import DeliverDue, QueueDeliveries, delivery_of
from stories_shared.clock import system_now
from stories_shared.events import CommentCreated, StoryDeleted
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.testing import FakeClock, eventually

ADMIN = {"roles": ["admin"]}
ALL = ["story-posted", "story-expired", "story-deleted", "comment-created"]


async def register(service: ServiceHarness, receiver: Receiver, *events: str) -> dict[str, Any]:
    body = {"url": receiver.url, "events": list(events) or ALL, "secret": None}
    answer = await service.request("POST", "/v1/admin/webhooks", "root", json=body, **ADMIN)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def call(service: ServiceHarness, method: str, path: str, **more: Any) -> Any:
    return await service.request(method, f"/v1/admin/webhooks{path}", "root", **more, **ADMIN)


async def test_events_arrive_signed_in_order_and_without_content(service: ServiceHarness) -> None:
    async with receiving() as receiver, receiving("hang") as hanging:
        webhook, other = await register(service, receiver), await register(service, hanging)
        story = await service.post(caption="my words", layers=({"kind": "text", "text": "mine"},))
        base, ticket = f"/v1/stories/{story.story_id}", a_ticket(story, "bob")
        await eventually(lambda: len(receiver.of(story.story_id)) == 1)
        await service.request("POST", f"{base}/comments", "bob", ticket, json={"text": "a secret"})
        await eventually(lambda: len(receiver.of(story.story_id)) == 2)
        deletion = StoryDeleted(story_id=story.story_id, author_id="ann", deleted_at=system_now(), by="author")
        for _ in range(2):
            await service.ingest.publish(deletion, event_id=(event_id := new_id()) if _ == 0 else event_id)
        await eventually(lambda: len(receiver.of(story.story_id)) == 3)
        requests = receiver.of(story.story_id)
        verifier = Verifier(webhook["secret"])
        events = [verifier.verify(request.body, request.headers) for request in requests]
        assert [event["type"] for event in events] == [
            f"stories.{name}.v1" for name in ("story-posted", "comment-created", "story-deleted")
        ]
        assert events[0]["data"]["media"]["key"] == story.media.key
        assert not {"caption", "layers", "captions_track"} & events[0]["data"].keys()
        assert "secret" not in str(events)
        assert requests[0].headers["content-type"] == "application/cloudevents+json"
        waiting = (await call(service, "GET", f"/{other['id']}/deliveries")).json()["items"]
        assert {item["state"] for item in waiting} == {"pending"}
        for made in (webhook, other):
            assert (await call(service, "DELETE", f"/{made['id']}")).status_code == 204


async def test_secret_is_shown_once_and_deliveries_can_be_replayed(service: ServiceHarness) -> None:
    async with receiving() as receiver:
        key = {"Idempotency-Key": new_id()}
        body = {"url": receiver.url, "events": ["story-posted"], "secret": None}
        made = (await call(service, "POST", "", json=body, headers=key)).json()
        again = (await call(service, "POST", "", json=body, headers=key)).json()
        assert (again["id"], again["secret"]) == (made["id"], None)
        path = f"/{made['id']}"
        assert (await call(service, "GET", path)).json()["secret"] is None
        assert made["secret"] not in (await call(service, "GET", "")).text
        tested = (await call(service, "POST", f"{path}/test")).json()
        await eventually(lambda: len(receiver.requests) == 1)

        async def delivered() -> bool:
            (item,) = (await call(service, "GET", f"{path}/deliveries")).json()["items"]
            return (item["id"], item["state"], item["last_status"]) == (tested["id"], "delivered", 204)

        await eventually(delivered)
        retried = await call(service, "POST", f"{path}/deliveries/{tested['id']}/retry")
        assert (retried.status_code, retried.json()["state"]) == (202, "pending")
        await eventually(lambda: len(receiver.requests) == 2)
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        assert (await call(service, "DELETE", path)).status_code == 204
        assert (await call(service, "GET", path)).status_code == 404

        async def gone() -> bool:
            return await service.mongo["deliveries"].find_one({"webhook_id": made["id"]}) is None

        await eventually(gone)


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://example.com/hook"},
        {"url": "https://ann:secret@example.com/hook"},
        {"url": "example.com"},
        {"events": []},
        {"events": ["story-viewed"]},
        {"secret": "whsec_short"},
    ],
)
async def test_webhook_that_must_not_be_is_refused(service: ServiceHarness, body: dict[str, Any]) -> None:
    good = {"url": "https://example.com/hook", "events": ["story-posted"], "secret": None}
    assert (await call(service, "POST", "", json=good | body)).status_code == 422
    assert (await service.request("GET", "/v1/admin/webhooks", "ann")).status_code == 404


@dataclass
class Endpoint:
    """Deliveries of one endpoint on MongoDB, with a sender that answers as told."""

    mongo: Mongo
    now: FakeClock = field(default_factory=lambda: FakeClock(NOON))
    answer: Callable[[dict[str, Any]], Attempt] = lambda _: Attempt(204, None)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.webhook = Webhook(new_id(), "https://example.com", tuple(ALL), f"whsec_{'A' * 32}", NOON)
        self.deliveries = MongoDeliveries(self.mongo)
        self.deliver_due = DeliverDue(self.deliveries, self.counted.append, self.now)

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        Verifier(self.webhook.secret)
        self.bodies.append(json.loads(body))
        return self.answer(self.bodies[-1])

    async def queue(self, *events: Any) -> None:
        for n, event in enumerate(events):
            record = a_record(event, at=NOON + timedelta(milliseconds=n))
            await self.deliveries.add([delivery_of(record, self.webhook.id, self.now())])

    async def sent(self) -> list[dict[str, Any]]:
        """Deliver all that is due; the bodies of the attempts."""
        self.bodies.clear()
        while await self.deliver_due(self.webhook, self.send):
            pass
        return self.bodies

    async def deliver(self) -> list[str]:
        """Deliver all that is due; the events of the attempts."""
        return [body["type"].split(".")[1] for body in await self.sent()]

    async def states(self) -> list[str]:
        return sorted(found.state for found in await self.deliveries.page(self.webhook.id, None, 100))


def comment(story_id: str, user_id: str = "bob") -> CommentCreated:
    return CommentCreated(story_id=story_id, author_id="ann", comment_id=new_id(), user_id=user_id, at=NOON)


def deletion(story_id: str) -> StoryDeleted:
    return StoryDeleted(story_id=story_id, author_id="ann", deleted_at=NOON, by="author")


async def test_later_events_of_a_story_wait_for_a_failing_one(mongo: Mongo) -> None:
    endpoint, first, second = Endpoint(mongo), new_id(), new_id()
    endpoint.answer = lambda body: Attempt(500, "status") if body["subject"] == first else Attempt(200, None)
    await endpoint.queue(comment(first), deletion(first), comment(second), deletion(second))
    assert sorted(await endpoint.deliver()) == ["comment-created", "comment-created", "story-deleted"]
    assert [body["type"] for body in endpoint.bodies if body["subject"] == first] == ["stories.comment-created.v1"]
    endpoint.answer = lambda _: Attempt(200, None)
    endpoint.now.forward(seconds=4)
    assert await endpoint.deliver() == []
    endpoint.now.forward(seconds=1)
    assert await endpoint.deliver() == ["comment-created", "story-deleted"]
    assert await endpoint.states() == ["delivered"] * 4


async def test_many_events_of_stories_wait_for_failing_ones(mongo: Mongo) -> None:
    endpoint, stories = Endpoint(mongo), [new_id(), new_id()]
    endpoint.answer = lambda _: Attempt(500, "status")
    for story_id in stories:
        await endpoint.queue(*(comment(story_id) for _ in range(DUE_BATCH + 20)))
    assert sorted(body["subject"] for body in await endpoint.sent()) == sorted(stories)
    await endpoint.queue(*(deletion(story_id) for story_id in stories))
    assert await endpoint.sent() == []


async def test_stop_in_a_round_does_not_repeat_what_has_arrived(mongo: Mongo) -> None:
    endpoint, arriving, hanging = Endpoint(mongo), new_id(), asyncio.Event()
    await endpoint.queue(comment(arriving), comment(new_id()))

    async def send(url: str, headers: dict[str, str], body: bytes) -> Attempt:
        if json.loads(body)["subject"] != arriving:
            hanging.set()
            await asyncio.Event().wait()
        return Attempt(200, None)

    round_ = asyncio.create_task(endpoint.deliver_due(endpoint.webhook, send))
    await hanging.wait()
    round_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await round_
    assert await endpoint.states() == ["delivered", "pending"]


async def test_delivery_is_given_up_after_a_day_and_the_next_follows(mongo: Mongo) -> None:
    endpoint, story_id = Endpoint(mongo), new_id()
    endpoint.answer = lambda body: Attempt(None, "timeout") if "comment" in body["type"] else Attempt(200, None)
    await endpoint.queue(comment(story_id), deletion(story_id))
    attempts = 0
    for _ in range(30):
        attempts += (await endpoint.deliver()).count("comment-created")
        endpoint.now.forward(hours=1)
    assert attempts == 25
    assert await endpoint.states() == ["dead", "delivered"]
    dead = next(d for d in await endpoint.deliveries.page(endpoint.webhook.id, None, 9) if d.state == "dead")
    await endpoint.deliveries.retry(endpoint.webhook.id, dead.id, endpoint.now())
    endpoint.answer = lambda _: Attempt(200, None)
    assert await endpoint.deliver() == ["comment-created"]


@pytest.mark.parametrize("outcome", [Attempt(None, "timeout"), Attempt(204, None)], ids=["failed", "delivered"])
async def test_retry_asked_for_during_an_attempt_is_sent(mongo: Mongo, outcome: Attempt) -> None:
    endpoint = Endpoint(mongo)
    await endpoint.queue(deletion(new_id()))
    endpoint.now.forward(seconds=1)

    async def send(url: str, headers: dict[str, str], body: bytes) -> Attempt:
        (tried,) = await endpoint.deliveries.page(endpoint.webhook.id, None, 9)
        await endpoint.deliveries.retry(endpoint.webhook.id, tried.id, endpoint.now())
        return outcome

    assert await endpoint.deliver_due(endpoint.webhook, send)
    assert await endpoint.deliver() == ["story-deleted"]
    assert await endpoint.states() == ["delivered"]


async def test_redelivered_event_is_queued_once(mongo: Mongo) -> None:
    endpoint, webhooks = Endpoint(mongo), MongoWebhooks(mongo)
    await webhooks.add(endpoint.webhook)
    queue = QueueDeliveries(webhooks, endpoint.deliveries, lambda _: None, endpoint.now)
    story = a_story(posted_at=NOON)
    record = a_record(deletion(story.story_id))
    for _ in range(2):
        await queue([record])
        await queue([a_record(story)])
    await queue([a_record(deletion(new_id()), source="/moderation")])
    await queue([a_record(deletion(story.story_id), source="/stories/expiry")])  # which publishes endings again
    assert sorted(d.event for d in await endpoint.deliveries.page(endpoint.webhook.id, None, 9)) == [
        "story-deleted",
        "story-posted",
    ]
    await webhooks.delete(endpoint.webhook.id)
    while await webhooks.remove_deleted():
        pass
    assert await endpoint.states() == []


async def test_ended_story_is_told_by_ids_and_times_alone(mongo: Mongo) -> None:
    endpoint, story = Endpoint(mongo), a_story(posted_at=NOON, alt_text="private")
    await endpoint.queue(story)
    assert await endpoint.deliver_due(endpoint.webhook, endpoint.send)
    assert endpoint.bodies == []
    await mongo["views"].insert_one({"_id": story.story_id, "ended": NOON})
    endpoint.now.forward(seconds=1)
    assert await endpoint.deliver() == ["story-posted"]
    assert endpoint.bodies[0]["data"].keys() == {"story_id", "author_id", "revision", "posted_at", "expires_at"}


async def test_erased_user_leaves_no_delivery(mongo: Mongo) -> None:
    endpoint, story_id, gone = Endpoint(mongo), new_id(), f"gone{new_id()}"
    await endpoint.queue(comment(story_id, gone), deletion(story_id))
    await endpoint.deliveries.erase_user(gone, NOON + timedelta(hours=1))
    assert await endpoint.deliver() == ["story-deleted"]
