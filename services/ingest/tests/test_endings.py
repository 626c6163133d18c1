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
class World:
    stories: MemoryStories = field(default_factory=MemoryStories)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    heard: RecordingPublisher = field(default_factory=RecordingPublisher)
    now: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self):
        self.endings = MemoryRelay(self.stories)
        erase = EraseMedia(self.bucket, self.stories, self.heard, self.now)
        self.expire = EndExpired(self.stories, erase, self.now, self.now.sleep)
        self.deleted = EndDeleted(self.stories, self.endings, erase, self.now, new_id)
        self.delete = DeleteStory(self.stories, self.stories, self.bucket, self.endings, self.now, new_id)
        self.cancel = CancelStory(self.stories, self.bucket, self.stories, self.now)
        self.mend = RepublishIfStale(self.stories, self.heard)
        self.account = EraseAccount(self.stories, self.stories, self.bucket, self.endings, self.now, new_id)
        self.forget = ForgetUser(self.account, self.heard, self.now)
        self.vanish = DiscardOverdue(self.stories, self.stories, self.bucket, self.now)
        self.unheard_of = EraseMissedExpiries(self.stories, self.stories, erase, self.now)
        self.again = RecheckErasures(self.stories, self.bucket, self.account, self.now)

    async def sweep(self):
        for prefix, wanted in ((STAGING, self.stories.uploads_wanted), (FINAL, self.stories.rightful)):
            await SweepObjects(self.bucket, prefix, wanted, self.now, 10)(MemoryPosition())

    def add(self, story):
        self.stories.add(story)
        if story.posted:
            self.bucket.objects |= {story.posted.media.key: b"m", story.posted.media.poster_key: b"p"}
        else:
            self.bucket.upload(story.id)
        return story

    def stores_said(self):
        return [(type(event).__name__, event.story_id) for event in self.heard.said]


@pytest.fixture
def world():
    return World()


def expired(story, **changed):
    at = story.posted.expires_at
    fact = {"story_id": story.id, "author_id": story.author_id, "expires_at": at, "expired_at": at}
    return StoryExpired(**(fact | changed))


def deleted(story_id, by="author"):
    return StoryDeleted(story_id=story_id, author_id=None, deleted_at=NOW, by=by)


async def test_an_expired_story_is_erased_and_the_log_forgets_it(world):
    story = world.add(live())
    world.now.at = story.posted.expires_at + timedelta(seconds=1)
    await world.expire(expired(story))
    assert (world.bucket.objects, (await world.stories.ended(story.id)).how) == ({}, EndReason.EXPIRED)
    assert (world.stores_said(), world.heard.forgotten) == ([("StoryErased", story.id)], [f"story-posted/{story.id}"])


async def test_every_ending_heard_is_answered_known_or_not(world):
    stranger = live()
    world.now.at = stranger.posted.expires_at + timedelta(seconds=1)
    for _ in range(2):
        await world.expire(expired(stranger))
    assert world.stores_said() == [("StoryErased", stranger.id)] * 2


async def test_nothing_is_erased_before_our_own_clock_agrees(world):
    story = world.add(live())
    world.now.at = story.posted.expires_at - timedelta(seconds=1.5)
    await world.expire(expired(story))
    assert world.heard.said[0].erased_at >= story.posted.expires_at
    assert world.now() > story.posted.expires_at


async def test_an_expiry_far_ahead_of_its_time_is_nobodys_honest_news(world):
    story = world.add(live())
    with pytest.raises(InvalidMessage):
        await world.expire(expired(story, expires_at=NOW - timedelta(days=1)))
    assert await world.stories.find(story.id) == story


async def test_a_draft_cannot_expire(world):
    story = world.add(draft())
    with pytest.raises(InvalidMessage):
        await world.expire(expired(replace(live(), id=story.id), expires_at=NOW - timedelta(days=1)))


async def test_a_deletion_said_by_us_ends_what_still_lives_in_silence(world):
    story = world.add(live())
    await world.deleted(deleted(story.id, by="admin"), is_internal=True)
    assert (world.stories.pending, world.bucket.objects) == (set(), {})


async def test_a_deletion_from_outside_is_said_again_by_us(world):
    story = world.add(live())
    await world.deleted(deleted(story.id, by="admin"), is_internal=False)
    ended = await world.stories.ended(story.id)
    assert (ended.author_id, ended.by, world.stories.pending) == ("ann", "admin", {story.id})
    await world.deleted(deleted(story.id, by="admin"), is_internal=False)
    assert await world.stories.ended(story.id) == replace(ended, erased_at=ended.erased_at)


async def test_an_outsider_cannot_speak_for_the_author(world):
    story = world.add(live())
    with pytest.raises(InvalidMessage):
        await world.deleted(deleted(story.id, by="author"), is_internal=False)


async def test_a_deletion_is_said_and_its_media_gone_when_it_is_confirmed(world):
    story = world.add(live())
    await world.delete(ANN, story.id, series=False)
    assert (world.endings.said, world.bucket.objects) == ([story.id], {})


async def test_a_deletion_may_be_asked_for_again_and_again(world):
    story = world.add(live())
    await world.delete(ANN, story.id, series=False)
    await world.delete(ANN, story.id, series=False)
    await world.delete(ADMIN, story.id, series=True)
    assert world.endings.said == [story.id]


async def test_nobody_else_deletes_or_learns_that_there_was_anything(world):
    story = world.add(live())
    for _ in range(2):
        with pytest.raises(NoSuchStory):
            await world.delete(BOB, story.id, series=False)
        await world.delete(ANN, story.id, series=False)


async def test_an_admin_deletes_as_admin(world):
    story = world.add(live())
    await world.delete(ADMIN, story.id, series=False)
    assert (await world.stories.ended(story.id)).by == "admin"


async def test_a_deletion_that_kafka_does_not_take_stands_and_is_confirmed_later(world):
    story = world.add(live())
    world.endings.down = True
    with pytest.raises(Unavailable):
        await world.delete(ANN, story.id, series=False)
    assert await world.stories.find(story.id) is None
    world.endings.down = False
    await world.delete(ANN, story.id, series=False)
    assert (world.endings.said, world.bucket.objects) == ([story.id], {})


async def test_a_deletion_whose_media_cannot_be_reached_is_not_confirmed(world):
    story = world.add(live())
    world.bucket.down = True
    with pytest.raises(Unavailable):
        await world.delete(ANN, story.id, series=False)
    assert world.endings.said == [story.id]


async def test_the_rest_of_a_series_goes_when_a_part_is_already_gone(world):
    first = live(part=1, parts=2)
    first = world.add(replace(first, posted=replace(first.posted, series_id=first.id)))
    second = world.add(live(series_id=first.id, part=2, parts=2))
    await world.delete(ANN, first.id, series=False)
    await world.delete(ANN, first.id, series=True)
    assert set(world.endings.said) == {first.id, second.id}


async def test_a_cancelled_draft_vanishes_with_its_upload(world):
    story = world.add(draft())
    await world.cancel(ANN, story.id)
    assert (world.stories.stories, world.bucket.objects, world.stories.pending) == ({}, {}, set())
    with pytest.raises(NoSuchStory):
        await world.cancel(ANN, story.id)


async def test_a_cancel_that_could_not_reach_the_upload_is_finished_when_asked_again(world):
    story = world.add(draft())
    world.bucket.down = True
    with pytest.raises(Unavailable):
        await world.cancel(ANN, story.id)
    world.bucket.down = False
    with pytest.raises(NoSuchStory):
        await world.cancel(BOB, story.id)
    await world.cancel(ANN, story.id)
    assert world.bucket.objects == {}


async def test_a_live_story_is_not_cancelled(world):
    story = world.add(live())
    with pytest.raises(WrongState):
        await world.cancel(ANN, story.id)


async def test_a_lower_revision_is_answered_with_the_present_one(world):
    story = world.add(live())
    news = story_posted(story)
    world.stories.add(replace(story, posted=replace(story.posted, revision=2)))
    await world.mend(news)
    assert [event.revision for event in world.heard.said] == [2]


async def test_present_news_is_left_alone(world):
    story = world.add(live())
    await world.mend(story_posted(story))
    assert (world.heard.said, world.heard.forgotten) == ([], [])


async def test_news_of_an_erased_story_is_forgotten_again(world):
    story = world.add(live())
    news = story_posted(story)
    await world.deleted(deleted(story.id), is_internal=True)
    world.heard.forgotten.clear()
    await world.mend(news)
    assert world.heard.forgotten == [f"story-posted/{story.id}"]


async def test_news_of_an_ended_story_waits_for_its_erasure(world):
    story = world.add(live())
    world.bucket.down = True
    with pytest.raises(Unavailable):
        await world.delete(ANN, story.id, series=False)
    await world.mend(story_posted(story))
    assert world.heard.forgotten == []


async def test_an_account_is_erased_until_its_moment_and_no_further(world):
    old, young = world.add(live()), world.add(live(now=NOW + timedelta(seconds=2)))
    waiting = world.add(processing())
    world.stories.quotas["ann"] = Quota(live=(Slot(old.id, NOW + timedelta(hours=24)),))
    await world.forget("ann", NOW + timedelta(seconds=1), new_id())
    assert set(world.stories.stories) == {young.id}
    assert (world.endings.said, world.stories.quotas["ann"].live) == ([old.id], ())
    assert {(await world.stories.ended(each.id)).author_id for each in (old, waiting)} == {None}


async def test_an_erased_account_is_told_of_every_time(world):
    for _ in range(2):
        await world.forget("ann", NOW, new_id())
    assert [event.service for event in world.heard.said] == ["ingest"] * 2


async def test_what_a_stalled_request_made_for_an_erased_account_goes_with_the_second_look(world):
    await world.forget("ann", NOW, new_id())
    late = world.add(draft())
    world.now.at = NOW + RECHECK_AFTER
    await world.again()
    assert await world.stories.find(late.id) is None
    assert world.stories.erased_users["ann"][1] is None


async def test_a_second_look_at_an_account_that_failed_is_made_again(world):
    await world.forget("ann", NOW, new_id())
    late = world.add(live())
    world.now.at = NOW + RECHECK_AFTER
    world.endings.down = True
    with pytest.raises(Unavailable):
        await world.again()
    world.endings.down = False
    await world.again()
    assert (world.endings.said, world.bucket.objects) == ([late.id], {})


async def test_an_accounts_bytes_are_gone_before_its_erasure_is_said(world):
    world.add(live())
    world.bucket.down = True
    with pytest.raises(Unavailable):
        await world.forget("ann", NOW, new_id())
    world.bucket.down = False
    await world.forget("ann", NOW, new_id())
    assert (world.bucket.objects, [event.service for event in world.heard.said]) == ({}, ["ingest"])


async def test_no_draft_of_an_erased_account_keeps_its_authors_name(world):
    waiting = world.add(draft())
    await world.forget("ann", NOW - timedelta(seconds=1), new_id())
    assert waiting.id in world.stories.stories
    world.now.move(minutes=5)
    await world.forget("ann", NOW, new_id())
    assert (await world.stories.ended(waiting.id)).author_id is None


async def test_a_second_look_that_fails_for_one_story_is_done_for_the_others(world):
    stories = [world.add(live()) for _ in range(5)]
    for story in stories:
        await world.deleted(deleted(story.id), is_internal=True)
    stuck, *others = [media(story.id, "late").key for story in stories]
    world.bucket.objects |= dict.fromkeys([stuck, *others], b"m")
    world.bucket.stuck = stuck
    world.now.at = NOW + RECHECK_AFTER
    with pytest.raises(Unavailable):
        await world.again()
    assert set(world.bucket.objects) == {stuck}
    assert set(world.stories.again) == {stories[0].id}


async def test_full_pages_of_second_looks_follow_each_other_at_once(world):
    many = 100 * 5
    for _ in range(many):
        story = world.add(live())
        await world.deleted(deleted(story.id), is_internal=True)
        world.bucket.objects[media(story.id, "late").key] = b"m"
    world.now.at = NOW + RECHECK_AFTER
    turns = 1
    while await world.again():
        turns += 1
        assert world.bucket.most_at_once <= 4
    assert (turns, world.bucket.objects, world.stories.again) == (many // PAGE + 1, {}, {})


async def test_what_a_stalled_worker_wrote_goes_with_the_second_look(world):
    story = world.add(live())
    await world.deleted(deleted(story.id), is_internal=True)
    world.bucket.objects[media(story.id, "late").key] = b"m"
    world.now.at = NOW + RECHECK_AFTER
    await world.again()
    assert (world.bucket.objects, world.stories.again) == ({}, {})


async def test_drafts_left_alone_vanish_with_their_uploads(world):
    world.add(draft())
    kept = world.add(processing())
    world.now.move(hours=1)
    assert not await world.vanish()
    assert set(world.stories.stories) == {kept.id}
    assert len(world.bucket.objects) == 1


async def test_objects_without_a_story_go_each_time_one_appears(world):
    story, waiting = world.add(live()), world.add(draft())
    kept = set(world.bucket.objects)
    for _ in range(2):
        world.bucket.upload(story.id, b"again")
        world.bucket.objects[media(new_id()).key] = b"m"
        await world.sweep()
        assert set(world.bucket.objects) == kept
    assert waiting.id in world.stories.stories


async def test_a_story_whose_end_nobody_told_goes_an_hour_later(world):
    world.add(live())
    world.now.at = NOW + timedelta(hours=25, seconds=-1)
    await world.unheard_of()
    assert world.bucket.objects
    world.now.move(seconds=1)
    await world.unheard_of()
    assert world.bucket.objects == {}
