"""Ended stories, erasure and stale records, with in-memory fakes."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from stories_ingest.domain.errors import NoSuchStory, WrongState
from stories_ingest.domain.keys import ARCHIVE, FINAL, STAGING
from stories_ingest.domain.quota import Quota, Slot
from stories_ingest.domain.story import EndReason, Requester
from stories_ingest.testing.builders import NOW, draft, live, media, processing
from stories_ingest.testing.in_memory import (
    MemoryBucket,
    MemoryHolds,
    MemoryPosition,
    MemoryRelay,
    MemoryStories,
    RecordingPublisher,
)
from stories_ingest.usecases.accounts import EraseAccount
from stories_ingest.usecases.archive import EraseArchived, ExpireStory
from stories_ingest.usecases.deletions import DeleteStory
from stories_ingest.usecases.endings import RECHECK_AFTER, EndDeleted, EndExpired, EraseMedia
from stories_ingest.usecases.event_mapping import story_posted
from stories_ingest.usecases.holds import EraseUnlessHeld, HoldMedia, ReleaseHolds
from stories_ingest.usecases.republish_stale import RepublishIfStale
from stories_ingest.usecases.stories import CancelStory
from stories_ingest.usecases.sweeps import PAGE, DiscardOverdue, EraseMissedExpiries, RecheckErasures, SweepObjects
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired, StoryHeld, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.runtime.user_erasure import RECHECK_AFTER as USER_RECHECK_AFTER
from stories_shared.runtime.user_erasure import EraseUser
from stories_shared.testing import FakeClock

ANN, BOB, ADMIN = Requester("ann"), Requester("bob"), Requester("root", is_admin=True)


@dataclass
class Env:
    stories: MemoryStories = field(default_factory=MemoryStories)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)
    now: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    archive_is_on: bool = False

    def __post_init__(self):
        self.endings = MemoryRelay(self.stories)
        self.holds, archive = MemoryHolds(), self.stories.archive
        unless_held = EraseUnlessHeld(self.bucket, self.holds, self.now)
        self.release_holds = ReleaseHolds(self.bucket, self.holds, self.publisher, self.now)
        self.hold = HoldMedia(self.holds, self.release_holds, self.now)
        erase = EraseMedia(unless_held, self.stories, archive, self.publisher, self.publisher, self.now)
        end = ExpireStory(self.stories, archive, self.bucket, self.now, is_on=self.archive_is_on)
        self.erase_archived = EraseArchived(archive, self.bucket, self.publisher, self.now)
        self.end_expired = EndExpired(end, erase, self.now, self.now.sleep)
        self.end_deleted = EndDeleted(self.stories, self.bucket, self.endings, erase, self.now, self.erase_archived)
        self.delete = DeleteStory(self.stories, unless_held, self.endings, self.now, archive, self.erase_archived)
        self.cancel = CancelStory(self.stories, self.bucket, self.stories, self.now)
        self.republish = RepublishIfStale(self.stories, self.publisher, self.publisher)
        account = EraseAccount(
            self.stories, self.stories, self.bucket, self.endings, self.release_holds, self.now, self.erase_archived
        )
        self.erase_user = EraseUser("ingest", self.stories.erased_users, account, self.publisher.publish, self.now)
        self.discard = DiscardOverdue(self.stories, self.stories, self.bucket, self.now)
        self.missed_expiries = EraseMissedExpiries(self.stories, end, erase, self.now)
        self.recheck = RecheckErasures(self.stories, self.bucket, self.now)

    async def expire(self, *events):
        await self.end_expired(events)

    async def deleted(self, *events, is_internal):
        source = "/stories/engagement" if is_internal else "/moderation"
        await self.end_deleted(
            [ReceivedEvent(event, b"", event.topic, 0, 0, source, new_id(), NOW, NOW) for event in events]
        )

    async def forget(self, user_id, at, receipt_id=None):
        event = UserErased(user_id=user_id, at=at, receipt_id=receipt_id or new_id())
        await self.erase_user(ReceivedEvent(event, b"", event.topic, 0, 0, "/stories/expiry", new_id(), at, at))

    async def sweep(self):
        for prefix, referenced in (
            (STAGING, self.stories.referenced_uploads),
            (FINAL, self.stories.referenced_keys),
            (ARCHIVE, self.stories.archive.referenced_archived),
        ):
            await SweepObjects(self.bucket, prefix, referenced, self.now, 10)(MemoryPosition())

    def add(self, story):
        self.stories.add(story)
        if story.posted:
            self.bucket.objects |= {story.posted.media.key: b"m", story.posted.media.poster_key: b"p"}
        else:
            self.bucket.upload(story.id)
        return story

    def published_erasures(self):
        return [(type(event).__name__, event.story_id) for event in self.publisher.published]


@pytest.fixture
def env():
    return Env()


def expired(story, **changed):
    at = story.posted.expires_at
    fields = {"story_id": story.id, "author_id": story.author_id, "expires_at": at, "expired_at": at}
    return StoryExpired(**(fields | changed))


def deleted(story_id, by="author"):
    return StoryDeleted(story_id=story_id, author_id=None, deleted_at=NOW, by=by)


async def test_expired_story_is_erased_and_gets_a_tombstone(env):
    story = env.add(live())
    env.now.at = story.posted.expires_at + timedelta(seconds=1)
    await env.expire(expired(story))
    assert (env.bucket.objects, (await env.stories.ended(story.id)).how) == ({}, EndReason.EXPIRED)
    assert (env.published_erasures(), env.publisher.tombstones) == (
        [("StoryErased", story.id)],
        [f"story-posted/{story.id}"],
    )


async def test_expiry_of_an_unknown_story_is_acknowledged_each_time(env):
    stranger = live()
    env.now.at = stranger.posted.expires_at + timedelta(seconds=1)
    for _ in range(2):
        await env.expire(expired(stranger))
    assert env.published_erasures() == [("StoryErased", stranger.id)] * 2


async def test_nothing_is_erased_before_the_local_clock_reaches_the_end(env):
    story = env.add(live())
    env.now.at = story.posted.expires_at - timedelta(seconds=1.5)
    await env.expire(expired(story))
    assert env.publisher.published[0].erased_at >= story.posted.expires_at
    assert env.now() > story.posted.expires_at


async def test_expiry_far_ahead_of_the_end_is_invalid(env):
    story = env.add(live())
    with pytest.raises(InvalidMessage):
        await env.expire(expired(story, expires_at=NOW - timedelta(days=1)))
    assert await env.stories.find(story.id) == story


async def test_a_draft_cannot_expire(env):
    story = env.add(draft())
    with pytest.raises(InvalidMessage):
        await env.expire(expired(replace(live(), id=story.id), expires_at=NOW - timedelta(days=1)))


async def test_internal_deletion_event_is_not_published_again(env):
    story = env.add(live())
    await env.deleted(deleted(story.id, by="admin"), is_internal=True)
    assert (env.stories.pending, env.bucket.objects) == (set(), {})


async def test_external_deletion_is_published_again(env):
    story = env.add(live())
    await env.deleted(deleted(story.id, by="admin"), is_internal=False)
    ended = await env.stories.ended(story.id)
    assert (ended.author_id, ended.by, env.stories.pending) == ("ann", "admin", {story.id})
    await env.deleted(deleted(story.id, by="admin"), is_internal=False)
    assert await env.stories.ended(story.id) == replace(ended, erased_at=ended.erased_at)


async def test_external_deletion_by_the_author_is_invalid(env):
    story = env.add(live())
    with pytest.raises(InvalidMessage):
        await env.deleted(deleted(story.id, by="author"), is_internal=False)


async def test_stories_of_one_author_that_end_together_free_their_slots(env):
    stories = [env.add(live()) for _ in range(3)]
    env.stories.quotas["ann"] = Quota(live=tuple(Slot(each.id, NOW + timedelta(hours=24)) for each in stories))
    await env.deleted(*(deleted(each.id) for each in (*stories[:2], live())), is_internal=True)
    assert [slot.story for slot in env.stories.quotas["ann"].live] == [stories[2].id]
    assert set(env.stories.stories) == {stories[2].id}
    assert len(env.publisher.tombstones) == 3


async def test_two_deliveries_in_one_batch_are_both_confirmed(env):
    first, second = env.add(live()), env.add(live())
    await env.deleted(deleted(first.id), deleted(second.id), deleted(first.id), is_internal=True)
    assert [story_id for _, story_id in env.published_erasures()] == [first.id, second.id, first.id]
    env.now.at = second.posted.expires_at + timedelta(seconds=1)
    await env.expire(expired(second), expired(second))
    assert [story_id for _, story_id in env.published_erasures()[3:]] == [second.id] * 2


async def test_one_story_that_cannot_be_erased_holds_up_no_other(env):
    stories = [env.add(live()) for _ in range(20)]
    env.bucket.undeletable = stories[3].posted.media.key
    with pytest.raises(Unavailable):
        await env.deleted(*(deleted(each.id) for each in stories), is_internal=True)
    assert {story_id for _, story_id in env.published_erasures()} == {each.id for each in stories} - {stories[3].id}
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.deleted(*(deleted(each.id) for each in stories), is_internal=True)
    assert len(env.publisher.published) == 19


async def test_a_batch_with_an_invalid_ending_changes_nothing(env):
    story, unposted = env.add(live()), env.add(draft())
    env.now.at = story.posted.expires_at + timedelta(seconds=1)
    with pytest.raises(InvalidMessage):
        await env.expire(expired(story), expired(replace(story, id=unposted.id)))
    assert (set(env.stories.stories), env.publisher.published) == ({story.id, unposted.id}, [])


async def test_stories_that_have_expired_do_not_wait_for_a_slow_clock(env):
    over, later = env.add(live()), env.add(live(now=NOW + timedelta(seconds=2)))
    env.now.at = over.posted.expires_at + timedelta(milliseconds=1)
    await env.expire(expired(later), expired(over))
    assert [event.story_id for event in env.publisher.published] == [over.id, later.id]
    assert env.publisher.published[0].erased_at < later.posted.expires_at <= env.publisher.published[1].erased_at


async def test_deletion_is_published_and_media_erased_on_return(env):
    story = env.add(live())
    await env.delete(ANN, story.id, series=False)
    assert (env.endings.published, env.bucket.objects) == ([story.id], {})


@pytest.mark.parametrize(("requester", "by"), [(ANN, "author"), (ADMIN, "admin")])
async def test_deletion_of_an_expired_story_is_published_once(env, requester, by):
    story = env.add(live())
    env.now.at = story.posted.expires_at
    await env.expire(expired(story))
    env.now.at += timedelta(minutes=1)
    for _ in range(2):
        await env.delete(requester, story.id, series=False)
    ended = await env.stories.ended(story.id)
    assert (env.endings.published, ended.how, ended.by) == ([story.id], EndReason.DELETED, by)
    assert (ended.at, ended.erased_at is not None) == (env.now.at, True)
    with pytest.raises(NoSuchStory):
        await env.delete(BOB, story.id, series=False)


async def test_deletion_is_idempotent(env):
    story = env.add(live())
    await env.delete(ANN, story.id, series=False)
    await env.delete(ANN, story.id, series=False)
    await env.delete(ADMIN, story.id, series=True)
    assert env.endings.published == [story.id]


async def test_other_users_deletion_is_not_found(env):
    story = env.add(live())
    for _ in range(2):
        with pytest.raises(NoSuchStory):
            await env.delete(BOB, story.id, series=False)
        await env.delete(ANN, story.id, series=False)


async def test_deletion_by_an_admin_is_recorded_as_admin(env):
    story = env.add(live())
    await env.delete(ADMIN, story.id, series=False)
    assert (await env.stories.ended(story.id)).by == "admin"


async def test_deletion_without_kafka_is_kept_and_confirmed_later(env):
    story = env.add(live())
    env.endings.down = True
    with pytest.raises(Unavailable):
        await env.delete(ANN, story.id, series=False)
    assert await env.stories.find(story.id) is None
    env.endings.down = False
    await env.delete(ANN, story.id, series=False)
    assert (env.endings.published, env.bucket.objects) == ([story.id], {})


async def test_deletion_without_s3_is_not_confirmed(env):
    story = env.add(live())
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.delete(ANN, story.id, series=False)
    assert env.endings.published == [story.id]


async def test_series_deletion_works_after_one_part_was_deleted(env):
    first = live(part=1, parts=2)
    first = env.add(replace(first, posted=replace(first.posted, series_id=first.id)))
    second = env.add(live(series_id=first.id, part=2, parts=2))
    await env.delete(ANN, first.id, series=False)
    await env.delete(ANN, first.id, series=True)
    assert set(env.endings.published) == {first.id, second.id}


async def test_cancelled_draft_is_discarded_with_its_upload(env):
    story = env.add(draft())
    await env.cancel(ANN, story.id)
    assert (env.stories.stories, env.bucket.objects, env.stories.pending) == ({}, {}, set())
    with pytest.raises(NoSuchStory):
        await env.cancel(ANN, story.id)


async def test_cancel_without_s3_is_completed_by_a_retry(env):
    story = env.add(draft())
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.cancel(ANN, story.id)
    env.bucket.down = False
    with pytest.raises(NoSuchStory):
        await env.cancel(BOB, story.id)
    await env.cancel(ANN, story.id)
    assert env.bucket.objects == {}


async def test_a_live_story_is_not_cancelled(env):
    story = env.add(live())
    with pytest.raises(WrongState):
        await env.cancel(ANN, story.id)


async def test_lower_revision_is_corrected_by_the_current_one(env):
    story = env.add(live())
    event = story_posted(story)
    env.stories.add(replace(story, posted=replace(story.posted, revision=2)))
    await env.republish(event)
    assert [event.revision for event in env.publisher.published] == [2]


async def test_current_revision_is_not_republished(env):
    story = env.add(live())
    await env.republish(story_posted(story))
    assert (env.publisher.published, env.publisher.tombstones) == ([], [])


async def test_stale_record_of_an_erased_story_gets_a_tombstone(env):
    story = env.add(live())
    event = story_posted(story)
    await env.deleted(deleted(story.id), is_internal=True)
    env.publisher.tombstones.clear()
    await env.republish(event)
    assert env.publisher.tombstones == [f"story-posted/{story.id}"]


async def test_stale_record_of_an_unerased_story_gets_no_tombstone(env):
    story = env.add(live())
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.delete(ANN, story.id, series=False)
    await env.republish(story_posted(story))
    assert env.publisher.tombstones == []


async def test_account_erasure_keeps_later_stories(env):
    old, young = env.add(live()), env.add(live(now=NOW + timedelta(seconds=2)))
    waiting = env.add(processing())
    env.stories.quotas["ann"] = Quota(live=(Slot(old.id, NOW + timedelta(hours=24)),))
    await env.forget("ann", NOW + timedelta(seconds=1))
    assert set(env.stories.stories) == {young.id}
    assert (env.endings.published, env.stories.quotas["ann"].live) == ([old.id], ())
    assert {(await env.stories.ended(each.id)).author_id for each in (old, waiting)} == {None}


async def test_account_erasure_is_acknowledged_on_each_redelivery(env):
    for _ in range(2):
        await env.forget("ann", NOW)
    assert [event.service for event in env.publisher.published] == ["ingest"] * 2


async def test_second_erasure_removes_a_late_draft_of_the_account(env):
    await env.forget("ann", NOW)
    late = env.add(draft())
    env.now.at = NOW + USER_RECHECK_AFTER
    assert (await env.erase_user.resume(), await env.erase_user.resume()) == (True, False)
    assert await env.stories.find(late.id) is None


async def test_failed_second_erasure_of_an_account_is_retried(env):
    await env.forget("ann", NOW)
    late = env.add(live())
    env.now.at = NOW + USER_RECHECK_AFTER
    env.endings.down = True
    with pytest.raises(Unavailable):
        await env.erase_user.resume()
    env.endings.down = False
    env.now.forward(minutes=1)
    await env.erase_user.resume()
    assert (env.endings.published, env.bucket.objects) == ([late.id], {})


async def test_account_media_are_erased_before_the_acknowledgement(env):
    env.add(live())
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.forget("ann", NOW, "receipt")
    env.bucket.down = False
    await env.forget("ann", NOW, "receipt")
    assert (env.bucket.objects, [event.service for event in env.publisher.published]) == ({}, ["ingest"])


async def test_draft_of_an_erased_account_loses_its_author_id(env):
    waiting = env.add(draft())
    await env.forget("ann", NOW - timedelta(seconds=1))
    assert waiting.id in env.stories.stories
    env.now.forward(minutes=5)
    await env.forget("ann", NOW)
    assert (await env.stories.ended(waiting.id)).author_id is None


async def test_failed_second_erasure_does_not_stop_the_others(env):
    stories = [env.add(live()) for _ in range(5)]
    for story in stories:
        await env.deleted(deleted(story.id), is_internal=True)
    stuck, *others = [media(story.id, "late").key for story in stories]
    env.bucket.objects |= dict.fromkeys([stuck, *others], b"m")
    env.bucket.undeletable = stuck
    env.now.at = NOW + RECHECK_AFTER
    with pytest.raises(Unavailable):
        await env.recheck()
    assert set(env.bucket.objects) == {stuck}
    assert set(env.stories.rechecks) == {stories[0].id}


async def test_full_page_of_rechecks_continues_without_a_pause(env):
    many = 100 * 5
    for _ in range(many):
        story = env.add(live())
        await env.deleted(deleted(story.id), is_internal=True)
        env.bucket.objects[media(story.id, "late").key] = b"m"
    env.now.at = NOW + RECHECK_AFTER
    iterations = 1
    while await env.recheck():
        iterations += 1
        assert env.bucket.max_concurrent <= 4
    assert (iterations, env.bucket.objects, env.stories.rechecks) == (many // PAGE + 1, {}, {})


async def test_second_erasure_removes_late_objects_of_a_worker(env):
    story = env.add(live())
    await env.deleted(deleted(story.id), is_internal=True)
    env.bucket.objects[media(story.id, "late").key] = b"m"
    env.now.at = NOW + RECHECK_AFTER
    await env.recheck()
    assert (env.bucket.objects, env.stories.rechecks) == ({}, {})


async def test_abandoned_drafts_are_discarded_with_their_uploads(env):
    env.add(draft())
    kept = env.add(processing())
    env.now.forward(hours=1)
    assert not await env.discard()
    assert set(env.stories.stories) == {kept.id}
    assert len(env.bucket.objects) == 1


async def test_unreferenced_objects_are_removed_each_time(env):
    story, waiting = env.add(live()), env.add(draft())
    kept = set(env.bucket.objects)
    for _ in range(2):
        env.bucket.upload(story.id, b"again")
        env.bucket.objects[media(new_id()).key] = b"m"
        await env.sweep()
        assert set(env.bucket.objects) == kept
    assert waiting.id in env.stories.stories


async def test_story_without_expiry_event_is_erased_an_hour_later(env):
    env.add(live())
    env.now.at = NOW + timedelta(hours=25, seconds=-1)
    await env.missed_expiries()
    assert env.bucket.objects
    env.now.forward(seconds=1)
    await env.missed_expiries()
    assert env.bucket.objects == {}


async def reported(env, story, until=timedelta(days=7), at=NOW):
    await env.hold(StoryHeld(story_id=story.id, author_id=story.author_id, until=at + until, at=at))


async def decided(env, story):
    await env.hold(
        StoryHeld(story_id=story.id, author_id=story.author_id, until=NOW, at=NOW + timedelta(milliseconds=1))
    )


def erasures(env):
    return [(event.store, event.held_until) for event in env.publisher.published if isinstance(event, StoryErased)]


async def test_media_of_a_reported_story_is_kept_until_the_decision(env):
    story = env.add(live())
    await reported(env, story)
    await env.delete(ANN, story.id, series=False)
    assert {key.partition("/")[0] for key in env.bucket.objects} == {"held"}
    assert sorted(env.bucket.objects.values()) == [b"m", b"p"]
    for _ in range(2):
        await env.deleted(deleted(story.id), is_internal=True)
    await env.sweep()
    await env.release_holds()
    assert (len(env.bucket.objects), erasures(env)) == (2, [("media", NOW + timedelta(days=7))] * 2)
    await reported(env, story, until=timedelta(0), at=NOW - timedelta(seconds=1))  # older than the hold
    assert len(env.bucket.objects) == 2
    for _ in range(2):
        await decided(env, story)
    assert (env.bucket.objects, erasures(env)[2:]) == ({}, [("moderation", None)])
    await env.deleted(deleted(story.id), is_internal=True)  # again: a confirmation was lost
    assert erasures(env)[3:] == [("media", None), ("moderation", None)]


async def test_media_is_released_without_a_decision_when_its_time_is_over(env):
    story = env.add(live())
    await reported(env, story, until=timedelta(days=3))
    env.now.at = story.posted.expires_at + timedelta(seconds=1)
    await env.expire(expired(story))
    assert len(env.bucket.objects) == 2
    env.now.at = NOW + timedelta(days=3)
    await env.release_holds()
    await env.release_holds()
    assert (env.bucket.objects, [store for store, _ in erasures(env)]) == ({}, ["media", "moderation"])


async def test_a_decision_before_the_end_and_a_late_report_hold_nothing(env):
    kept, gone = env.add(live()), env.add(live())
    await reported(env, kept)
    await decided(env, kept)
    await env.delete(ANN, kept.id, series=False)
    await env.deleted(deleted(kept.id), is_internal=True)
    await env.delete(ANN, gone.id, series=False)
    await reported(env, gone)
    await env.deleted(deleted(gone.id), is_internal=True)
    assert (env.bucket.objects, erasures(env)) == ({}, [("media", None)] * 2)


async def test_an_erased_account_leaves_no_held_media(env):
    ended, alive = env.add(live()), env.add(live())
    await reported(env, ended)
    await reported(env, alive)
    await env.delete(ANN, ended.id, series=False)
    await env.deleted(deleted(ended.id), is_internal=True)
    await env.forget("ann", NOW + timedelta(seconds=1), new_id())
    await env.deleted(deleted(alive.id, by="erasure"), is_internal=True)
    assert env.bucket.objects == {}
    assert ("moderation", None) in erasures(env)


async def test_what_a_crash_left_of_held_media_is_moved_or_erased_later(env):
    story = env.add(live())
    await reported(env, story)
    await env.bucket.copy_to_held(story.id)  # then it died
    await env.deleted(deleted(story.id), is_internal=True)
    assert (len(env.bucket.objects), erasures(env)) == (2, [("media", NOW + timedelta(days=7))])
    env.bucket.objects |= {key.replace("held/", "stories/"): data for key, data in env.bucket.objects.items()}
    env.now.at = NOW + timedelta(days=7)
    await env.release_holds()
    await env.deleted(deleted(story.id), is_internal=True)
    assert env.bucket.objects == {}
