"""Webhooks for admins: endpoints and their deliveries."""

import base64
import binascii
import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response
from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.http.authentication import AdminCaller
from stories_shared.http.bodies import Body, StoryId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.idempotency import Idempotent, run_once
from stories_shared.http.openapi import refusals
from stories_shared.http.paging import Cursors, Page, Paged
from stories_shared.http.problems import invalid, problem
from stories_shared.http.rate_limits import rate_limited
from stories_shared.mongo.idempotency import IdempotencyStore

from stories_engagement.domain.errors import EngagementError
from stories_engagement.domain.webhooks import (
    MAX_WEBHOOKS,
    BadUrl,
    DeliveryState,
    Webhook,
    WebhookEvent,
    check_url,
)
from stories_engagement.routes.dependencies import Moment
from stories_engagement.usecases.webhooks import DeliveryRepository, WebhookRepository, delivery_for_test

SECRET_BYTES = 32
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
"""Of a secret, by the specification of Standard Webhooks."""

SECRET_PATTERN = r"^whsec_[A-Za-z0-9+/]{32,88}={0,2}$"  # noqa: S105
Url = Annotated[
    str, Field(max_length=2_048, description="https, without credentials", examples=["https://example.com/hook"])
]
Events = Annotated[list[WebhookEvent], Field(min_length=1, max_length=6, description="the events to deliver")]
Secret = Annotated[
    str | None,
    Field(pattern=SECRET_PATTERN, description="`whsec_` and 24 to 64 bytes in base64; null: the service makes one"),
]


class WebhookCreate(Body):
    """An endpoint and the events that it gets."""

    url: Url
    events: Events
    secret: Secret = None


class WebhookChanges(Body):
    """What to change; what is not sent stays. A new secret takes effect with the next attempt."""

    url: Url | None = None
    events: Events | None = None
    secret: Secret = None
    enabled: bool | None = Field(None, description="false: deliveries wait, and new events are not queued")


class WebhookResponse(BaseModel):
    """An endpoint. `secret` is shown once, when it was made."""

    id: str
    url: str
    events: Annotated[list[WebhookEvent], Field(description="the events that it gets")]
    enabled: Annotated[bool, Field(description="whether events are queued and delivered")]
    created_at: Moment
    secret: Annotated[str | None, Field(description="the secret, when it was made; null in every other answer")]


class DeliveryResponse(BaseModel):
    """One event for one endpoint. `last_error` says in a word why the last attempt failed."""

    id: str
    event: Annotated[str, Field(description="the event's name, such as `story-posted`")]
    event_id: Annotated[str, Field(description="the `id` of the CloudEvent")]
    story_id: str
    state: DeliveryState
    attempts: Annotated[int, Field(description="how many attempts there were")]
    created_at: Moment
    next_attempt_at: Annotated[
        Moment | None, Field(validation_alias="next_at", description="when it is tried next; null once it has ended")
    ]
    last_attempt_at: Annotated[
        Moment | None, Field(description="when it was tried last; null before the first attempt")
    ]
    last_status: Annotated[int | None, Field(description="the endpoint's last HTTP status; null without an answer")]
    last_error: Annotated[str | None, Field(description="why the last attempt failed, in a word; null if it did not")]
    delivered_at: Annotated[Moment | None, Field(description="when the endpoint accepted it")]


def new_secret() -> str:
    """A random secret."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def check_secret(secret: str) -> str:
    """The secret, if it is base64 of a good length; otherwise 422."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise invalid("must be base64", "body", "secret") from error
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise invalid("must have 24 to 64 bytes", "body", "secret")
    return secret


def webhook_response(webhook: Webhook, secret: str | None = None) -> WebhookResponse:
    """The response for an endpoint, with this secret instead of its own."""
    return WebhookResponse.model_validate(asdict(webhook) | {"secret": secret})


def webhook_routes(
    webhooks: WebhookRepository,
    deliveries: DeliveryRepository,
    wake: Callable[[str], None],
    claims: IdempotencyStore,
    cursors: Cursors,
    now: Clock,
    *,
    allow_private: bool,
) -> APIRouter:
    """Endpoints and their deliveries, for admins."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Administration"])

    def checked_url(url: str) -> str:
        try:
            check_url(url, allow_private=allow_private)
        except BadUrl as error:
            raise invalid(str(error), "body", "url") from error
        return url

    @router.post(
        "/v1/admin/webhooks",
        status_code=201,
        dependencies=[rate_limited("writes")],
        responses=refusals("wrong-state"),
    )
    async def create_webhook(body: WebhookCreate, caller: AdminCaller, idempotency: Idempotent) -> WebhookResponse:
        """Add an endpoint. The answer alone holds its secret; for a repeated idempotency key it is null."""
        url, secret = checked_url(body.url), check_secret(body.secret) if body.secret else new_secret()

        async def make(webhook_id: str) -> WebhookResponse:
            events = tuple(dict.fromkeys(body.events))
            webhook = Webhook(webhook_id, url, events, secret, truncate_to_ms(now()))
            if not await webhooks.add(webhook):
                raise problem("wrong-state", f"there are {MAX_WEBHOOKS} webhooks")
            return webhook_response(webhook, secret)

        async def find(webhook_id: str) -> WebhookResponse:
            return webhook_response(await webhooks.get(webhook_id))

        return await run_once(
            claims, caller.user_id, idempotency, make, find, refusals=(EngagementError,), under="webhooks/"
        )

    @router.get("/v1/admin/webhooks", dependencies=[rate_limited("reads")])
    async def list_webhooks(caller: AdminCaller, page: Paged) -> Page[WebhookResponse]:
        """The endpoints, the oldest first; at most 50 of them exist."""
        after = cursors.position("webhooks", caller.user_id, page, tuple[str])
        found = [webhook for webhook in await webhooks.all() if after is None or webhook.id > after[0]]
        shown, cursor = cursors.cut("webhooks", caller.user_id, page, found, lambda webhook: [webhook.id])
        return Page(items=[webhook_response(webhook) for webhook in shown], next_cursor=cursor)

    @router.get("/v1/admin/webhooks/{webhook_id}", dependencies=[rate_limited("reads")])
    async def get_webhook(webhook_id: StoryId, _caller: AdminCaller) -> WebhookResponse:
        """One endpoint."""
        return webhook_response(await webhooks.get(webhook_id))

    @router.patch("/v1/admin/webhooks/{webhook_id}", dependencies=[rate_limited("writes")])
    async def change_webhook(webhook_id: StoryId, body: WebhookChanges, _caller: AdminCaller) -> WebhookResponse:
        """Change an endpoint. Deliveries that wait go to the new URL."""
        changes: dict[str, Any] = {}
        if body.url is not None:
            changes["url"] = checked_url(body.url)
        if body.events is not None:
            changes["events"] = list(dict.fromkeys(body.events))
        if body.secret is not None:
            changes["secret"] = check_secret(body.secret)
        if body.enabled is not None:
            changes["enabled"] = body.enabled
        return webhook_response(await webhooks.change(webhook_id, changes))

    @router.delete("/v1/admin/webhooks/{webhook_id}", status_code=204, dependencies=[rate_limited("writes")])
    async def delete_webhook(webhook_id: StoryId, _caller: AdminCaller) -> Response:
        """Delete an endpoint with its deliveries."""
        await webhooks.delete(webhook_id)
        return Response(status_code=204)

    @router.post("/v1/admin/webhooks/{webhook_id}/test", status_code=202, dependencies=[rate_limited("writes")])
    async def test_webhook(webhook_id: StoryId, caller: AdminCaller) -> DeliveryResponse:  # noqa: ARG001  (it authorizes)
        """Queue an event `stories.webhook-test.v1` for the endpoint."""
        webhook = await webhooks.get(webhook_id)
        delivery = delivery_for_test(webhook.id, truncate_to_ms(now()))
        await deliveries.add([delivery])
        wake(webhook.id)
        return DeliveryResponse.model_validate(delivery, from_attributes=True)

    @router.get("/v1/admin/webhooks/{webhook_id}/deliveries", dependencies=[rate_limited("reads")])
    async def list_deliveries(webhook_id: StoryId, caller: AdminCaller, page: Paged) -> Page[DeliveryResponse]:
        """Deliveries, the newest first: pending ones, those of the last 72 hours, dead ones for 7 days."""
        await webhooks.get(webhook_id)
        name = f"deliveries {webhook_id}"
        after = cursors.position(name, caller.user_id, page, tuple[datetime, str])
        found = await deliveries.page(webhook_id, after, page.limit + 1)
        shown, cursor = cursors.cut(name, caller.user_id, page, found, lambda each: [each.created_at, each.id])
        return Page(
            items=[DeliveryResponse.model_validate(delivery, from_attributes=True) for delivery in shown],
            next_cursor=cursor,
        )

    @router.post(
        "/v1/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/retry",
        status_code=202,
        dependencies=[rate_limited("writes")],
    )
    async def retry_delivery(webhook_id: StoryId, delivery_id: StoryId, _caller: AdminCaller) -> DeliveryResponse:
        """Deliver once more, now; where that fails, for 24 hours from now on."""
        await webhooks.get(webhook_id)
        delivery = await deliveries.retry(webhook_id, delivery_id, truncate_to_ms(now()))
        wake(webhook_id)
        return DeliveryResponse.model_validate(delivery, from_attributes=True)

    return router
