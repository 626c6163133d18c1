from datetime import timedelta

import pytest
from stories_ingest.domain.errors import Suspended, TooMany
from stories_ingest.domain.quota import Quota, QuotaLimits
from stories_ingest.testing.builders import NOW

HOUR = timedelta(hours=1)
FEW = QuotaLimits(drafts=2, live=2, posted_24h=3)


def posted(*names: str, lifetime: timedelta = HOUR) -> Quota:
    quota = Quota()
    for name in names:
        quota = quota.reserve(name, NOW, FEW).commit(name, NOW, NOW + lifetime)
    return quota


def test_draft_takes_no_live_slot() -> None:
    quota = Quota().draft("a", NOW + HOUR, NOW, FEW).draft("b", NOW + HOUR, NOW, FEW)
    assert (len(quota.drafts), len(quota.live), len(quota.posted)) == (2, 0, 0)


def test_draft_above_the_limit_is_refused_until_one_expires() -> None:
    quota = Quota().draft("a", NOW + HOUR, NOW, FEW).draft("b", NOW + 2 * HOUR, NOW, FEW)
    with pytest.raises(TooMany) as refused:
        quota.draft("c", NOW + HOUR, NOW, FEW)
    assert (refused.value.limit, refused.value.retry_after) == ("drafts", HOUR)


def test_expired_drafts_free_their_slots() -> None:
    quota = Quota().draft("a", NOW + HOUR, NOW, FEW).draft("b", NOW + HOUR, NOW, FEW)
    assert len(quota.draft("c", NOW + 3 * HOUR, NOW + HOUR, FEW).drafts) == 1


def test_full_quota_reports_when_the_first_story_ends() -> None:
    with pytest.raises(TooMany) as refused:
        posted("a", "b").reserve("c", NOW, FEW)
    assert (refused.value.limit, refused.value.retry_after) == ("quota", HOUR)


def test_story_in_processing_reserves_a_slot() -> None:
    quota = Quota().reserve("a", NOW, FEW).reserve("b", NOW, FEW)
    assert quota.retry_after(NOW, FEW) > timedelta(0)
    assert quota.release("a").retry_after(NOW, FEW) == timedelta(0)


def test_release_frees_the_live_slot_but_not_the_posted_one() -> None:
    quota = posted("a", "b").release("a").release("b")
    assert (len(quota.live), len(quota.posted)) == (0, 2)
    quota = quota.reserve("c", NOW, FEW).commit("c", NOW, NOW + HOUR)
    assert quota.retry_after(NOW, FEW) == timedelta(hours=24)


def test_posted_slots_expire_after_a_day() -> None:
    later = NOW + timedelta(hours=24)
    assert posted("a", "b").pruned(later) == Quota()


def test_limit_of_zero_always_refuses() -> None:
    assert Quota().retry_after(NOW, QuotaLimits(drafts=1, live=1, posted_24h=0)) > timedelta(0)


def test_suspended_author_cannot_create_nor_publish_until_the_end() -> None:
    quota = Quota().draft("a", NOW + HOUR, NOW, FEW).suspend(NOW, NOW + HOUR).suspend(NOW, NOW + HOUR / 2)
    with pytest.raises(Suspended):
        quota.draft("b", NOW + HOUR, NOW, FEW)
    with pytest.raises(Suspended):
        quota.reserve("a", NOW, FEW)
    assert quota.draft("b", NOW + 3 * HOUR, NOW + HOUR, FEW).drafts


def test_suspension_is_erased_with_the_account() -> None:
    quota = Quota().suspend(NOW, NOW + HOUR)
    assert not quota.posted_after(NOW - HOUR).empty
    assert quota.posted_after(NOW).empty
