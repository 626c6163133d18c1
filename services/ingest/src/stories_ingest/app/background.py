"""Media workers and sweeps, wired to their verbs."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from stories_shared.errors import S3, Unavailable
from stories_shared.events import StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.runtime.service import Foundation

from stories_ingest import media
from stories_ingest.app.parts import Parts
from stories_ingest.domain.errors import MediaRefused
from stories_ingest.domain.keys import FINAL, STAGING
from stories_ingest.jobs.media_worker import work_for_ever
from stories_ingest.jobs.single_replica import CountWaiting
from stories_ingest.metrics import IngestMetrics
from stories_ingest.settings import IngestSettings
from stories_ingest.store.scratch_folders import Scratch, remove_left_behind, work_folder
from stories_ingest.usecases.media_ports import Maker, Piece
from stories_ingest.usecases.run_media_job import WorkOnMedia
from stories_ingest.usecases.sweeps import EraseUnheardOf, LookAgain, SweepObjects, VanishOverdue

WIDTHS_EVERY = timedelta(seconds=30)
"""How often the number of partitions is noted: topics seldom get some, and what was said before counts for days."""

UPLOAD_PAGES = 100
"""Pages of uploads that one turn looks at; the next follows at once until all were seen."""
MEDIA_PAGES = 10
"""Pages of media that one turn looks at: a million stories in about an hour, without asking the store all the time."""


def start_workers(settings: IngestSettings, base: Foundation, parts: Parts, metrics: IngestMetrics) -> None:
    """The media workers of this process."""
    metrics.media_workers.set(settings.media_workers)
    scratch = Scratch()
    if settings.role == "worker":
        base.gate("scratch", lambda: scratch.fault)
    else:  # the API beside it needs no disk
        base.note("scratch", lambda: scratch.fault)
    for number in range(1, settings.media_workers + 1):
        work = WorkOnMedia(
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
        base.job(f"media-{number}", partial(work_for_ever, work, scratch, parts.bell, metrics))
    base.sweep("left-behind", timedelta(minutes=10), remove_left_behind)


@asynccontextmanager
async def counted(metrics: IngestMetrics) -> AsyncIterator[Path]:
    """The folder of a job, which runs for as long as it has one; a worker that finds no job has none."""
    with metrics.media_jobs.labels("running").track_inprogress():
        async with work_folder() as folder:
            yield folder


def maker(settings: IngestSettings) -> Maker:
    """The media work within this installation's bounds."""
    bounds = media.Bounds(
        max_clip_ms=settings.max_clip_ms,
        max_parts=settings.max_parts,
        max_bytes=settings.max_upload_bytes,
        still_images=settings.still_images,
    )

    async def make(
        source: Path, claimed: str, split: bool, into: Path, progress: Callable[[float], None]
    ) -> Sequence[Piece]:
        try:
            return await media.make(source, claimed, split, bounds, into, progress)
        except media.Refused as refused:
            raise MediaRefused(refused.reason) from refused

    return make


def start_sweeps(base: Foundation, parts: Parts, metrics: IngestMetrics, sweep_every: timedelta) -> None:
    """What one replica at a time cleans up for all; every upload is looked at within a minute of its appearing."""
    vanish = VanishOverdue(parts.cleaning, parts.stories, parts.bucket, parts.now)
    uploads = SweepObjects(parts.bucket, STAGING, parts.cleaning.uploads_wanted, parts.now, UPLOAD_PAGES)
    shown = SweepObjects(parts.bucket, FINAL, parts.cleaning.rightful, parts.now, MEDIA_PAGES, rests=True)
    again = LookAgain(parts.cleaning, parts.bucket, parts.erase_account, parts.now)
    unheard_of = EraseUnheardOf(parts.cleaning, parts.stories, parts.erase, parts.now)
    turn = parts.in_turn.of
    base.sweep("vanish", timedelta(seconds=5), turn("vanish", vanish))
    base.sweep("uploads", sweep_every, parts.in_turn.resumed("uploads", uploads))
    base.sweep("objects", sweep_every, parts.in_turn.resumed("objects", shown))
    base.sweep("unfinished-uploads", sweep_every, turn("unfinished-uploads", parts.bucket.abort_uploads))
    base.sweep("unheard-of", timedelta(seconds=60), turn("unheard-of", unheard_of))
    base.sweep("look-again", timedelta(seconds=5), turn("look-again", again))
    base.sweep("widths", WIDTHS_EVERY, partial(parts.news.look, StoryPosted))
    base.sweep("count-jobs", timedelta(seconds=5), CountWaiting(parts.in_turn, parts.jobs, metrics, parts.now))


def watch_bucket(base: Foundation, parts: Parts) -> None:
    """Be unready while the bucket is not there; while the store does not answer at all, most things still work."""
    there, silent = True, False

    async def look() -> None:
        nonlocal there, silent
        try:
            there, silent = await parts.objects.ready(), False
        except Unavailable:
            silent = True

    base.sweep("bucket", timedelta(seconds=2), look)
    base.note(S3, lambda: "no answer" if silent else None)
    base.gate("bucket", lambda: None if there else f"missing bucket: {parts.objects.bucket}")
