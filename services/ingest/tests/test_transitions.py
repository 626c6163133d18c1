from dataclasses import replace

import pytest
from stories_ingest.domain import transitions
from stories_ingest.domain.errors import LeaseLost, NoSuchStory, TooMany, WrongState
from stories_ingest.domain.quota import Quota, QuotaLimits, Slot
from stories_ingest.domain.story import EndReason, State, Story, StorySettings
from stories_ingest.domain.transitions import StorySnapshot
from stories_ingest.testing.builders import BOUNDS, NOW, draft, live, part, processing
from stories_shared.events.ids import new_id


def snapshot_of(story: Story, *others: Story, quota: Quota | None = None) -> StorySnapshot:
    return StorySnapshot(story, (story, *others), quota or Quota())


def series(count: int = 3) -> list[Story]:
    first = live(part=1, parts=count)
    assert first.posted is not None
    parts = [replace(first, posted=replace(first.posted, series_id=first.id))]
    return parts + [live(series_id=first.id, part=n, parts=count) for n in range(2, count + 1)]


def test_publishing_a_draft_replaces_its_slot_by_a_reservation() -> None:
    story = draft()
    quota = Quota(drafts=(Slot(story.id, NOW.replace(hour=23)),))
    changes = transitions.publish(snapshot_of(story, quota=quota), "etag", NOW, BOUNDS)
    assert changes.upserts[0].state is State.PROCESSING
    assert (len(changes.quota.drafts), len(changes.quota.held)) == (0, 1)


def test_publishing_again_writes_nothing() -> None:
    changes = transitions.publish(snapshot_of(processing()), "etag", NOW, BOUNDS)
    assert (changes.upserts, changes.ended) == ((), ())


def test_publishing_beyond_the_quota_is_refused() -> None:
    with pytest.raises(TooMany):
        transitions.publish(snapshot_of(draft()), "etag", NOW, QuotaLimits(drafts=1, live=0, posted_24h=1))


def test_single_part_has_no_series_id() -> None:
    story = processing(worker="w")
    (posted,) = transitions.go_live(snapshot_of(story), "w", [part(story.id)], NOW).upserts
    assert posted.posted is not None
    assert (posted.posted.series_id, posted.posted.part, posted.posted.parts) == (None, 1, 1)


def test_all_parts_are_posted_at_the_same_time_and_count_once() -> None:
    story = processing(worker="w")
    changes = transitions.go_live(snapshot_of(story), "w", [part(story.id), part(new_id()), part(new_id())], NOW)
    times = {
        (upsert.posted.posted_at, upsert.posted.expires_at, upsert.posted.series_id)
        for upsert in changes.upserts
        if upsert.posted
    }
    assert times == {(NOW, NOW + story.lifetime, story.id)}
    assert (len(changes.quota.live), len(changes.quota.posted), changes.publish) == (1, 1, True)


def test_going_live_without_the_lease_is_refused() -> None:
    with pytest.raises(LeaseLost):
        transitions.go_live(snapshot_of(processing(worker="other")), "w", [], NOW)


def test_refused_story_keeps_its_reason_for_a_day() -> None:
    (refused,) = transitions.refuse(snapshot_of(processing(worker="w")), "w", "damaged", NOW).upserts
    assert (refused.state, refused.reason, refused.vanishes_at) == (
        State.REFUSED,
        "damaged",
        NOW + transitions.REFUSED_RETENTION,
    )


def test_only_a_processing_story_has_a_discard_time() -> None:
    (story,) = transitions.publish(snapshot_of(draft()), "etag", NOW, BOUNDS).upserts
    assert story.vanishes_at == NOW + transitions.PROCESSING_RETENTION
    assert story.job is not None
    claimed = replace(story, job=replace(story.job, worker="w"))
    (posted,) = transitions.go_live(snapshot_of(claimed), "w", [part(story.id)], NOW).upserts
    assert posted.vanishes_at is None


def test_access_change_raises_both_revisions_of_every_part() -> None:
    first, *others = series()
    changes = transitions.change(
        snapshot_of(first, *others), lambda settings: replace(settings, audience="friends"), NOW
    )
    assert [(p.posted.revision, p.posted.access_revision) for p in changes.upserts if p.posted] == [(2, 2)] * 3


def test_disabling_reactions_keeps_the_access_revision() -> None:
    (changed,) = transitions.change(
        snapshot_of(live()), lambda settings: replace(settings, reactions=False), NOW
    ).upserts
    assert changed.posted is not None
    assert (changed.posted.revision, changed.posted.access_revision) == (2, 1)


def test_unchanged_settings_write_nothing() -> None:
    assert (
        transitions.change(snapshot_of(live()), lambda settings: replace(settings, reactions=True), NOW).upserts == ()
    )


def test_changing_a_draft_publishes_nothing() -> None:
    changes = transitions.change(snapshot_of(draft()), lambda _: StorySettings(audience="friends"), NOW)
    assert (changes.upserts[0].settings.audience, changes.publish) == ("friends", False)


def test_expired_story_cannot_be_changed() -> None:
    story = live()
    with pytest.raises(NoSuchStory):
        transitions.change(snapshot_of(story), lambda settings: settings, NOW + story.lifetime)


def test_deleting_one_part_keeps_the_slot_of_the_series() -> None:
    first, *others = series()
    quota = Quota(live=(Slot(first.id, NOW + first.lifetime),))
    changes = transitions.delete(
        snapshot_of(others[0], first, others[1], quota=quota), by="author", series=False, now=NOW, new_id=new_id
    )
    assert ([ended.id for ended in changes.ended], changes.quota) == ([others[0].id], quota)


def test_deleting_the_series_releases_its_slot() -> None:
    first, *others = series()
    quota = Quota(live=(Slot(first.id, NOW + first.lifetime),))
    changes = transitions.delete(
        snapshot_of(first, *others, quota=quota), by="author", series=True, now=NOW, new_id=new_id
    )
    assert (len(changes.ended), changes.quota.live, {ended.series_id for ended in changes.ended}) == (3, (), {first.id})


def test_deleted_draft_is_discarded() -> None:
    changes = transitions.delete(snapshot_of(draft()), by="author", series=False, now=NOW, new_id=new_id)
    assert (changes.ended[0].how, changes.publish) == (EndReason.DISCARDED, False)


def test_a_live_story_cannot_be_cancelled() -> None:
    with pytest.raises(WrongState):
        transitions.cancel(snapshot_of(live()), NOW)
