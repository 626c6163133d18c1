"""HTTP routes: receipts of erased stories, erasure of accounts."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema
from stories_shared.clock import Clock, rfc3339
from stories_shared.http.authentication import AdminCaller, CurrentCaller
from stories_shared.http.bodies import StoryId, UserId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.idempotency import Idempotent, run_once
from stories_shared.http.problems import not_found
from stories_shared.http.rate_limits import rate_limited
from stories_shared.mongo.idempotency import IdempotencyStore

from stories_expiry.domain.accounts import AccountReceipt, Service
from stories_expiry.domain.endings import Ended, Receipt, Store
from stories_expiry.usecases.accounts import EraseAccount
from stories_expiry.usecases.ports import AccountRepository, StoryRepository
from stories_expiry.usecases.receipts import ReadReceipt

ACCEPTED = 202

Moment = Annotated[
    datetime, PlainSerializer(rfc3339, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]


class StoryReceiptResponse(BaseModel):
    """How far the erasure of an ended story has come; a store that has not answered is null."""

    story_id: str
    ended: Annotated[Ended, Field(description="how it ended")]
    ended_at: Annotated[Moment, Field(description="when it ended")]
    erased: Annotated[
        dict[Store, Moment | None],
        Field(
            description="when each store erased it; null until then. `archive` is there if its author kept it, "
            "`moderation` if it was held"
        ),
    ]
    complete: Annotated[bool, Field(description="whether its public life is over in every store")]
    archived: Annotated[bool, Field(description="whether its author still keeps it in the archive")]
    completed_at: Annotated[Moment | None, Field(description="when the last store confirmed; null until then")]
    log_clears_by: Annotated[Moment, Field(description="when the last Kafka record about it is gone, at the latest")]
    held: Annotated[
        str | None, Field(description="`moderation` while the media of a reported story is still kept; else null")
    ]


class ErasureAuditResponse(BaseModel):
    """How many ended stories wait for each store, and how long the oldest has waited, in seconds."""

    open: Annotated[dict[Store, int], Field(description="ended stories that wait for each store")]
    oldest_s: Annotated[float, Field(description="seconds that the oldest of them has waited")]


class UserErasureResponse(BaseModel):
    """Which services have forgotten a user; one that has not answered is null."""

    receipt_id: Annotated[str, Field(description="the receipt's id")]
    user_id: str
    at: Annotated[Moment, Field(description="as of when the user is erased")]
    erased: Annotated[
        dict[Service, Moment | None], Field(description="when each service erased the user; null until then")
    ]
    complete: bool


def http_routes(
    read_receipt: ReadReceipt,
    erase_account: EraseAccount,
    stories: StoryRepository,
    accounts: AccountRepository,
    claims: IdempotencyStore,
    now: Clock,
) -> APIRouter:
    """Every route of expiry."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Erasure"])

    @router.get("/v1/stories/{story_id}/receipt", dependencies=[rate_limited("reads")])
    async def get_story_receipt(story_id: StoryId, caller: CurrentCaller) -> StoryReceiptResponse:
        """The record that every store has erased an ended story. For its author and admins; 404 while it lives."""
        found = await read_receipt(story_id, caller.user_id, admin=caller.is_admin)
        if found is None:
            raise not_found()
        return receipt_response(*found)

    @router.get("/v1/admin/erasure", dependencies=[rate_limited("reads")])
    async def get_erasure_audit(_caller: AdminCaller) -> ErasureAuditResponse:
        """What has ended and is not erased everywhere yet."""
        audit = await stories.audit(now())
        return ErasureAuditResponse(open=dict(audit.open), oldest_s=max(audit.oldest_s.values()))

    @router.post("/v1/admin/users/{user_id}/erasure", status_code=ACCEPTED, dependencies=[rate_limited("writes")])
    async def erase_user(user_id: UserId, caller: AdminCaller, idempotency: Idempotent) -> UserErasureResponse:
        """Have every service forget a user as of now."""

        async def erase(receipt_id: str) -> AccountReceipt:
            return await erase_account(user_id, receipt_id)

        receipt = await run_once(claims, caller.user_id, idempotency, erase, erase, status=ACCEPTED)
        return account_receipt_response(receipt)

    @router.get("/v1/admin/users/{user_id}/erasure", dependencies=[rate_limited("reads")])
    async def get_user_erasure(user_id: UserId, _caller: AdminCaller) -> UserErasureResponse:
        """Which services have forgotten the user, by the newest demand."""
        found = await accounts.latest(user_id)
        if found is None:
            raise not_found()
        return account_receipt_response(found)

    return router


def receipt_response(receipt: Receipt, log_clears_by: datetime) -> StoryReceiptResponse:
    """The response for a receipt."""
    return StoryReceiptResponse(
        story_id=receipt.story_id,
        ended=receipt.ended,
        ended_at=receipt.ended_at,
        erased={store: receipt.erased.get(store) for store in receipt.stores},
        complete=receipt.complete,
        archived=receipt.archived,
        completed_at=receipt.completed_at,
        log_clears_by=log_clears_by,
        held=receipt.held,
    )


def account_receipt_response(receipt: AccountReceipt) -> UserErasureResponse:
    """The response for an account's receipt."""
    return UserErasureResponse(
        receipt_id=receipt.receipt_id,
        user_id=receipt.user_id,
        at=receipt.at,
        erased={service: receipt.erased.get(service) for service in receipt.expected},
        complete=receipt.complete,
    )
