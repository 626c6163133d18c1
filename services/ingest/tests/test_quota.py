from datetime import timedelta

import pytest
from stories_ingest.domain.errors import TooMany
from stories_ingest.domain.quota import Quota, QuotaLimits
from stories_ingest.testing.builders import NOW

HOUR = timedelta(hours=1)
FEW = QuotaLimits(drafts=2, live=2, posted_24h=3)


def posted(*names: str, lifetime: timedelta = HOUR) -> Quota:
    quota = Quota()
    for name in names:
        quota = quota.reserve(name, NOW, FEW).commit(name, NOW, NOW + lifetime)
    return quota


def test_a_draft_takes_no_place_among_the_live_ones() -> None:
    quota = Quota().draft("a", NOW + HOUR, NOW, FEW).draft("b", NOW + HOUR, NOW, FEW)
    assert (len(quota.drafts), len(quota.live), len(quota.posted)) == (2, 0, 0)


def test_one_draft_too_many_is_refused_until_the_oldest_vanishes() -> None:
    quota = Quota().draft("a", NOW + HOUR, NOW, FEW).draft("b", NOW + 2 * HOUR, NOW, FEW)
    with pytest.raises(TooMany) as refused:
        quota.draft("c", NOW + HOUR, NOW, FEW)
    assert (refused.value.limit, refused.value.retry_after) == ("drafts", HOUR)


def test_drafts_that_lapsed_make_room() -> None:
    quota = Quota().draft("a", NOW + HOUR, NOW, FEW).draft("b", NOW + HOUR, NOW, FEW)
    assert len(quota.draft("c", NOW + 3 * HOUR, NOW + HOUR, FEW).drafts) == 1


def test_a_full_quota_says_when_the_first_story_ends() -> None:
    with pytest.raises(TooMany) as refused:
        posted("a", "b").reserve("c", NOW, FEW)
    assert (refused.value.limit, refused.value.retry_after) == ("quota", HOUR)


def test_a_story_being_processed_holds_a_place() -> None:
    quota = Quota().reserve("a", NOW, FEW).reserve("b", NOW, FEW)
    assert quota.retry_after(NOW, FEW) > timedelta(0)
    assert quota.release("a").retry_after(NOW, FEW) == timedelta(0)


def test_a_deletion_frees_a_live_place_but_not_the_days_count() -> None:
    quota = posted("a", "b").release("a").release("b")
    assert (len(quota.live), len(quota.posted)) == (0, 2)
    quota = quota.reserve("c", NOW, FEW).commit("c", NOW, NOW + HOUR)
    assert quota.retry_after(NOW, FEW) == timedelta(hours=24)


def test_what_was_posted_a_day_ago_counts_no_more() -> None:
    later = NOW + timedelta(hours=24)
    assert posted("a", "b").pruned(later) == Quota()


def test_a_bound_of_nothing_is_never_free() -> None:
    assert Quota().retry_after(NOW, QuotaLimits(drafts=1, live=1, posted_24h=0)) > timedelta(0)
