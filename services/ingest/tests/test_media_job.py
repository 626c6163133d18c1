"""Media work with everything around it in memory."""

import asyncio
import errno
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from stories_ingest.domain import transitions
from stories_ingest.domain.errors import MachineFault, WorkerLost
from stories_ingest.domain.story import Overlay, State
from stories_ingest.testing.builders import NOW, FakeClock, processing
from stories_ingest.testing.fakes import FakeTranscoder, MemoryBucket, MemoryRelay, folder
from stories_ingest.testing.in_memory import MemoryStories
from stories_ingest.usecases.run_media_job import LEASE, MAX_DEATHS, RETRY_AT_MOST, RunMediaJob
from stories_ingest.usecases.wakeups import Wakeups
from stories_shared.errors import Unavailable
from stories_shared.events.ids import new_id


@dataclass
class Workshop:
    stories: MemoryStories = field(default_factory=MemoryStories)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    kitchen: FakeTranscoder = field(default_factory=FakeTranscoder)
    now: FakeClock = field(default_factory=FakeClock)

    def worker(self, name="w", renew_every_s=0.01, make=None) -> RunMediaJob:
        return RunMediaJob(
            worker=name,
            jobs=self.stories,
            stories=self.stories,
            bucket=self.bucket,
            make=make or self.kitchen,
            folder=folder,
            cut=lambda track, start, end: f"{track}{start}-{end}",
            posted=MemoryRelay(self.stories),
            bell=Wakeups(),
            now=self.now,
            new_id=new_id,
            renew_every_s=renew_every_s,
        )

    def published(self, data=b"media", **fields):
        story = processing(**fields)
        self.bucket.upload(story.id, data)
        story = replace(story, job=replace(story.job, etag=data.decode()))
        self.stories.add(story)
        return story


@pytest.fixture
def shop():
    return Workshop()


async def test_nothing_to_do_is_told(shop):
    assert await shop.worker()() is None


async def test_a_job_is_posted_and_its_upload_removed(shop):
    story = shop.published()
    done = await shop.worker()()
    posted = (await shop.stories.find(story.id)).posted
    assert (done.result, posted.posted_at, posted.expires_at) == ("posted", NOW, NOW + story.lifetime)
    assert set(shop.bucket.objects) == {posted.media.key, posted.media.poster_key}


async def test_a_long_clip_becomes_parts_under_folders_of_their_own(shop):
    story = shop.published(words=Overlay(captions_track="T"))
    shop.kitchen.parts = 3
    await shop.worker()()
    parts = await shop.stories.parts(story.id)
    assert [part.words.captions_track for part in parts] == ["T0-5000", "T5000-10000", "T10000-15000"]
    assert all(part.posted.media.key.startswith(f"stories/{part.id}/") for part in parts)


async def test_refused_media_leave_a_reason_and_no_object(shop):
    story = shop.published()
    shop.kitchen.refusal = "damaged"
    done = await shop.worker()()
    refused = await shop.stories.find(story.id)
    assert (done.reason, refused.state, refused.reason, shop.bucket.objects) == (
        "damaged",
        State.REFUSED,
        "damaged",
        {},
    )


async def test_an_upload_overwritten_after_publish_is_changed(shop):
    story = shop.published()
    shop.bucket.upload(story.id, b"other")
    await shop.worker()()
    assert (await shop.stories.find(story.id)).reason == "changed"


async def test_an_upload_overwritten_while_it_is_worked_on_changes_nothing(shop):
    story = shop.published(b"first")
    shop.kitchen.before = lambda: shop.bucket.upload(story.id, b"second")
    await shop.worker()()
    posted = (await shop.stories.find(story.id)).posted
    assert shop.bucket.objects[posted.media.key].startswith(b"first")


async def test_a_story_cancelled_while_it_is_worked_on_leaves_nothing(shop):
    story = shop.published()
    now = shop.now()

    async def make(source, claimed, split, into, progress):
        await shop.stories.decide(story.id, lambda case: transitions.cancel(case, now))
        await asyncio.Event().wait()

    done = await asyncio.wait_for(shop.worker(make=make)(), 5)
    assert (done.result, shop.bucket.objects) == ("lost", {})


async def test_a_worker_that_was_taken_for_dead_posts_nothing(shop):
    story = shop.published()

    async def stalled(source, claimed, split, into, progress):
        shop.now.move(seconds=LEASE.total_seconds())
        assert (await shop.worker("other")()).result == "posted"
        return await shop.kitchen(source, claimed, split, into, progress)

    done = await shop.worker(make=stalled, renew_every_s=60)()
    posted = (await shop.stories.find(story.id)).posted
    assert (done.result, set(shop.bucket.objects)) == ("lost", {posted.media.key, posted.media.poster_key})


async def test_a_job_whose_store_is_down_is_handed_back_uncounted(shop):
    story = shop.published()

    def goes_down():
        shop.bucket.down = True

    shop.kitchen.before = goes_down
    with pytest.raises(Unavailable):
        await shop.worker()()
    shop.bucket.down, shop.kitchen.before = False, lambda: None
    shop.now.move(seconds=3)
    assert (await shop.worker()()).result == "posted"
    assert (await shop.stories.find(story.id)).state is State.LIVE


@pytest.mark.parametrize("bug", [RuntimeError("ours"), WorkerLost("a traceback")], ids=["here", "in the worker"])
async def test_a_job_that_fails_by_a_bug_is_tried_until_a_release_mends_it(shop, bug):
    story, rests = shop.published(), []

    def fails():
        raise bug

    shop.kitchen.before = fails
    for _ in range(20):
        done = await shop.worker()()
        assert (done.result, done.reason, done.error) == ("failed", "", bug)
        job = (await shop.stories.find(story.id)).job
        rests.append(job.lease_until - shop.now())
        assert await shop.worker()() is None
        shop.now.at = job.lease_until
    assert rests[:4] == [timedelta(seconds=each) for each in (2, 4, 8, 16)]
    assert rests[-1] == RETRY_AT_MOST
    assert shop.bucket.objects == {f"staging/{story.id}": b"media"}
    shop.kitchen.before = lambda: None
    assert (await shop.worker()()).result == "posted"


@pytest.mark.parametrize("fault", [MachineFault("full"), OSError(errno.ENOSPC, "full")], ids=["worker", "download"])
async def test_a_job_that_meets_a_full_disk_is_handed_back_uncounted(shop, fault):
    story = shop.published()

    def full():
        raise fault

    shop.kitchen.before = full
    for _ in range(20):
        with pytest.raises(MachineFault) as raised:
            await shop.worker()()
        assert raised.value.room >= story.size
        shop.now.move(seconds=3)
        assert (await shop.stories.find(story.id)).job.attempts == 0
    shop.kitchen.before = lambda: None
    assert (await shop.worker()()).result == "posted"


class Killed(MemoryStories):
    """What a process leaves behind that was killed: it hands nothing back."""

    async def hand_back(self, *_, **__):
        pass


async def test_what_kills_whole_processes_is_tried_ever_more_seldom(shop):
    shop.stories = Killed()
    story, waits = shop.published(), []

    def dies():
        raise RuntimeError

    shop.kitchen.before = dies
    for _ in range(MAX_DEATHS + 10):
        await shop.worker(renew_every_s=60)()
        free_at = (await shop.stories.find(story.id)).job.lease_until
        waits.append(free_at - shop.now())
        shop.now.at = free_at
    assert waits[:MAX_DEATHS] == [LEASE] * MAX_DEATHS
    assert waits[-1] == RETRY_AT_MOST
    shop.kitchen.before = lambda: None
    assert (await shop.worker()()).result == "posted"


class Sticky(MemoryBucket):
    """Nothing can be removed from it."""

    async def remove(self, *keys):
        raise Unavailable("s3")


async def test_a_story_is_posted_though_its_upload_cannot_be_removed(shop):
    shop.bucket = Sticky()
    story = shop.published()
    assert (await shop.worker()()).result == "posted"
    assert (await shop.stories.find(story.id)).state is State.LIVE


async def test_a_stopped_worker_hands_its_job_back(shop):
    story = shop.published()

    async def forever(source, claimed, split, into, progress):
        await asyncio.Event().wait()

    working = asyncio.ensure_future(shop.worker(make=forever)())
    await asyncio.sleep(0.05)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    job = (await shop.stories.find(story.id)).job
    assert (job.worker, job.attempts, job.lease_until) == (None, 0, NOW)


async def test_progress_is_told_while_the_lease_is_renewed(shop):
    story = shop.published()
    told = []

    async def make(source, claimed, split, into, progress):
        progress(0.5)
        shop.now.move(seconds=5)
        await asyncio.sleep(0.05)
        told.append((await shop.stories.find(story.id)).job)
        return await shop.kitchen(source, claimed, split, into, progress)

    await shop.worker(make=make)()
    assert (told[0].progress, told[0].lease_until) == (0.45, NOW + timedelta(seconds=5) + LEASE)


async def test_a_story_whose_upload_cannot_be_removed_is_posted_all_the_same(shop):
    story = shop.published()
    shop.bucket.stuck = f"staging/{story.id}"
    assert (await shop.worker()()).result == "posted"
    assert (await shop.stories.find(story.id)).state is State.LIVE


async def test_parts_of_a_long_clip_are_written_a_few_at_a_time(shop):
    story = shop.published()
    shop.kitchen.parts = 10
    assert (await shop.worker()()).result == "posted"
    parts = await shop.stories.parts(story.id)
    assert [part.posted.part for part in parts] == list(range(1, 11))
    assert all(part.posted.media.key in shop.bucket.objects for part in parts)
    assert 1 < shop.bucket.most_at_once <= 4
