"""The webhook receivers, and what the checks of webhooks report."""

import json
import random
import ssl
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook as Signer
from stories_engagement.domain.webhooks import Attempt
from stories_engagement.jobs.webhook_client import WebhookClient
from stories_engagement.testing.receiver import listening

from tests.journeys.samples import Sample

from .checks.webhooks import missing, wrong_deliveries
from .model import Comment, Model, Story, Timeline
from .webhook_receivers import ACCEPTED, Fault, Received, WebhookReceiver

NOW = time.time()
POSTED = ("story-posted", "the-story", "1")


@pytest.fixture
def model() -> Model:
    return Model(["ann", "bob"])


@pytest.fixture
def story(model: Model) -> Story:
    """A live story with a comment."""
    posted = Story("ann", "key", "word", {}, Sample(b"", "image/jpeg"), Timeline(("everyone", frozenset())))
    posted.state, posted.live_at, posted.expires_at = "live", NOW - 10, NOW + 100
    posted.comments = {"k": Comment("bob", "hello", NOW - 5, id="c", acked=NOW - 4)}
    model.add(posted)
    model.name(posted, "the-story")
    return posted


def received(topic: str, message_id: str = "m1", **content: Any) -> Received:
    event = {"id": f"event-{message_id}", "type": f"stories.{topic}.v1", "subject": "the-story", "data": content}
    return Received(message_id, NOW, "accept", json.dumps(event).encode(), event)


def promises(model: Model, *arrived: Received) -> list[str]:
    return [promise for promise, _ in wrong_deliveries(arrived, model)]


def test_all_that_happened_may_be_delivered_twice(model: Model, story: Story) -> None:
    comment = received("comment-created", "m2", comment_id="c", user_id="bob")
    assert promises(model, received("story-posted"), received("story-posted"), comment, comment) == []


def test_lost_delivery_is_reported(model: Model, story: Story) -> None:
    assert missing([received("story-posted")], {POSTED}, model, NOW) == []
    assert missing([], {POSTED}, model, NOW) == [("the-story", 1, 0), ("story-posted", "the-story")]
    assert missing([received("story-posted")], {POSTED, ("story-posted", "the-story", "2")}, model, NOW)
    assert missing([received("story-posted")], {POSTED, ("comment-created", "the-story", "c")}, model, NOW)


def test_lost_deletion_is_reported_even_if_the_log_lost_it_too(model: Model, story: Story) -> None:
    story.deleted.begin(True, NOW - 3).ack(NOW - 2)
    assert missing([received("story-posted")], {POSTED}, model, NOW) == [("story-deleted", "the-story")]


def test_story_deleted_before_it_was_published_is_not_missed(model: Model, story: Story) -> None:
    story.deleted.begin(True, NOW - 3).ack(NOW - 2)
    assert missing([received("story-deleted")], set(), model, NOW) == []
    story.live_at = NOW - 60
    assert missing([received("story-deleted")], set(), model, NOW) == [("story-posted", "the-story")]


@pytest.mark.parametrize(
    "delivered",
    [
        received("story-deleted"),
        received("story-expired"),
        received("story-insights-sealed"),
        received("user-mentioned", user_id="bob"),
        received("comment-created", comment_id="another", user_id="bob"),
        received("story-posted", author_id="bob"),
        received("story-reacted"),
    ],
    ids=lambda each: each.topic,
)
def test_delivery_of_what_did_not_happen_is_reported(model: Model, story: Story, delivered: Received) -> None:
    assert promises(model, delivered) == ["only what happened is delivered"]


def test_delivery_about_a_refused_or_unknown_story_is_reported(model: Model, story: Story) -> None:
    story.state = "refused"
    assert promises(model, received("story-posted")) == ["only what happened is delivered"]
    assert promises(Model([]), received("story-posted")) == ["only what happened is delivered"]


def test_content_and_viewers_in_a_delivery_are_reported(model: Model, story: Story) -> None:
    caption = received("story-posted", caption=f"caption word{'0' * 16}")
    assert promises(model, caption) == ["webhooks leave out captions, layers and comments"]
    story.expires_at = NOW - 1
    assert promises(model, received("story-insights-sealed", viewers=["bob"])) == ["sealed insights name nobody"]


def test_changed_id_of_a_retry_is_reported(model: Model, story: Story) -> None:
    first, again = (received("comment-created", each, comment_id="c", user_id="bob") for each in ("m1", "m2"))
    assert promises(model, first, again) == ["an event has one webhook-id"]
    other = Received("m1", NOW, "accept", b"", {**first.event, "id": "another"})
    assert promises(model, first, other) == ["a retry has the same webhook-id and event"]


async def deliver(receiver: WebhookReceiver, secret: str) -> Attempt:
    """One delivery by the product's own client."""
    body = json.dumps({"id": "e", "type": "stories.story-posted.v1", "subject": "s", "data": {}}).encode()
    at = datetime.now(UTC)
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(secret).sign("m1", at, body.decode()),
    }
    client = WebhookClient(ssl.create_default_context(), allow_private=True, timeout_s=3.0)
    try:
        return await client.send(receiver.url, headers, body)
    finally:
        await client.close()


@pytest.mark.parametrize("fault", ["accept", "cut", "flood", "forget", "fail", "redirect", "lie", "break"])
async def test_receiver_remembers_what_it_accepted(fault: Fault) -> None:
    receiver = WebhookReceiver(rng=random.Random(1), forced=fault)
    async with listening(receiver):
        attempt = await deliver(receiver, receiver.secret)
    assert attempt.succeeded == (fault in ACCEPTED or fault == "forget")
    assert receiver.accepted() == ({"m1"} if fault in ACCEPTED else set())
    assert receiver.forgotten() == ({"m1"} if fault == "forget" else set())


async def test_wrong_signature_is_reported() -> None:
    wrong: list[str] = []
    receiver = WebhookReceiver(wrong=lambda promise, **about: wrong.append(promise))
    async with listening(receiver):
        await deliver(receiver, WebhookReceiver().secret)
    assert wrong == ["webhooks are signed"]
