"""One suite over every store of stories: the fake and the real one on both drivers."""

import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from stories_embedded.testing import IsolatedNamespace
from stories_expiry.domain.endings import MARK_RETENTION, STORES, Deletion, ErasureConfirmation
from stories_expiry.domain.timers import Due, Timer
from stories_expiry.store import MongoStories
from stories_expiry.testing import MemoryStories
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.testing import FakeClock

pytestmark = pytest.mark.servers
Store = MongoStories | MemoryStories


def timer(clock: FakeClock, story_id: str | None = None, revision: int = 1, lives_s: float = 10) -> Timer:
    return Timer(story_id or new_id(), "ann", clock(), clock() + timedelta(seconds=lives_s), revision)


def deletion(story_id: str, at: datetime, author_id: str | None = "ann", by: str = "author") -> Deletion:
    return Deletion(story_id, author_id, at, by, new_id())  # type: ignore[arg-type]


def answers(story_id: str, at: datetime) -> list[ErasureConfirmation]:
    return [ErasureConfirmation(story_id, store, at) for store in STORES]


async def test_a_timer_is_due_at_its_time_and_fires_once(stories: Store, clock: FakeClock) -> None:
    set_ = timer(clock)
    assert await stories.arm([set_]) == {set_.story_id}
    assert await stories.fire([set_.story_id], clock.forward(seconds=9.999)) == set()
    assert await stories.due(clock(), clock() + timedelta(seconds=1), 10) == [
        Due(set_.expires_at, set_.story_id, local_only=False)
    ]
    assert await stories.fire([set_.story_id], clock.forward(milliseconds=1)) == {set_.story_id}
    assert await stories.fire([set_.story_id], clock()) == set()
    assert await stories.due(clock() - timedelta(days=1), clock() + timedelta(days=1), 10) == []


async def test_only_a_higher_revision_moves_the_timer(stories: Store, clock: FakeClock) -> None:
    first = timer(clock, revision=2)
    await stories.arm([first, first])
    await stories.arm([timer(clock, first.story_id, revision=1, lives_s=99)])
    (due,) = await stories.due(clock(), clock() + timedelta(days=1), 10)
    assert due.at == first.expires_at
    await stories.arm([timer(clock, first.story_id, revision=3, lives_s=99)])
    (due,) = await stories.due(clock(), clock() + timedelta(days=1), 10)
    assert due.at == clock() + timedelta(seconds=99)


async def test_an_ended_story_gets_no_timer_again(stories: Store, clock: FakeClock) -> None:
    expired, deleted = timer(clock), timer(clock)
    await stories.arm([expired])
    await stories.fire([expired.story_id], clock.forward(seconds=10))
    await stories.delete([deletion(deleted.story_id, clock())], clock())
    again = [timer(clock, each.story_id, revision=9, lives_s=60) for each in (expired, deleted)]
    assert await stories.arm(again) == set()
    assert await stories.due(clock() - timedelta(days=1), clock() + timedelta(days=1), 10) == []


async def test_fire_returns_only_stories_ended_by_this_call(stories: Store, clock: FakeClock) -> None:
    timers = [timer(clock) for _ in range(20)]
    await stories.arm(timers)
    ids = [each.story_id for each in timers]
    clock.forward(seconds=20)
    assert await stories.fire(ids[:5], clock()) == set(ids[:5])
    assert await stories.fire(ids, clock()) == set(ids[5:])


async def test_ended_story_has_a_receipt_that_waits_for_three_stores(stories: Store, clock: FakeClock) -> None:
    set_ = timer(clock)
    await stories.arm([set_])
    assert await stories.receipt(set_.story_id) is None
    await stories.fire([set_.story_id], clock.forward(seconds=11))
    receipt = await stories.receipt(set_.story_id)
    assert receipt is not None
    assert (receipt.ended, receipt.ended_at, receipt.erased, receipt.complete) == (
        "expired",
        set_.expires_at,
        {},
        False,
    )
    audit = await stories.audit(clock.forward(seconds=4))
    assert audit.open == {"media": 1, "feed": 1, "engagement": 1}
    assert audit.oldest_s["feed"] == 5.0


async def test_last_confirmation_completes_and_first_ones_are_final(stories: Store, clock: FakeClock) -> None:
    story_id, ended_at = new_id(), clock()
    await stories.delete([deletion(story_id, ended_at)], clock())
    clock.forward(seconds=2)
    first = await stories.accept(answers(story_id, clock())[:2], clock())
    assert [(each.store, each.after_s) for each in first] == [("media", 2.0), ("feed", 2.0)]
    last = await stories.accept(answers(story_id, clock.forward(seconds=1)), clock())
    assert [each.store for each in last] == ["engagement"]
    receipt = await stories.receipt(story_id)
    assert receipt is not None
    assert receipt.erased == {
        "media": ended_at + timedelta(seconds=2),
        "feed": ended_at + timedelta(seconds=2),
        "engagement": ended_at + timedelta(seconds=3),
    }
    assert receipt.complete
    assert receipt.completed_at == clock()
    assert await stories.accept(answers(story_id, clock.forward(seconds=1)), clock()) == []
    assert (await stories.receipt(story_id)) == receipt
    assert set((await stories.audit(clock())).open.values()) == {0}


@pytest.mark.parametrize("order", [1, -1])
async def test_held_media_keeps_the_receipt_open_until_it_is_let_go(
    stories: Store, clock: FakeClock, order: int
) -> None:
    story_id, until = new_id(), clock() + timedelta(days=7)
    media, feed, engagement = answers(story_id, clock())
    held = replace(media, held_until=until)
    endings = [stories.delete([deletion(story_id, clock())], clock()), stories.accept([held], clock())]
    for each in endings[::order]:
        await each
    for each in ([feed], [engagement], [media, held]):
        await stories.accept(each, clock())
    receipt = await stories.receipt(story_id)
    assert receipt is not None
    assert (receipt.held, receipt.complete, receipt.expected) == ("moderation", False, (*STORES, "moderation"))
    assert set((await stories.audit(clock())).open.values()) == {0}
    assert await stories.mark_for_resend(clock.forward(days=6), 10) == 0  # nobody can answer yet
    assert await stories.mark_for_resend(clock.forward(days=2), 10) == 1
    gone = ErasureConfirmation(story_id, "moderation", clock())
    for _ in range(2):
        await stories.accept([gone, held], clock())
    receipt = await stories.receipt(story_id)
    assert receipt is not None
    assert (receipt.held, receipt.complete, receipt.erased["moderation"]) == (None, True, clock())
    assert await stories.mark_for_resend(clock.forward(days=1), 10) == 0


async def test_confirmations_before_their_ending_count(stories: Store, clock: FakeClock) -> None:
    story_id = new_id()
    assert await stories.accept(answers(story_id, clock()), clock()) == []
    assert await stories.receipt(story_id) is None
    await stories.delete([deletion(story_id, clock())], clock())
    receipt = await stories.receipt(story_id)
    assert receipt is not None
    assert receipt.complete


async def test_stores_confirm_many_stories_at_once(stories: Store, clock: FakeClock) -> None:
    deleted, unknown = [new_id() for _ in range(3)], new_id()
    ended_at = clock()
    await stories.delete([deletion(story_id, ended_at) for story_id in deleted], clock())
    at = clock.forward(seconds=1)
    confirmed = [answer for story_id in (*deleted, unknown) for answer in answers(story_id, at)]
    new = await stories.accept(confirmed[:-1], clock())
    assert sorted(each.store for each in new) == sorted(3 * STORES)
    receipts = [await stories.receipt(story_id) for story_id in deleted]
    assert [receipt and (receipt.complete, receipt.erased) for receipt in receipts] == [
        (True, dict.fromkeys(STORES, at))
    ] * 3
    assert await stories.accept(confirmed, clock.forward(seconds=1)) == []
    await stories.delete([deletion(unknown, ended_at)], clock())
    late = await stories.receipt(unknown)
    assert late is not None
    assert late.complete
    assert {late.erased[store] for store in STORES[:2]} == {at}


async def test_confirmations_do_not_stop_a_timer(stories: Store, clock: FakeClock) -> None:
    set_ = timer(clock)
    await stories.accept(answers(set_.story_id, clock())[:1], clock())
    assert await stories.arm([set_]) == {set_.story_id}
    await stories.accept(answers(set_.story_id, clock())[1:2], clock())
    assert await stories.fire([set_.story_id], clock.forward(seconds=10)) == {set_.story_id}
    assert (await stories.audit(clock())).open == {"media": 0, "feed": 0, "engagement": 1}


async def test_first_ending_is_final_unless_deleted_before_expiry(stories: Store, clock: FakeClock) -> None:
    late, early = timer(clock), timer(clock)
    await stories.arm([late, early])
    clock.forward(seconds=12)
    await stories.fire([late.story_id, early.story_id], clock())
    await stories.delete([deletion(late.story_id, clock())], clock())
    await stories.delete([deletion(early.story_id, clock() - timedelta(seconds=5))], clock())
    await stories.delete([deletion(early.story_id, clock() - timedelta(seconds=6))], clock())
    receipts = [await stories.receipt(each.story_id) for each in (late, early)]
    assert [receipt and (receipt.ended, receipt.ended_at) for receipt in receipts] == [
        ("expired", late.expires_at),
        ("deleted", clock() - timedelta(seconds=5)),
    ]


async def test_external_deletion_takes_its_author_from_the_timer(stories: Store, clock: FakeClock) -> None:
    known, unknown = timer(clock), timer(clock)
    await stories.arm([known])
    for each in (known, unknown):
        await stories.delete([deletion(each.story_id, clock(), author_id=None, by="admin")], clock())
    authors = [
        receipt.author_id if (receipt := await stories.receipt(each.story_id)) else "" for each in (known, unknown)
    ]
    assert authors == ["ann", None]
    await stories.arm([unknown])
    receipt = await stories.receipt(unknown.story_id)
    assert receipt is not None
    assert receipt.author_id == "ann"


async def test_unconfirmed_endings_are_resent_with_backoff(stories: Store, clock: FakeClock) -> None:
    story_id = new_id()
    await stories.delete([deletion(story_id, clock())], clock())
    assert await stories.mark_for_resend(clock.forward(seconds=14), 10) == 0
    assert await stories.mark_for_resend(clock.forward(seconds=1), 10) == 1
    assert await stories.mark_for_resend(clock.forward(seconds=29), 10) == 0
    assert await stories.mark_for_resend(clock.forward(seconds=1), 10) == 1
    await stories.accept(answers(story_id, clock()), clock())
    assert await stories.mark_for_resend(clock.forward(days=1), 10) == 0


async def test_hasten_makes_long_delays_due_now(stories: Store, clock: FakeClock) -> None:
    waits, recent, answered = new_id(), new_id(), new_id()
    for story_id in (waits, answered):
        await stories.delete([deletion(story_id, clock())], clock())
    for seconds in (15, 30, 60):
        assert await stories.mark_for_resend(clock.forward(seconds=seconds), 10) == 2
    await stories.delete([deletion(recent, clock())], clock())
    await stories.accept(answers(waits, clock())[:1], clock())
    await stories.accept(answers(answered, clock()), clock())
    assert await stories.hasten(clock(), 10, "media") == 0
    assert await stories.hasten(clock(), 10, "feed") == 1
    assert await stories.hasten(clock(), 10) == 0
    assert await stories.mark_for_resend(clock(), 10) == 1
    assert await stories.mark_for_resend(clock.forward(seconds=15), 10) == 2


async def test_hasten_is_bounded(stories: Store, clock: FakeClock) -> None:
    for _ in range(5):
        await stories.delete([deletion(new_id(), clock())], clock())
    for seconds in (15, 30):
        await stories.mark_for_resend(clock.forward(seconds=seconds), 10)
    assert [await stories.hasten(clock(), 2) for _ in range(4)] == [2, 2, 1, 0]


async def test_new_store_reopens_no_receipt(stories: Store, clock: FakeClock) -> None:
    complete, still_open, later = new_id(), new_id(), new_id()
    for story_id in (complete, still_open):
        await stories.delete([deletion(story_id, clock())], clock())
    await stories.accept([*answers(complete, clock()), *answers(still_open, clock())[:2]], clock())
    before = await stories.receipt(complete)
    larger: Any = with_stores(stories, *STORES, "archive")
    await larger.accept([*answers(complete, clock.forward(days=1)), answers(still_open, clock())[2]], clock())
    await larger.delete([deletion(complete, clock())], clock())
    assert await larger.receipt(complete) == before
    assert before is not None
    assert before.complete
    assert (await larger.receipt(still_open)).complete
    await larger.delete([deletion(later, clock())], clock())
    await larger.accept(answers(later, clock()), clock())
    assert not (await larger.receipt(later)).complete
    assert await larger.mark_for_resend(clock.forward(days=1), 10) == 1


async def test_receipt_of_an_archived_story_stays_until_that_is_gone(stories: Store, clock: FakeClock) -> None:
    set_ = timer(clock)
    await stories.arm([set_])
    await stories.fire([set_.story_id], clock.forward(seconds=10))
    kept = [replace(answer, archived=answer.store == "media") for answer in answers(set_.story_id, clock())]
    await stories.accept(kept, clock())
    receipt = await stories.receipt(set_.story_id)
    assert receipt is not None
    assert (receipt.complete, receipt.archived, receipt.stores) == (True, True, (*STORES, "archive"))
    assert await forgotten_after(stories, set_.story_id, clock()) is None
    await stories.accept([ErasureConfirmation(set_.story_id, "archive", clock.forward(days=400))], clock())
    await stories.accept(kept, clock())
    gone = await stories.receipt(set_.story_id)
    assert gone is not None
    assert (gone.complete, gone.archived, gone.erased["archive"]) == (True, False, clock())
    assert gone.completed_at == receipt.completed_at
    assert await forgotten_after(stories, set_.story_id, clock()) == timedelta(days=90)


async def test_receipt_of_a_story_that_is_archived_and_held_tells_both(stories: Store, clock: FakeClock) -> None:
    set_ = timer(clock)
    await stories.arm([set_])
    await stories.fire([set_.story_id], clock.forward(seconds=10))
    media, *others = answers(set_.story_id, clock())
    await stories.accept([replace(media, archived=True, held_until=clock() + timedelta(days=7)), *others], clock())
    receipt = await stories.receipt(set_.story_id)
    assert receipt is not None
    assert (receipt.held, receipt.archived, receipt.complete) == ("moderation", True, False)
    await stories.accept([ErasureConfirmation(set_.story_id, "moderation", clock.forward(days=1))], clock())
    receipt = await stories.receipt(set_.story_id)
    assert receipt is not None
    assert (receipt.held, receipt.archived, receipt.complete) == (None, True, True)
    await stories.accept([ErasureConfirmation(set_.story_id, "archive", clock.forward(days=1))], clock())
    receipt = await stories.receipt(set_.story_id)
    assert receipt is not None
    assert (receipt.archived, set(receipt.erased)) == (False, {*STORES, "moderation", "archive"})


async def test_receipts_without_expected_stores_stay_complete(
    mongo: Mongo, namespace: IsolatedNamespace, clock: FakeClock
) -> None:
    stories, story_id = MongoStories(mongo, timedelta(days=90)), new_id()
    await stories.delete([deletion(story_id, clock())], clock())
    await stories.accept(answers(story_id, clock()), clock())
    await stories.collection.update_one({"_id": story_id}, {"$unset": {"expected": ""}})
    larger: Any = with_stores(stories, *STORES, "archive")
    await larger.accept(answers(story_id, clock.forward(days=1)), clock())
    receipt = await larger.receipt(story_id)
    assert (receipt.complete, set(receipt.expected)) == (True, set(STORES))


async def test_story_of_which_only_its_timer_is_known_ends_as_any_other(mongo: Mongo, clock: FakeClock) -> None:
    stories, simple, other = MongoStories(mongo, timedelta(days=90)), timer(clock), timer(clock)
    await stories.arm([simple, other])
    await stories.collection.update_one({"_id": other.story_id}, {"$set": {"archived": False}})
    ids = [simple.story_id, other.story_id]
    assert await stories.fire(ids, clock.forward(seconds=10)) == set(ids)
    documents = [await stories.collection.find_one({"_id": story_id}) for story_id in ids]
    for document in documents:
        assert document is not None
        assert document.pop("_id") == document["event"].pop("id")
        assert document.pop("archived", False) is False
    assert documents[0] == documents[1]


def with_stores(stories: Store, *names: Any) -> Store:
    """A store on the same documents with other expected stores."""
    larger = copy.copy(stories)
    larger.expected = names
    return larger


async def test_pending_and_overdue_timers_are_counted(stories: Store, clock: FakeClock) -> None:
    await stories.arm([timer(clock, lives_s=lives) for lives in (1, 2, 60)])
    census = await stories.count_timers(clock.forward(seconds=4))
    assert (census.timers, census.overdue, census.oldest_overdue_s) == (3, 2, 3.0)


async def test_receipts_of_an_erased_author_expire_sooner(stories: Store, clock: FakeClock) -> None:
    before, after = timer(clock), timer(clock)
    await stories.arm([before])
    for each in (before, after):
        await stories.delete([deletion(each.story_id, clock())], clock())
        await stories.accept(answers(each.story_id, clock()), clock())
    erased_at = clock.forward(seconds=1)
    clock.forward(seconds=1)
    later = timer(clock)
    await stories.arm([later])
    await stories.delete([deletion(later.story_id, clock())], clock())
    await stories.accept(answers(later.story_id, clock()), clock())
    await stories.forget_author("ann", erased_at, clock())
    assert await forgotten_after(stories, before.story_id, clock()) == MARK_RETENTION
    assert await forgotten_after(stories, later.story_id, clock()) == timedelta(days=90)
    receipt = await stories.receipt(before.story_id)
    assert receipt is not None
    assert receipt.may_read("ann", admin=False)


async def test_story_deleted_by_an_erasure_expires_with_the_marks(stories: Store, clock: FakeClock) -> None:
    story_id = new_id()
    await stories.delete([deletion(story_id, clock(), by="erasure")], clock())
    assert await forgotten_after(stories, story_id, clock()) is None
    await stories.accept(answers(story_id, clock()), clock())
    assert await forgotten_after(stories, story_id, clock()) == MARK_RETENTION


async def forgotten_after(stories: Store, story_id: str, now: datetime) -> timedelta | None:
    """The remaining retention of a receipt, or None while it is open."""
    if isinstance(stories, MemoryStories):
        at = stories.rows[story_id].delete_at
    else:
        document = await stories.collection.find_one({"_id": story_id})
        at = document.get("delete_at") if document else None
    return at - now if at else None
