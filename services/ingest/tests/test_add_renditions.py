"""Smaller renditions follow when the story is live, and never cost it its life."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from stories_ingest.domain import transitions
from stories_ingest.domain.errors import MediaRefused, WorkerCrashed
from stories_ingest.domain.media import Rendition
from stories_ingest.domain.story import RenditionJob, StorySettings
from stories_ingest.testing.builders import NOW, live
from stories_ingest.testing.in_memory import (
    MemoryBucket,
    MemoryPosition,
    MemoryRelay,
    MemoryRenditionJobs,
    MemoryStories,
    folder,
)
from stories_ingest.usecases.add_renditions import MAX_ATTEMPTS, RETRY_AFTER, AddRenditions
from stories_ingest.usecases.run_media_job import LEASE
from stories_ingest.usecases.sweeps import SweepObjects
from stories_shared.errors import Unavailable
from stories_shared.events.ids import new_id
from stories_shared.testing import FakeClock

LATER = LEASE + timedelta(seconds=1)


async def one_smaller(source, into):
    assert source.read_bytes() == b"clip"
    (into / "720.mp4").write_bytes(b"small")
    return [Rendition(key="720.mp4", content_type="video/mp4", size=5, width=720, height=1280, codecs="avc1.64001F")]


@dataclass
class Bench:
    stories: MemoryStories = field(default_factory=MemoryStories)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    now: FakeClock = field(default_factory=lambda: FakeClock(NOW))

    def add(self, downscale=one_smaller, renew_every_s=0.01) -> AddRenditions:
        return AddRenditions(
            worker="w",
            jobs=MemoryRenditionJobs(self.stories),
            stories=self.stories,
            bucket=self.bucket,
            downscale=downscale,
            scratch=folder,
            posted=MemoryRelay(self.stories),
            now=self.now,
            renew_every_s=renew_every_s,
        )

    def live(self):
        story = live()
        posted = replace(story.posted, renditions_job=RenditionJob(since=NOW, lease_until=NOW))
        story = replace(story, posted=posted)
        self.stories.add(story)
        self.bucket.objects |= {posted.media.key: b"clip", posted.media.poster_key: b"poster"}
        return story

    async def posted(self, story):
        return (await self.stories.find(story.id)).posted


@pytest.fixture
def bench():
    return Bench()


async def test_story_without_a_job_is_left_alone(bench):
    bench.stories.add(live())
    assert await bench.add()() is None


async def test_smaller_rendition_is_a_new_revision_with_the_same_access(bench):
    story = bench.live()
    assert await bench.add()() == "added"
    posted = await bench.posted(story)
    assert (posted.revision, posted.access_revision, posted.renditions_job) == (2, 1, None)
    [rendition] = posted.media.renditions
    assert bench.bucket.objects[rendition.key] == b"smallvideo/mp4"
    assert rendition.key.startswith(f"stories/{story.id}/")
    assert story.id in bench.stories.pending
    assert await bench.add()() is None


async def test_sweep_keeps_what_a_job_writes_and_removes_what_it_left(bench):
    story = bench.live()
    sweep = SweepObjects(bench.bucket, "stories/", bench.stories.referenced_keys, bench.now, pages=10)
    stray = f"stories/{story.id}/stray.mp4"
    bench.bucket.objects[stray] = b"x"
    await sweep(MemoryPosition())
    assert stray in bench.bucket.objects
    await bench.add()()
    await sweep(MemoryPosition())
    assert set(bench.bucket.objects) == set((await bench.posted(story)).media.keys)


async def test_setting_changed_during_the_job_stays(bench):
    story = bench.live()

    async def slow(source, into):
        settings = StorySettings(audience="friends")
        await bench.stories.transact(story.id, lambda snapshot: transitions.change(snapshot, lambda _: settings, NOW))
        return await one_smaller(source, into)

    assert await bench.add(slow)() == "added"
    changed = await bench.stories.find(story.id)
    assert (changed.settings.audience, changed.posted.revision, changed.posted.access_revision) == ("friends", 3, 2)


async def test_story_deleted_during_the_job_stops_it_and_leaves_no_object(bench):
    story = bench.live()

    async def endless(source, into):
        await bench.stories.transact(
            story.id, lambda snapshot: transitions.delete(snapshot, by="author", series=False, now=NOW, new_id=new_id)
        )
        await bench.bucket.erase(story.id)
        await asyncio.Event().wait()

    assert await asyncio.wait_for(bench.add(endless)(), 5) == "lost"
    assert bench.bucket.objects == {}


async def test_rendition_that_was_written_too_late_is_removed(bench):
    story = bench.live()

    async def ends(source, into):
        await bench.stories.transact(
            story.id, lambda snapshot: transitions.delete(snapshot, by="author", series=False, now=NOW, new_id=new_id)
        )
        await bench.bucket.erase(story.id)
        return await one_smaller(source, into)

    assert await bench.add(ends, renew_every_s=60)() == "lost"
    assert bench.bucket.objects == {}


async def test_refused_clip_stays_live_as_it_is(bench):
    story = bench.live()

    async def refuses(source, into):
        raise MediaRefused("timed_out")

    assert await bench.add(refuses)() == "dropped"
    posted = await bench.posted(story)
    assert (posted.revision, posted.renditions_job, posted.media) == (1, None, story.posted.media)


async def test_job_that_dies_is_taken_over_once_and_then_dropped(bench):
    story = bench.live()

    async def crashes(source, into):
        raise WorkerCrashed("killed")

    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(WorkerCrashed):
            await bench.add(crashes)()
        assert await bench.add(crashes)() is None  # until the lease ends
        bench.now.forward(seconds=LATER.total_seconds())
    assert await bench.add(crashes)() == "dropped"
    assert (await bench.posted(story)).renditions_job is None


async def test_outage_of_the_bucket_is_not_counted(bench):
    story = bench.live()
    for _ in range(MAX_ATTEMPTS + 1):
        bench.bucket.down = True
        with pytest.raises(Unavailable):
            await bench.add()()
        bench.now.forward(seconds=RETRY_AFTER.total_seconds())
    bench.bucket.down = False
    assert await bench.add()() == "added"
    assert len((await bench.posted(story)).media.renditions) == 1


async def test_worker_that_stops_hands_the_job_back(bench):
    story = bench.live()
    started = asyncio.Event()

    async def endless(source, into):
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(bench.add(endless)())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.add()() == "added"
    assert (await bench.posted(story)).revision == 2
