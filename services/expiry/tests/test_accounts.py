"""Use cases of account erasure, on fakes."""

from datetime import timedelta

from stories_expiry.testing import MemoryAccounts, MemoryStories, record
from stories_expiry.usecases.accounts import AcceptServiceConfirmation, EraseAccount, EraseUserData
from stories_expiry.usecases.endings import OutageDetector, ResendUnconfirmed
from stories_shared.events import Event, UserDataErased, UserErased
from stories_shared.events.ids import deterministic_id, new_id
from stories_shared.testing import FakeClock


class Published:
    """Collects published events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def __call__(self, event: Event) -> None:
        self.events.append(event)


async def test_requested_erasure_is_pending_and_confirmed_by_expiry() -> None:
    clock, accounts, published, wakeups = FakeClock(), MemoryAccounts(), Published(), []
    receipt = await EraseAccount(accounts, clock, lambda: wakeups.append(1))("ann", new_id())
    assert accounts.rows[receipt.receipt_id].pending
    assert wakeups == [1]
    echo = UserErased(user_id="ann", at=receipt.at, receipt_id=receipt.receipt_id)
    erase = EraseUserData(accounts, MemoryStories(), published, clock)
    for _ in range(2):
        await erase(record(echo, clock(), source="/stories/expiry"))
    answer = UserDataErased(receipt_id=receipt.receipt_id, user_id="ann", service="expiry", erased_at=clock())
    assert published.events == [answer, answer]
    assert len(accounts.rows) == 1


async def test_external_erasure_derives_its_receipt_id() -> None:
    clock, accounts, published = FakeClock(), MemoryAccounts(), Published()
    request = record(UserErased(user_id="ann", at=clock() + timedelta(days=1)), clock(), source=None)
    erase = EraseUserData(accounts, MemoryStories(), published, clock)
    await erase(request)
    await erase(request)
    receipt = await accounts.latest("ann")
    assert receipt is not None
    assert receipt.receipt_id == deterministic_id(request.identity)
    assert receipt.at == clock()
    assert len(accounts.rows) == 1


async def test_receipt_completes_when_all_services_have_confirmed() -> None:
    clock, accounts = FakeClock(), MemoryAccounts()
    receipt = await EraseAccount(accounts, clock, lambda: None)("ann", new_id())
    for service in ("ingest", "feed", "engagement", "expiry"):
        open_still = await accounts.latest("ann")
        assert open_still is not None
        assert not open_still.complete
        published = UserDataErased(receipt_id=receipt.receipt_id, user_id="ann", service=service, erased_at=clock())  # type: ignore[arg-type]
        await AcceptServiceConfirmation(
            accounts, ResendUnconfirmed(accounts, clock, lambda: None), OutageDetector(clock), clock
        )(published)
    closed = await accounts.latest("ann")
    assert closed is not None
    assert closed.complete
