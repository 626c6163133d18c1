"""Use cases of endings and receipts, on fakes."""

from datetime import timedelta

import pytest
from stories_expiry.testing import MemoryStories, record
from stories_expiry.usecases.endings import AcceptConfirmations, OutageDetector, RecordDeletion, ResendUnconfirmed
from stories_expiry.usecases.receipts import ReadReceipt
from stories_shared.errors import InvalidMessage
from stories_shared.events import StoryDeleted, StoryErased
from stories_shared.events.ids import new_id
from stories_shared.testing import FakeClock


def deleted(clock: FakeClock, by: str = "author") -> StoryDeleted:
    return StoryDeleted(story_id=new_id(), author_id="ann", deleted_at=clock(), by=by)  # type: ignore[arg-type]


async def test_only_the_author_and_admins_get_the_receipt() -> None:
    clock, stories = FakeClock(), MemoryStories()
    event = deleted(clock)
    await RecordDeletion(stories, clock)([record(event, clock())])
    read = ReadReceipt(stories, timedelta(days=8))
    own = await read(event.story_id, "ann", admin=False)
    assert own is not None
    receipt, log_clears_by = own
    assert receipt.ended == "deleted"
    assert log_clears_by == clock() + timedelta(days=8)
    assert await read(event.story_id, "eve", admin=True) == own
    assert await read(event.story_id, "eve", admin=False) is None
    assert await read(new_id(), "ann", admin=True) is None


@pytest.mark.parametrize("by", ["author", "erasure"])
async def test_external_deletion_as_author_or_erasure_is_refused(by: str) -> None:
    clock, stories = FakeClock(), MemoryStories()
    with pytest.raises(InvalidMessage):
        await RecordDeletion(stories, clock)([record(deleted(clock, by), clock(), source=None)])
    assert stories.rows == {}


async def test_external_author_is_ignored_and_its_time_capped() -> None:
    clock, stories = FakeClock(), MemoryStories()
    event = StoryDeleted(story_id=new_id(), author_id="eve", deleted_at=clock() + timedelta(days=1), by="admin")
    await RecordDeletion(stories, clock)([record(event, clock(), source="/moderation")])
    receipt = await stories.receipt(event.story_id)
    assert receipt is not None
    assert (receipt.author_id, receipt.ended_at) == (None, clock())


async def test_receipt_completes_with_the_last_store() -> None:
    clock, stories = FakeClock(), MemoryStories()
    event = deleted(clock)
    await RecordDeletion(stories, clock)([record(event, clock())])
    clock.forward(seconds=3)
    answers = [
        record(StoryErased(story_id=event.story_id, store=store, erased_at=clock()), clock())  # type: ignore[arg-type]
        for store in ("media", "feed", "engagement")
    ]
    accept = AcceptConfirmations(stories, ResendUnconfirmed(stories, clock, lambda: None), OutageDetector(clock), clock)
    assert [answered.after_s for answered in await accept(answers)] == [3.0, 3.0, 3.0]
    assert await accept(answers) == []
    receipt = await stories.receipt(event.story_id)
    assert receipt is not None
    assert receipt.complete


async def test_resend_wakes_the_outbox_only_for_late_endings() -> None:
    clock, stories, wakeups = FakeClock(), MemoryStories(), []
    await RecordDeletion(stories, clock)([record(deleted(clock), clock())])
    resend = ResendUnconfirmed(stories, clock, lambda: wakeups.append(clock()))
    assert await resend() == 0
    clock.forward(seconds=15)
    assert await resend() == 1
    assert wakeups == [clock()]


async def test_recovered_store_gets_open_endings_at_once() -> None:
    clock, stories = FakeClock(), MemoryStories()
    opened = deleted(clock)
    await RecordDeletion(stories, clock)([record(opened, clock())])
    resend = ResendUnconfirmed(stories, clock, lambda: None)
    accept = AcceptConfirmations(stories, resend, OutageDetector(clock), clock)
    for seconds in (15, 30, 60):
        clock.forward(seconds=seconds)
        assert await resend() == 1

    async def answer() -> None:
        await accept([record(StoryErased(story_id=new_id(), store="feed", erased_at=clock()), clock())])

    await answer()
    assert await resend() == 1
    clock.forward(seconds=15)
    assert await resend() == 1
    clock.forward(seconds=1)
    await answer()
    assert await resend() == 1
    clock.forward(seconds=15)
    assert await resend() == 1
    await answer()
    assert await resend() == 0
