"""One suite over every store of account erasures: the fake and the real one on both drivers."""

from datetime import timedelta

import pytest
from stories_expiry.domain.accounts import SERVICES, ErasureRequest, ServiceConfirmation
from stories_expiry.store import MongoAccounts, MongoReplicas
from stories_expiry.testing import MemoryAccounts, MemoryReplicas
from stories_shared.events.ids import new_id
from stories_shared.testing import FakeClock

pytestmark = pytest.mark.servers
Store = MongoAccounts | MemoryAccounts


async def test_erasure_request_completes_with_the_last_service(accounts: Store, clock: FakeClock) -> None:
    erasure = ErasureRequest(new_id(), "ann", clock(), new_id())
    receipt = await accounts.open_receipt(erasure, clock(), published=False)
    assert (receipt.user_id, receipt.at, receipt.erased, receipt.complete) == ("ann", clock(), {}, False)
    for service in SERVICES:
        answer = ServiceConfirmation(erasure.receipt_id, "ann", service, clock.forward(seconds=1))
        await accounts.accept(answer, clock())
        await accounts.accept(answer, clock())
    closed = await accounts.latest("ann")
    assert closed is not None
    assert closed.complete
    assert closed.erased["ingest"] == erasure.at + timedelta(seconds=1)


async def test_repeated_erasure_request_changes_nothing(accounts: Store, clock: FakeClock) -> None:
    erasure = ErasureRequest(new_id(), "ann", clock(), new_id())
    first = await accounts.open_receipt(erasure, clock(), published=True)
    later = ErasureRequest(erasure.receipt_id, "ann", clock.forward(seconds=9), new_id())
    assert await accounts.open_receipt(later, clock(), published=True) == first


async def test_latest_request_is_the_users_receipt(accounts: Store, clock: FakeClock) -> None:
    assert await accounts.latest("ann") is None
    await accounts.open_receipt(ErasureRequest(new_id(), "ann", clock(), new_id()), clock(), published=True)
    newest = ErasureRequest(new_id(), "ann", clock.forward(days=1), new_id())
    await accounts.open_receipt(newest, clock(), published=True)
    await accounts.open_receipt(
        ErasureRequest(new_id(), "bob", clock.forward(days=1), new_id()), clock(), published=True
    )
    receipt = await accounts.latest("ann")
    assert receipt is not None
    assert receipt.receipt_id == newest.receipt_id


async def test_confirmation_before_its_request_counts(accounts: Store, clock: FakeClock) -> None:
    receipt_id = new_id()
    await accounts.accept(ServiceConfirmation(receipt_id, "ann", "feed", clock()), clock())
    assert await accounts.latest("ann") is None
    receipt = await accounts.open_receipt(ErasureRequest(receipt_id, "ann", clock(), new_id()), clock(), published=True)
    assert receipt.erased == {"feed": clock()}


async def test_erasure_request_is_resent_until_confirmed(accounts: Store, clock: FakeClock) -> None:
    receipt_id = new_id()
    await accounts.open_receipt(ErasureRequest(receipt_id, "ann", clock(), new_id()), clock(), published=True)
    assert await accounts.mark_for_resend(clock.forward(seconds=14), 10) == 0
    assert await accounts.mark_for_resend(clock.forward(seconds=1), 10) == 1
    assert await accounts.mark_for_resend(clock(), 10) == 0
    for service in SERVICES:
        await accounts.accept(ServiceConfirmation(receipt_id, "ann", service, clock()), clock())
    assert await accounts.mark_for_resend(clock.forward(days=1), 10) == 0


async def test_replicas_with_a_recent_heartbeat_are_live(
    replicas: MongoReplicas | MemoryReplicas, clock: FakeClock
) -> None:
    assert await replicas.heartbeat("b", clock()) == ("b",)
    assert await replicas.heartbeat("a", clock.forward(seconds=3)) == ("a", "b")
    assert await replicas.heartbeat("a", clock.forward(seconds=3)) == ("a",)
