"""Webhooks: queue deliveries for events, and deliver those that are due."""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from stories_shared.clock import Clock, epoch_ms, rfc3339, truncate_to_ms
from stories_shared.concurrency import gather_limited
from stories_shared.events import Event, StoryDeleted, StoryExpired, StoryPosted, encode
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import deterministic_id, new_id

from stories_engagement.domain.webhooks import (
    CONTENT_WAIT,
    GIVE_UP_AFTER,
    TEST_EVENT,
    Attempt,
    Delivery,
    Outcome,
    Webhook,
    retry_delay,
)
from stories_engagement.usecases.paging import Position

CONTENT_RETRY = timedelta(seconds=1)
NOT_DELIVERED = ("layers", "caption", "captions_track")
"""Fields of a posted story that webhooks leave out (contract)."""

USER_FIELDS = ("author_id", "user_id")
decode = msgspec.json.Decoder(type=dict[str, Any]).decode


class WebhookRepository(Protocol):
    """Stores endpoints."""

    async def add(self, webhook: Webhook) -> bool: ...

    async def all(self) -> list[Webhook]: ...

    async def of_event(self, event: str) -> Sequence[Webhook]: ...

    async def get(self, webhook_id: str) -> Webhook: ...

    async def change(self, webhook_id: str, changes: dict[str, Any]) -> Webhook: ...

    async def delete(self, webhook_id: str) -> None: ...

    async def remove_deleted(self) -> bool:
        """Remove a batch of what is left of deleted endpoints; whether there may be more."""


class DeliveryRepository(Protocol):
    """Stores deliveries."""

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store deliveries; those that exist already stay as they are."""

    async def due(self, webhook_id: str, now: datetime) -> Sequence[Delivery]:
        """The first delivery of each story that is due, at most a batch."""

    async def content(self, story_id: str) -> tuple[bytes | None, bool]:
        """The event of a live story, and whether the story has ended."""

    async def record(self, webhook_id: str, outcomes: Sequence[Outcome]) -> None:
        """Store what became of deliveries. After one that ended late, the next one of its story is due now."""

    async def page(self, webhook_id: str, after: Position | None, limit: int) -> list[Delivery]: ...

    async def retry(self, webhook_id: str, delivery_id: str, now: datetime) -> Delivery: ...


Send = Callable[[str, dict[str, str], bytes], Awaitable[Attempt]]
"""Sends headers and a body to a URL; within a bounded time, and never raises for what the endpoint does."""


@dataclass(frozen=True, slots=True)
class QueueDeliveries:
    """Queue each event for every endpoint that asked for it. A redelivered event finds its deliveries stored."""

    webhooks: WebhookRepository
    deliveries: DeliveryRepository
    wake: Callable[[str], None]
    now: Clock

    async def __call__(self, records: Sequence[ReceivedEvent[Any]]) -> None:
        """Store the deliveries. Deletions from outside are left out: ingest publishes them again."""
        queued = [record for record in records if record.is_internal or not isinstance(record.event, StoryDeleted)]
        webhooks = await self.webhooks.of_event(queued[0].event.topic) if queued else ()
        if not webhooks:
            return
        now = truncate_to_ms(self.now())
        await self.deliveries.add([delivery_of(record, webhook.id, now) for record in queued for webhook in webhooks])
        for webhook in webhooks:
            self.wake(webhook.id)


@dataclass(frozen=True, slots=True)
class DeliverDue:
    """Deliver what is due at one endpoint: stories concurrently, the events of one story in their order."""

    deliveries: DeliveryRepository
    count: Callable[[str], None]
    now: Clock

    async def __call__(self, webhook: Webhook, send: Send) -> bool:
        """One bounded round; whether there was anything to do."""
        due = await self.deliveries.due(webhook.id, self.now())
        outcomes: list[Outcome] = []

        async def deliver(delivery: Delivery) -> None:
            outcomes.append(await self._deliver(webhook, delivery, send))

        try:
            await gather_limited(deliver, due)
        finally:  # also when the service stops: what has arrived is not sent again
            await self.deliveries.record(webhook.id, outcomes)
        for outcome in outcomes:
            if outcome.attempt is not None:
                self.count("failed" if outcome.state == "pending" else outcome.state)
        return bool(due)

    async def _deliver(self, webhook: Webhook, delivery: Delivery, send: Send) -> Outcome:
        data = await self._data(delivery)
        if data is None:
            now = self.now()
            return Outcome(delivery, None, now, "pending", now + CONTENT_RETRY)
        body = cloudevent(delivery, data)
        attempt = await send(webhook.url, signed_headers(webhook.secret, delivery.id, self.now(), body), body)
        now = truncate_to_ms(self.now())
        if attempt.succeeded:
            return Outcome(delivery, attempt, now, "delivered")
        if now - delivery.first_at >= GIVE_UP_AFTER:
            return Outcome(delivery, attempt, now, "dead")
        return Outcome(delivery, attempt, now, "pending", now + retry_delay(delivery.attempts + 1))

    async def _data(self, delivery: Delivery) -> dict[str, Any] | None:
        """The event's data; None while the story is not stored yet. Of an ended story only ids and times are left."""
        data = decode(delivery.data)
        if delivery.event != StoryPosted.topic:
            return data
        event, ended = await self.deliveries.content(delivery.story_id)
        story = decode(event) if event is not None else {}
        if story.get("revision", 0) >= delivery.revision:
            return {name: value for name, value in story.items() if name not in NOT_DELIVERED}
        return data if ended or self.now() - delivery.created_at > CONTENT_WAIT else None


def delivery_of(record: ReceivedEvent[Any], webhook_id: str, now: datetime) -> Delivery:
    """The delivery of an event, with an id that is the same at every redelivery of the event."""
    event: Event = record.event
    identity, data, revision = record.identity, encode(event), 0
    if isinstance(event, StoryPosted):  # published again with the same revision after a doubt
        identity, revision = f"{event.story_id}#{event.revision}", event.revision
        kept = {name: getattr(event, name) for name in ("story_id", "author_id", "revision")}
        times = {"posted_at": rfc3339(event.posted_at), "expires_at": rfc3339(event.expires_at)}
        data = msgspec.json.encode(kept | times)
    elif isinstance(event, StoryDeleted | StoryExpired):  # once per story; expiry publishes it again as its own
        identity = event.story_id
    users = {getattr(event, name, None) for name in USER_FIELDS}
    return Delivery(
        id=deterministic_id(f"{webhook_id}/{event.topic}/{identity}"),
        webhook_id=webhook_id,
        event=event.topic,
        event_id=record.id or deterministic_id(identity),
        source=record.source or "/stories/engagement",
        at=record.produced_at or record.appended_at,
        story_id=event.key,
        order=f"{epoch_ms(record.appended_at):014d}-{record.offset:020d}",
        data=data,
        created_at=now,
        first_at=now,
        user_ids=tuple(sorted(user for user in users if user is not None)),
        revision=revision,
        next_at=now,
    )


def delivery_for_test(webhook_id: str, now: datetime) -> Delivery:
    """A delivery that tests an endpoint."""
    delivery_id, event_id = new_id(), new_id()
    return Delivery(
        id=delivery_id,
        webhook_id=webhook_id,
        event=TEST_EVENT,
        event_id=event_id,
        source="/stories/engagement",
        at=now,
        story_id=event_id,
        order=f"{epoch_ms(now):014d}",
        data=b"{}",
        created_at=now,
        first_at=now,
        next_at=now,
    )


def cloudevent(delivery: Delivery, data: dict[str, Any]) -> bytes:
    """The body: a CloudEvent in structured mode."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": delivery.event_id,
            "source": delivery.source,
            "type": f"stories.{delivery.event}.v1",
            "subject": delivery.story_id,
            "time": rfc3339(delivery.at),
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def signed_headers(secret: str, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks, scheme `v1`: HMAC-SHA-256 of id, time and body."""
    timestamp = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/cloudevents+json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        "user-agent": "stories-webhooks",
    }
