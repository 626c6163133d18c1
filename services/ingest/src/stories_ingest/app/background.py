"""Media workers and sweeps, wired to their verbs."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from stories_shared.errors import S3, Unavailable
from stories_shared.events import StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.runtime.service import ServiceRuntime

from stories_ingest import media
from stories_ingest.app.parts import Parts
from stories_ingest.domain.errors import MediaRefused
from stories_ingest.domain.keys import FINAL, STAGING
from stories_ingest.jobs.media_worker import run_worker
from stories_ingest.jobs.single_replica import QueueDepthGauge
from stories_ingest.metrics import IngestMetrics
from stories_ingest.settings import IngestSettings
from stories_ingest.store.scratch_folders import Scratch, remove_abandoned, work_folder
from stories_ingest.usecases.media_ports import MediaPart, Transcoder
from stories_ingest.usecases.run_media_job import RunMediaJob
from stories_ingest.usecases.sweeps import DiscardOverdue, EraseMissedExpiries, RecheckErasures, SweepObjects

PARTITION_COUNTS_EVERY = timedelta(seconds=30)
"""How often the number of partitions is noted: topics seldom get some, and what was said before counts for days."""

UPLOAD_PAGES = 100
"""Pages of uploads that one turn looks at; the next follows at once until all were seen."""
MEDIA_PAGES = 10
"""Pages of media that one turn looks at: a million stories in about an hour, without asking the store all the time."""


def start_workers(settings: IngestSettings, runtime: ServiceRuntime, parts: Parts, metrics: IngestMetrics) -> None:
    """The media workers of this process."""
    metrics.media_workers.set(settings.media_workers)
    scratch = Scratch()
    if settings.role == "worker":
        runtime.readiness_check("scratch", lambda: scratch.fault)
    else:  # the API beside it needs no disk
        runtime.degraded_check("scratch", lambda: scratch.fault)
    for number in range(1, settings.media_workers + 1):
        work = RunMediaJob(
            worker=new_id(),
            jobs=parts.jobs,
            stories=parts.stories,
            bucket=parts.bucket,
            make=maker(settings),
            folder=partial(counted, metrics),
            cut=media.cut_captions,
            posted=parts.posted,
            bell=parts.bell,
            now=parts.now,
            new_id=new_id,
        )
        runtime.background_task(f"media-{number}", partial(run_worker, work, scratch, parts.bell, metrics))
    runtime.periodic("left-behind", timedelta(minutes=10), remove_abandoned)


@asynccontextmanager
async def counted(metrics: IngestMetrics) -> AsyncIterator[Path]:
    """The folder of a job, which runs for as long as it has one; a worker that finds no job has none."""
    with metrics.media_jobs.labels("running").track_inprogress():
        async with work_folder() as folder:
            yield folder


def maker(settings: IngestSettings) -> Transcoder:
    """The media work within this installation's bounds."""
    bounds = media.MediaLimits(
        max_clip_ms=settings.max_clip_ms,
        max_parts=settings.max_parts,
        max_bytes=settings.max_upload_bytes,
        still_images=settings.still_images,
    )

    async def make(
        source: Path, claimed: str, split: bool, into: Path, progress: Callable[[float], None]
    ) -> Sequence[MediaPart]:
        try:
            return await media.make(source, claimed, split, bounds, into, progress)
        except media.MediaRejected as refused:
            raise MediaRefused(refused.reason) from refused

    return make


def start_sweeps(runtime: ServiceRuntime, parts: Parts, metrics: IngestMetrics, sweep_every: timedelta) -> None:
    """What one replica at a time cleans up for all; every upload is looked at within a minute of its appearing."""
    vanish = DiscardOverdue(parts.cleaning, parts.stories, parts.bucket, parts.now)
    uploads = SweepObjects(parts.bucket, STAGING, parts.cleaning.uploads_wanted, parts.now, UPLOAD_PAGES)
    shown = SweepObjects(parts.bucket, FINAL, parts.cleaning.rightful, parts.now, MEDIA_PAGES, rests=True)
    again = RecheckErasures(parts.cleaning, parts.bucket, parts.erase_account, parts.now)
    unheard_of = EraseMissedExpiries(parts.cleaning, parts.stories, parts.erase, parts.now)
    turn = parts.in_turn.of
    runtime.periodic("vanish", timedelta(seconds=5), turn("vanish", vanish))
    runtime.periodic("uploads", sweep_every, parts.in_turn.resumed("uploads", uploads))
    runtime.periodic("objects", sweep_every, parts.in_turn.resumed("objects", shown))
    runtime.periodic("unfinished-uploads", sweep_every, turn("unfinished-uploads", parts.bucket.abort_uploads))
    runtime.periodic("unheard-of", timedelta(seconds=60), turn("unheard-of", unheard_of))
    runtime.periodic("look-again", timedelta(seconds=5), turn("look-again", again))
    runtime.periodic("widths", PARTITION_COUNTS_EVERY, partial(parts.news.look, StoryPosted))
    runtime.periodic("count-jobs", timedelta(seconds=5), QueueDepthGauge(parts.in_turn, parts.jobs, metrics, parts.now))


def watch_bucket(runtime: ServiceRuntime, parts: Parts) -> None:
    """Be unready while the bucket is not there; while the store does not answer at all, most things still work."""
    there, silent = True, False

    async def look() -> None:
        nonlocal there, silent
        try:
            there, silent = await parts.objects.ready(), False
        except Unavailable:
            silent = True

    runtime.periodic("bucket", timedelta(seconds=2), look)
    runtime.degraded_check(S3, lambda: "no answer" if silent else None)
    runtime.readiness_check("bucket", lambda: None if there else f"missing bucket: {parts.objects.bucket}")
