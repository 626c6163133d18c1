"""Rules of receipts and retention."""

from datetime import UTC, datetime, timedelta

from stories_expiry.app import content_record_age
from stories_expiry.domain.accounts import SERVICES, AccountReceipt
from stories_expiry.domain.endings import MARK_RETENTION, MAX_RESEND_DELAY, STORES, Receipt, log_clears_by, resend_delay
from stories_shared.kafka.topics import Topics

END = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def test_log_clears_by_the_longest_record_age() -> None:
    erased = {"media": END + timedelta(seconds=2), "feed": END + timedelta(seconds=5)}
    receipt = Receipt("s", "ann", "expired", END, erased)
    assert log_clears_by(receipt, timedelta(days=7)) == END + timedelta(seconds=5, days=7)


def test_an_archive_that_is_emptied_later_extends_no_record() -> None:
    erased = {"media": END, "archive": END + timedelta(days=400)}
    assert log_clears_by(Receipt("s", "ann", "expired", END, erased), timedelta(days=7)) == END + timedelta(days=7)


def test_dead_letter_views_have_the_longest_record_age() -> None:
    topics = Topics.of([timedelta(hours=24)])
    dead_letter = topics["story-viewed.engagement.dlq"]
    assert (
        content_record_age(topics)
        == dead_letter.retention + dead_letter.segment + timedelta(minutes=5)
        > timedelta(days=7)
    )


def test_record_age_follows_the_longest_story_lifetime() -> None:
    topics = Topics.of([timedelta(days=14)])
    assert content_record_age(topics) > timedelta(days=15)


def test_marks_outlive_every_record() -> None:
    topics = Topics.of([timedelta(hours=24)])
    of_stories = [topic for topic in topics.values() if not topic.name.startswith("user-suspended")]
    assert max(topic.max_record_age for topic in of_stories) < MARK_RETENTION


def test_resend_delay_doubles_up_to_fifteen_minutes() -> None:
    assert [resend_delay(times).total_seconds() for times in (1, 2, 3, 4)] == [15, 30, 60, 120]
    assert resend_delay(1_000_000) == MAX_RESEND_DELAY


def test_a_receipt_held_for_moderation_is_not_complete() -> None:
    assert Receipt("s", "ann", "deleted", END, completed_at=END).complete
    held = Receipt("s", "ann", "deleted", END, expected=(*STORES, "moderation"))
    assert (held.held, held.complete) == ("moderation", False)
    let_go = Receipt("s", "ann", "deleted", END, {"moderation": END}, END, (*STORES, "moderation"))
    assert (let_go.held, let_go.complete) == (None, True)


def test_only_the_author_and_admins_read_a_receipt() -> None:
    receipt = Receipt("s", "ann", "deleted", END)
    assert receipt.may_read("ann", admin=False)
    assert receipt.may_read("eve", admin=True)
    assert not receipt.may_read("eve", admin=False)
    assert not Receipt("s", None, "deleted", END).may_read("", admin=False)


def test_account_receipt_needs_all_services() -> None:
    assert AccountReceipt("r", "ann", END, dict.fromkeys(SERVICES, END)).complete
    assert not AccountReceipt("r", "ann", END, dict.fromkeys(SERVICES[:3], END)).complete
