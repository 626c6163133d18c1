"""Webhooks say everything that was published, nothing else, and an endpoint that fails delays no other."""

import random
import re
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stories_engagement.domain.webhooks import WEBHOOK_EVENTS

from ..log_recorder import Published
from ..model import Model, Story
from ..operations import Operations
from ..timing import came_true
from ..webhook_receivers import ADMIN, Received, WebhookReceiver, Webhooks
from .stories import StoryChecks

ISOLATED_S = 15.0
"""For one event at the healthy endpoint while the other one hangs, and no fault is active."""
DELIVERED_S = 60.0
OVERDUE_S = 12.0
"""Deliveries whose next attempt is later are sent by an admin; the backoff grows to an hour."""
UNPUBLISHED_S = 30.0
"""Longer than any fault keeps an event from Kafka. A story that is deleted before that is not published."""
LEFT_OUT = re.compile(rb"(caption|layer|poll|comment) word[0-9a-f]{16}")
Problem = tuple[str, dict[str, Any]]


@dataclass
class WebhookChecks:
    """Compares what both endpoints got with the log and the model."""

    ask: StoryChecks
    operations: Operations
    webhooks: Webhooks
    published: Collection[Published]

    async def isolated(self) -> None:
        """one endpoint gets a new story while the other one hangs"""
        self.webhooks.faulty.forced = "hang"
        story = await self.operations.posted(self.ask.model.users[0], random.Random(0))
        healthy = self.webhooks.healthy
        due = {("story-posted", story.id)}

        def arrived() -> bool:
            return due <= {(each.topic, each.story_id) for each in healthy.received}

        if not await came_true(arrived, ISOLATED_S):
            self.ask.wrong("an endpoint that hangs delays no other", story=story.id)
        self.webhooks.faulty.behave()

    async def delivered(self) -> None:
        """both endpoints get everything once they behave: by retries, or by an admin's"""
        both = (self.webhooks.healthy, self.webhooks.faulty)
        for delivery_id in self.webhooks.faulty.forgotten():
            await self.webhooks.retry(self.webhooks.faulty, delivery_id)

        async def all_delivered() -> bool:
            if any(self._missing(each) for each in both):
                await self._send_overdue()  # also what was still being attempted, and failed
                return False
            return True

        await came_true(all_delivered, DELIVERED_S)
        for receiver in both:
            if missing := self._missing(receiver):
                self.ask.wrong("every event is delivered", endpoint=receiver.name, missing=missing)
            for promise, about in wrong_deliveries(receiver.received, self.ask.model):
                self.ask.wrong(promise, endpoint=receiver.name, **about)

    async def _send_overdue(self) -> None:
        faulty, overdue = self.webhooks.faulty, time.time() + OVERDUE_S
        for each in await self.ask.pages(ADMIN, f"/v1/admin/webhooks/{faulty.webhook_id}/deliveries"):
            if each["state"] == "pending" and datetime.fromisoformat(each["next_attempt_at"]).timestamp() > overdue:
                await self.webhooks.retry(faulty, each["id"])

    def _missing(self, receiver: WebhookReceiver) -> list[Any]:
        accepted = receiver.accepted()
        arrived = [each for each in receiver.received if each.id in accepted]
        return missing(arrived, self.published, self.ask.model, time.time())


def missing(received: Sequence[Received], published: Collection[Published], model: Model, now: float) -> list[Any]:
    """What is due and did not arrive: everything in the log, and what the model is sure of.

    A posted story is delivered once for each revision, but each time as it is then.
    """
    arrived = {(each.topic, each.story_id, detail(each)) for each in received}
    found: list[Any] = sorted(
        each for each in published if each[0] in WEBHOOK_EVENTS and each[0] != "story-posted" and each not in arrived
    )
    revisions, ids = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for topic, story_id, revision in published:
        if topic == "story-posted":
            revisions[story_id].add(revision)
    for each in received:
        if each.topic == "story-posted":
            ids[each.story_id].add(each.id)
    found += [(story, len(each), len(ids[story])) for story, each in revisions.items() if len(ids[story]) < len(each)]
    kinds = {(topic, story_id) for topic, story_id, _ in arrived}
    return found + [each for each in due(model, now) if each not in kinds]


def due(model: Model, now: float) -> Iterator[tuple[str, str]]:
    """The events of stories that certainly happened."""
    for story in model.stories:
        if not story.id or story.live_at is None or story.expires_at is None:
            continue
        deletions = [change.started for change in story.deleted.changes if change.value]
        if min(deletions, default=now) >= min(now, story.live_at + UNPUBLISHED_S):
            yield "story-posted", story.id
        if not story.maybe_deleted and story.expires_at < now - DELIVERED_S:
            yield "story-expired", story.id
        if story.deleted.possible(story.expires_at - ISOLATED_S, story.expires_at) == {True}:
            yield "story-deleted", story.id


def detail(received: Received) -> str:
    """What tells events of one story and kind apart."""
    content: Mapping[str, Any] = received.event["data"]
    names = {"comment-created": "comment_id", "user-mentioned": "user_id"}
    return str(content[names[received.topic]]) if received.topic in names else ""


def wrong_deliveries(received: Sequence[Received], model: Model) -> Iterator[Problem]:
    """What must not have been delivered, and ids that are not the same for the same event."""
    events: dict[str, tuple[str, str, str]] = {}
    ids: dict[tuple[str, str, str], str] = {}
    for each in received:
        about = {"topic": each.topic, "story": each.story_id, "id": each.id}
        story = model.by_id.get(each.story_id)
        if story is None or not happened(each, story):
            yield "only what happened is delivered", {**about, "event": each.event}
            continue
        if LEFT_OUT.search(each.body):
            yield "webhooks leave out captions, layers and comments", about
        if each.topic == "story-insights-sealed" and any(user.encode() in each.body for user in model.users):
            yield "sealed insights name nobody", about
        event = each.topic, str(each.event["id"]), each.story_id
        if events.setdefault(each.id, event) != event:
            yield "a retry has the same webhook-id and event", {**about, "events": [events[each.id], event]}
        known = each.topic, each.story_id, detail(each)
        if each.topic != "story-posted" and ids.setdefault(known, each.id) != each.id:
            yield "an event has one webhook-id", {**about, "other": ids[known]}


def happened(received: Received, story: Story) -> bool:
    """Whether the model allows this event, when it arrived."""
    content, at = received.event["data"], received.at
    begun = [change.started for change in story.deleted.changes if change.value]
    if content.get("author_id", story.author) != story.author:
        return False
    if received.topic == "story-posted":
        if story.publish_at is not None and at < min(story.publish_at.possible(at, at)):
            return False
        return story.state in {"publishing", "live", "gone"}
    if received.topic == "story-expired":
        return story.expires_at is None or story.expires_at <= at
    if received.topic == "story-deleted":
        return any(started <= at for started in begun)
    if received.topic == "story-insights-sealed":
        ended = story.expires_at or 0.0
        return ended <= at and story.deleted.possible(ended - ISOLATED_S, ended) != {True}
    if received.topic == "user-mentioned":
        return content["user_id"] in story.mentions
    if received.topic == "comment-created":
        return any(
            content["comment_id"] == comment.id
            or (comment.id is None and not comment.refused and comment.viewer == content["user_id"])
            for comment in story.comments.values()
        )
    return False
