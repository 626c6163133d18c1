"""Endings, erasure and old news, with everything around them in memory."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from stories_ingest.domain.errors import NoSuchStory, WrongState
from stories_ingest.domain.keys import FINAL, STAGING
from stories_ingest.domain.quota import Quota, Slot
from stories_ingest.domain.story import EndReason, Requester
from stories_ingest.testing.builders import NOW, FakeClock, draft, live, media, processing
from stories_ingest.testing.fakes import MemoryBucket, MemoryPosition, MemoryRelay, RecordingPublisher
from stories_ingest.testing.in_memory import MemoryStories
from stories_ingest.usecases.delete import CancelStory, DeleteStory
from stories_ingest.usecases.endings import RECHECK_AFTER, EndDeleted, EndExpired, EraseMedia
from stories_ingest.usecases.erasure import EraseAccount, ForgetUser
from stories_ingest.usecases.event_mapping import story_posted
from stories_ingest.usecases.republish_stale import RepublishIfStale
from stories_ingest.usecases.sweeps import PAGE, DiscardOverdue, EraseMissedExpiries, RecheckErasures, SweepObjects
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import StoryDeleted, StoryExpired
from stories_shared.events.ids import new_id

ANN, BOB, ADMIN = Requester("ann"), Requester("bob"), Requester("root", is_admin=True)


@dataclass
class Env:
    stories: MemoryStories = field(default_factory=MemoryStories)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)
    now: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self):
        self.endings = MemoryRelay(self.stories)
        erase = EraseMedia(self.bucket, self.stories, self.publisher, self.now)
        self.expire = EndExpired(self.stories, erase, self.now, self.now.sleep)
        self.deleted = EndDeleted(self.stories, self.endings, erase, self.now, new_id)
        self.delete = DeleteStory(self.stories, self.stories, self.bucket, self.endings, self.now, new_id)
        self.cancel = CancelStory(self.stories, self.bucket, self.stories, self.now)
        self.republish = RepublishIfStale(self.stories, self.publisher)
        self.account = EraseAccount(self.stories, self.stories, self.bucket, self.endings, self.now, new_id)
        self.forget = ForgetUser(self.account, self.publisher, self.now)
        self.discard = DiscardOverdue(self.stories, self.stories, self.bucket, self.now)
        self.missed_expiries = EraseMissedExpiries(self.stories, self.stories, erase, self.now)
        self.recheck = RecheckErasures(self.stories, self.bucket, self.account, self.now)

    async def sweep(self):
        for prefix, referenced in ((STAGING, self.stories.referenced_uploads), (FINAL, self.stories.referenced_keys)):
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


async def test_an_expired_story_is_erased_and_the_log_forgets_it(env):
    story = env.add(live())
    env.now.at = story.posted.expires_at + timedelta(seconds=1)
    await env.expire(expired(story))
    assert (env.bucket.objects, (await env.stories.ended(story.id)).how) == ({}, EndReason.EXPIRED)
    assert (env.published_erasures(), env.publisher.tombstones) == (
        [("StoryErased", story.id)],
        [f"story-posted/{story.id}"],
    )


async def test_every_ending_heard_is_answered_known_or_not(env):
    stranger = live()
    env.now.at = stranger.posted.expires_at + timedelta(seconds=1)
    for _ in range(2):
        await env.expire(expired(stranger))
    assert env.published_erasures() == [("StoryErased", stranger.id)] * 2


async def test_nothing_is_erased_before_our_own_clock_agrees(env):
    story = env.add(live())
    env.now.at = story.posted.expires_at - timedelta(seconds=1.5)
    await env.expire(expired(story))
    assert env.publisher.published[0].erased_at >= story.posted.expires_at
    assert env.now() > story.posted.expires_at


async def test_an_expiry_far_ahead_of_its_time_is_nobodys_honest_news(env):
    story = env.add(live())
    with pytest.raises(InvalidMessage):
        await env.expire(expired(story, expires_at=NOW - timedelta(days=1)))
    assert await env.stories.find(story.id) == story


async def test_a_draft_cannot_expire(env):
    story = env.add(draft())
    with pytest.raises(InvalidMessage):
        await env.expire(expired(replace(live(), id=story.id), expires_at=NOW - timedelta(days=1)))


async def test_a_deletion_said_by_us_ends_what_still_lives_in_silence(env):
    story = env.add(live())
    await env.deleted(deleted(story.id, by="admin"), is_internal=True)
    assert (env.stories.pending, env.bucket.objects) == (set(), {})


async def test_a_deletion_from_outside_is_said_again_by_us(env):
    story = env.add(live())
    await env.deleted(deleted(story.id, by="admin"), is_internal=False)
    ended = await env.stories.ended(story.id)
    assert (ended.author_id, ended.by, env.stories.pending) == ("ann", "admin", {story.id})
    await env.deleted(deleted(story.id, by="admin"), is_internal=False)
    assert await env.stories.ended(story.id) == replace(ended, erased_at=ended.erased_at)


async def test_an_outsider_cannot_speak_for_the_author(env):
    story = env.add(live())
    with pytest.raises(InvalidMessage):
        await env.deleted(deleted(story.id, by="author"), is_internal=False)


async def test_a_deletion_is_said_and_its_media_gone_when_it_is_confirmed(env):
    story = env.add(live())
    await env.delete(ANN, story.id, series=False)
    assert (env.endings.published, env.bucket.objects) == ([story.id], {})


async def test_a_deletion_may_be_asked_for_again_and_again(env):
    story = env.add(live())
    await env.delete(ANN, story.id, series=False)
    await env.delete(ANN, story.id, series=False)
    await env.delete(ADMIN, story.id, series=True)
    assert env.endings.published == [story.id]


async def test_nobody_else_deletes_or_learns_that_there_was_anything(env):
    story = env.add(live())
    for _ in range(2):
        with pytest.raises(NoSuchStory):
            await env.delete(BOB, story.id, series=False)
        await env.delete(ANN, story.id, series=False)


async def test_an_admin_deletes_as_admin(env):
    story = env.add(live())
    await env.delete(ADMIN, story.id, series=False)
    assert (await env.stories.ended(story.id)).by == "admin"


async def test_a_deletion_that_kafka_does_not_take_stands_and_is_confirmed_later(env):
    story = env.add(live())
    env.endings.down = True
    with pytest.raises(Unavailable):
        await env.delete(ANN, story.id, series=False)
    assert await env.stories.find(story.id) is None
    env.endings.down = False
    await env.delete(ANN, story.id, series=False)
    assert (env.endings.published, env.bucket.objects) == ([story.id], {})


async def test_a_deletion_whose_media_cannot_be_reached_is_not_confirmed(env):
    story = env.add(live())
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.delete(ANN, story.id, series=False)
    assert env.endings.published == [story.id]


async def test_the_rest_of_a_series_goes_when_a_part_is_already_gone(env):
    first = live(part=1, parts=2)
    first = env.add(replace(first, posted=replace(first.posted, series_id=first.id)))
    second = env.add(live(series_id=first.id, part=2, parts=2))
    await env.delete(ANN, first.id, series=False)
    await env.delete(ANN, first.id, series=True)
    assert set(env.endings.published) == {first.id, second.id}


async def test_a_cancelled_draft_vanishes_with_its_upload(env):
    story = env.add(draft())
    await env.cancel(ANN, story.id)
    assert (env.stories.stories, env.bucket.objects, env.stories.pending) == ({}, {}, set())
    with pytest.raises(NoSuchStory):
        await env.cancel(ANN, story.id)


async def test_a_cancel_that_could_not_reach_the_upload_is_finished_when_asked_again(env):
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


async def test_a_lower_revision_is_answered_with_the_present_one(env):
    story = env.add(live())
    event = story_posted(story)
    env.stories.add(replace(story, posted=replace(story.posted, revision=2)))
    await env.republish(event)
    assert [event.revision for event in env.publisher.published] == [2]


async def test_present_news_is_left_alone(env):
    story = env.add(live())
    await env.republish(story_posted(story))
    assert (env.publisher.published, env.publisher.tombstones) == ([], [])


async def test_news_of_an_erased_story_is_forgotten_again(env):
    story = env.add(live())
    event = story_posted(story)
    await env.deleted(deleted(story.id), is_internal=True)
    env.publisher.tombstones.clear()
    await env.republish(event)
    assert env.publisher.tombstones == [f"story-posted/{story.id}"]


async def test_news_of_an_ended_story_waits_for_its_erasure(env):
    story = env.add(live())
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.delete(ANN, story.id, series=False)
    await env.republish(story_posted(story))
    assert env.publisher.tombstones == []


async def test_an_account_is_erased_until_its_moment_and_no_further(env):
    old, young = env.add(live()), env.add(live(now=NOW + timedelta(seconds=2)))
    waiting = env.add(processing())
    env.stories.quotas["ann"] = Quota(live=(Slot(old.id, NOW + timedelta(hours=24)),))
    await env.forget("ann", NOW + timedelta(seconds=1), new_id())
    assert set(env.stories.stories) == {young.id}
    assert (env.endings.published, env.stories.quotas["ann"].live) == ([old.id], ())
    assert {(await env.stories.ended(each.id)).author_id for each in (old, waiting)} == {None}


async def test_an_erased_account_is_told_of_every_time(env):
    for _ in range(2):
        await env.forget("ann", NOW, new_id())
    assert [event.service for event in env.publisher.published] == ["ingest"] * 2


async def test_what_a_stalled_request_made_for_an_erased_account_goes_with_the_second_look(env):
    await env.forget("ann", NOW, new_id())
    late = env.add(draft())
    env.now.at = NOW + RECHECK_AFTER
    await env.recheck()
    assert await env.stories.find(late.id) is None
    assert env.stories.erased_users["ann"][1] is None


async def test_a_second_look_at_an_account_that_failed_is_made_again(env):
    await env.forget("ann", NOW, new_id())
    late = env.add(live())
    env.now.at = NOW + RECHECK_AFTER
    env.endings.down = True
    with pytest.raises(Unavailable):
        await env.recheck()
    env.endings.down = False
    await env.recheck()
    assert (env.endings.published, env.bucket.objects) == ([late.id], {})


async def test_an_accounts_bytes_are_gone_before_its_erasure_is_said(env):
    env.add(live())
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.forget("ann", NOW, new_id())
    env.bucket.down = False
    await env.forget("ann", NOW, new_id())
    assert (env.bucket.objects, [event.service for event in env.publisher.published]) == ({}, ["ingest"])


async def test_no_draft_of_an_erased_account_keeps_its_authors_name(env):
    waiting = env.add(draft())
    await env.forget("ann", NOW - timedelta(seconds=1), new_id())
    assert waiting.id in env.stories.stories
    env.now.move(minutes=5)
    await env.forget("ann", NOW, new_id())
    assert (await env.stories.ended(waiting.id)).author_id is None


async def test_a_second_look_that_fails_for_one_story_is_done_for_the_others(env):
    stories = [env.add(live()) for _ in range(5)]
    for story in stories:
        await env.deleted(deleted(story.id), is_internal=True)
    stuck, *others = [media(story.id, "late").key for story in stories]
    env.bucket.objects |= dict.fromkeys([stuck, *others], b"m")
    env.bucket.stuck = stuck
    env.now.at = NOW + RECHECK_AFTER
    with pytest.raises(Unavailable):
        await env.recheck()
    assert set(env.bucket.objects) == {stuck}
    assert set(env.stories.rechecks) == {stories[0].id}


async def test_full_pages_of_second_looks_follow_each_other_at_once(env):
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


async def test_what_a_stalled_worker_wrote_goes_with_the_second_look(env):
    story = env.add(live())
    await env.deleted(deleted(story.id), is_internal=True)
    env.bucket.objects[media(story.id, "late").key] = b"m"
    env.now.at = NOW + RECHECK_AFTER
    await env.recheck()
    assert (env.bucket.objects, env.stories.rechecks) == ({}, {})


async def test_drafts_left_alone_vanish_with_their_uploads(env):
    env.add(draft())
    kept = env.add(processing())
    env.now.move(hours=1)
    assert not await env.discard()
    assert set(env.stories.stories) == {kept.id}
    assert len(env.bucket.objects) == 1


async def test_objects_without_a_story_go_each_time_one_appears(env):
    story, waiting = env.add(live()), env.add(draft())
    kept = set(env.bucket.objects)
    for _ in range(2):
        env.bucket.upload(story.id, b"again")
        env.bucket.objects[media(new_id()).key] = b"m"
        await env.sweep()
        assert set(env.bucket.objects) == kept
    assert waiting.id in env.stories.stories


async def test_a_story_whose_end_nobody_told_goes_an_hour_later(env):
    env.add(live())
    env.now.at = NOW + timedelta(hours=25, seconds=-1)
    await env.missed_expiries()
    assert env.bucket.objects
    env.now.move(seconds=1)
    await env.missed_expiries()
    assert env.bucket.objects == {}
