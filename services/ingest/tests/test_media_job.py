"""Media jobs with in-memory fakes."""

import asyncio
import errno
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from stories_ingest.domain import transitions
from stories_ingest.domain.errors import MachineFault, WorkerCrashed
from stories_ingest.domain.story import Overlay, State
from stories_ingest.testing.builders import NOW, processing
from stories_ingest.testing.in_memory import FakeTranscoder, MemoryBucket, MemoryRelay, MemoryStories, folder
from stories_ingest.usecases.run_media_job import LEASE, MAX_BACKOFF, MAX_CRASHES, RunMediaJob
from stories_ingest.usecases.wakeups import Wakeups
from stories_shared.errors import Unavailable
from stories_shared.testing import FakeClock


@dataclass
class Bench:
    stories: MemoryStories = field(default_factory=MemoryStories)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    transcoder: FakeTranscoder = field(default_factory=FakeTranscoder)
    now: FakeClock = field(default_factory=lambda: FakeClock(NOW))

    def worker(self, name="w", renew_every_s=0.01, transcode=None) -> RunMediaJob:
        return RunMediaJob(
            worker=name,
            jobs=self.stories,
            stories=self.stories,
            bucket=self.bucket,
            transcode=transcode or self.transcoder,
            scratch=folder,
            posted=MemoryRelay(self.stories),
            wakeups=Wakeups(),
            now=self.now,
            renew_every_s=renew_every_s,
        )

    def published(self, data=b"media", **fields):
        story = processing(**fields)
        self.bucket.upload(story.id, data)
        story = replace(story, job=replace(story.job, etag=data.decode()))
        self.stories.add(story)
        return story


@pytest.fixture
def bench():
    return Bench()


async def test_empty_queue_returns_none(bench):
    assert await bench.worker()() is None


async def test_finished_job_is_posted_and_its_upload_removed(bench):
    story = bench.published()
    done = await bench.worker()()
    posted = (await bench.stories.find(story.id)).posted
    assert (done.result, posted.posted_at, posted.expires_at) == ("posted", NOW, NOW + story.lifetime)
    assert set(bench.bucket.objects) == {posted.media.key, posted.media.poster_key}


async def test_parts_of_a_long_clip_have_prefixes_of_their_own(bench):
    cues = [f"00:{at:02}.000 --> 00:{at + 1:02}.000\n{at}" for at in (1, 6, 11)]
    story = bench.published(overlay=Overlay(captions_track="\n\n".join(["WEBVTT", *cues])))
    bench.transcoder.parts = 3
    await bench.worker()()
    parts = await bench.stories.parts(story.id)
    assert [part.overlay.captions_track for part in parts] == [
        f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{at}\n" for at in (1, 6, 11)
    ]
    for part in parts:
        assert all(key.startswith(f"stories/{part.id}/") for key in part.posted.media.keys)
        assert bench.bucket.objects[part.posted.media.captions_key] == f"{part.overlay.captions_track}text/vtt".encode()


async def test_refused_media_leaves_a_reason_and_no_object(bench):
    story = bench.published()
    bench.transcoder.rejection = "damaged"
    done = await bench.worker()()
    refused = await bench.stories.find(story.id)
    assert (done.reason, refused.state, refused.reason, bench.bucket.objects) == (
        "damaged",
        State.REFUSED,
        "damaged",
        {},
    )


async def test_upload_overwritten_after_publish_is_refused_as_changed(bench):
    story = bench.published()
    bench.bucket.upload(story.id, b"other")
    await bench.worker()()
    assert (await bench.stories.find(story.id)).reason == "changed"


async def test_upload_overwritten_during_the_job_has_no_effect(bench):
    story = bench.published(b"first")
    bench.transcoder.before = lambda: bench.bucket.upload(story.id, b"second")
    await bench.worker()()
    posted = (await bench.stories.find(story.id)).posted
    assert bench.bucket.objects[posted.media.key].startswith(b"first")


async def test_story_cancelled_during_the_job_leaves_no_object(bench):
    story = bench.published()
    now = bench.now()

    async def transcode(source, declared, split, into, progress):
        await bench.stories.transact(story.id, lambda snapshot: transitions.cancel(snapshot, now))
        await asyncio.Event().wait()

    done = await asyncio.wait_for(bench.worker(transcode=transcode)(), 5)
    assert (done.result, bench.bucket.objects) == ("lost", {})


async def test_worker_with_an_expired_lease_posts_nothing(bench):
    story = bench.published()

    async def stalled(source, declared, split, into, progress):
        bench.now.forward(seconds=LEASE.total_seconds())
        assert (await bench.worker("other")()).result == "posted"
        return await bench.transcoder(source, declared, split, into, progress)

    done = await bench.worker(transcode=stalled, renew_every_s=60)()
    posted = (await bench.stories.find(story.id)).posted
    assert (done.result, set(bench.bucket.objects)) == ("lost", {posted.media.key, posted.media.poster_key})


async def test_job_without_s3_is_released_uncounted(bench):
    story = bench.published()

    def goes_down():
        bench.bucket.down = True

    bench.transcoder.before = goes_down
    with pytest.raises(Unavailable):
        await bench.worker()()
    bench.bucket.down, bench.transcoder.before = False, lambda: None
    bench.now.forward(seconds=3)
    assert (await bench.worker()()).result == "posted"
    assert (await bench.stories.find(story.id)).state is State.LIVE


@pytest.mark.parametrize("bug", [RuntimeError("ours"), WorkerCrashed("a traceback")], ids=["here", "in the worker"])
async def test_job_that_fails_by_a_bug_is_retried_with_backoff(bench, bug):
    story, delays = bench.published(), []

    def fails():
        raise bug

    bench.transcoder.before = fails
    for _ in range(20):
        done = await bench.worker()()
        assert (done.result, done.reason, done.error) == ("failed", "", bug)
        job = (await bench.stories.find(story.id)).job
        delays.append(job.lease_until - bench.now())
        assert await bench.worker()() is None
        bench.now.at = job.lease_until
    assert delays[:4] == [timedelta(seconds=each) for each in (2, 4, 8, 16)]
    assert delays[-1] == MAX_BACKOFF
    assert bench.bucket.objects == {f"staging/{story.id}": b"media"}
    bench.transcoder.before = lambda: None
    assert (await bench.worker()()).result == "posted"


@pytest.mark.parametrize("fault", [MachineFault("full"), OSError(errno.ENOSPC, "full")], ids=["worker", "download"])
async def test_job_on_a_full_disk_is_released_uncounted(bench, fault):
    story = bench.published()

    def full():
        raise fault

    bench.transcoder.before = full
    for _ in range(20):
        with pytest.raises(MachineFault) as raised:
            await bench.worker()()
        assert raised.value.needed_bytes >= story.size
        bench.now.forward(seconds=3)
        assert (await bench.stories.find(story.id)).job.attempts == 0
    bench.transcoder.before = lambda: None
    assert (await bench.worker()()).result == "posted"


class KilledStories(MemoryStories):
    """A killed process does not release its job."""

    async def release(self, *_, **__):
        pass


async def test_job_that_crashes_processes_is_retried_with_backoff(bench):
    bench.stories = KilledStories()
    story, waits = bench.published(), []

    def crashes():
        raise RuntimeError

    bench.transcoder.before = crashes
    for _ in range(MAX_CRASHES + 10):
        await bench.worker(renew_every_s=60)()
        free_at = (await bench.stories.find(story.id)).job.lease_until
        waits.append(free_at - bench.now())
        bench.now.at = free_at
    assert waits[:MAX_CRASHES] == [LEASE] * MAX_CRASHES
    assert waits[-1] == MAX_BACKOFF
    bench.transcoder.before = lambda: None
    assert (await bench.worker()()).result == "posted"


async def test_stopped_worker_releases_its_job(bench):
    story = bench.published()

    async def forever(source, declared, split, into, progress):
        await asyncio.Event().wait()

    working = asyncio.ensure_future(bench.worker(transcode=forever)())
    await asyncio.sleep(0.05)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    job = (await bench.stories.find(story.id)).job
    assert (job.worker, job.attempts, job.lease_until) == (None, 0, NOW)


async def test_lease_renewal_stores_the_progress(bench):
    story = bench.published()
    jobs = []

    async def transcode(source, declared, split, into, progress):
        progress(0.5)
        bench.now.forward(seconds=5)
        await asyncio.sleep(0.05)
        jobs.append((await bench.stories.find(story.id)).job)
        return await bench.transcoder(source, declared, split, into, progress)

    await bench.worker(transcode=transcode)()
    assert (jobs[0].progress, jobs[0].lease_until) == (0.45, NOW + timedelta(seconds=5) + LEASE)


async def test_story_is_posted_although_its_upload_cannot_be_removed(bench):
    story = bench.published()
    bench.bucket.undeletable = f"staging/{story.id}"
    assert (await bench.worker()()).result == "posted"
    assert (await bench.stories.find(story.id)).state is State.LIVE


async def test_parts_of_a_long_clip_are_uploaded_with_bounded_concurrency(bench):
    story = bench.published()
    bench.transcoder.parts = 10
    assert (await bench.worker()()).result == "posted"
    parts = await bench.stories.parts(story.id)
    assert [part.posted.part for part in parts] == list(range(1, 11))
    assert all(part.posted.media.key in bench.bucket.objects for part in parts)
    assert 1 < bench.bucket.max_concurrent <= 4
