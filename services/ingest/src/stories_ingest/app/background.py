"""Wiring of media workers and sweeps."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from stories_shared.clock import Clock
from stories_shared.errors import S3, Unavailable
from stories_shared.events import StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.runtime.logging import logger
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.user_erasure import RESUME_EVERY

from stories_ingest import media
from stories_ingest.app.parts import Parts
from stories_ingest.domain.keys import ARCHIVE, FINAL, STAGING
from stories_ingest.domain.media import MediaPart, Rendition
from stories_ingest.domain.story import State
from stories_ingest.jobs.media_worker import run_renditions, run_worker
from stories_ingest.metrics import IngestMetrics
from stories_ingest.settings import IngestSettings
from stories_ingest.store.scratch_folders import Scratch, remove_abandoned, work_folder
from stories_ingest.usecases.access_edges import DropStoredEdges
from stories_ingest.usecases.add_renditions import AddRenditions
from stories_ingest.usecases.media_ports import Downscaler, Transcoder
from stories_ingest.usecases.post_scheduled import PAGE, PostScheduled
from stories_ingest.usecases.rollout import WatchPause
from stories_ingest.usecases.run_media_job import RunMediaJob
from stories_ingest.usecases.sweeps import DiscardOverdue, EraseMissedExpiries, RecheckErasures, SweepObjects

log = logger(__name__)

SCHEDULED_EVERY = timedelta(milliseconds=400)
"""A scheduled story goes live within a second of its time."""
LATE = timedelta(seconds=1)
ROLLOUT_EVERY = timedelta(seconds=2)
"""A changed rollout file is in force within 5 s, as docs/http.md promises."""

CPU_SHARE = 3
"""CPU seconds of all threads of a media worker, for each second of MEDIA_TIMEOUT."""
PARTITION_COUNTS_EVERY = timedelta(seconds=30)
"""Interval of recording partition counts; they seldom change, and old counts matter for days."""

UPLOAD_PAGES = 100
"""Pages of uploads per iteration; the next iteration follows without a pause until the end."""
MEDIA_PAGES = 10
"""Pages of media per iteration: a million stories in about an hour, with little load on the store."""


def start_workers(settings: IngestSettings, runtime: ServiceRuntime, parts: Parts, metrics: IngestMetrics) -> None:
    """Start the media workers of this process."""
    metrics.media_workers.set(settings.media_workers)
    scratch = Scratch()
    if settings.role == "worker":
        runtime.readiness_check("scratch", lambda: scratch.fault)
    else:  # the API in the same process needs no disk
        runtime.degraded_check("scratch", lambda: scratch.fault)
    for number in range(1, settings.media_workers + 1):
        work = RunMediaJob(
            worker=new_id(),
            jobs=parts.jobs,
            stories=parts.stories,
            bucket=parts.bucket,
            transcode=transcoder(settings),
            scratch=partial(counted_scratch_folder, metrics),
            split_captions=media.cut_captions,
            posted=parts.posted,
            wakeups=parts.wakeups,
            now=parts.now,
            new_id=new_id,
            trace=lambda parent: runtime.tracer.span("run media job", "consumer", [parent]),
        )
        worker = partial(run_worker, work, scratch, parts.wakeups, metrics, count_job=parts.signals.count_job)
        runtime.background_task(f"media-{number}", worker)
    if settings.renditions:
        add = AddRenditions(
            worker=new_id(),
            jobs=parts.rendition_jobs,
            stories=parts.stories,
            bucket=parts.bucket,
            downscale=downscaler(settings),
            scratch=work_folder,
            posted=parts.posted,
            now=parts.now,
            new_id=new_id,
        )
        runtime.background_task("renditions", partial(run_renditions, add, metrics))
    runtime.periodic("left-behind", timedelta(minutes=10), remove_abandoned)


@asynccontextmanager
async def counted_scratch_folder(metrics: IngestMetrics) -> AsyncIterator[Path]:
    """A job's folder; the gauge counts the job as running while the folder exists."""
    with metrics.media_jobs.labels("running").track_inprogress():
        async with work_folder() as scratch:
            yield scratch


def limits(settings: IngestSettings) -> media.MediaLimits:
    """This installation's limits of media workers."""
    return media.MediaLimits(
        max_clip_ms=settings.max_clip_ms,
        max_parts=settings.max_parts,
        max_bytes=settings.max_upload_bytes,
        still_images=settings.still_images,
        renditions=settings.renditions,
        wall_seconds=settings.media_timeout.total_seconds(),
        cpu_seconds=math.ceil(CPU_SHARE * settings.media_timeout.total_seconds()),
    )


def downscaler(settings: IngestSettings) -> Downscaler:
    """The downscaler with this installation's limits."""
    bounds = limits(settings)

    async def downscale(source: Path, into: Path) -> Sequence[Rendition]:
        return await media.make_smaller(source, bounds, into)

    return downscale


def transcoder(settings: IngestSettings) -> Transcoder:
    """The transcoder with this installation's limits."""
    bounds = limits(settings)

    async def transcode(
        source: Path, claimed: str, split: bool, into: Path, progress: Callable[[float], None]
    ) -> Sequence[MediaPart]:
        return await media.make(source, claimed, split, bounds, into, progress)

    return transcode


def start_sweeps(runtime: ServiceRuntime, parts: Parts, metrics: IngestMetrics, sweep_every: timedelta) -> None:
    """Start the sweeps, each on one replica at a time; every upload is checked within a minute."""
    discard = DiscardOverdue(parts.cleanup, parts.stories, parts.bucket, parts.now)
    uploads = SweepObjects(parts.bucket, STAGING, parts.cleanup.referenced_uploads, parts.now, UPLOAD_PAGES)
    media_objects = SweepObjects(
        parts.bucket, FINAL, parts.cleanup.referenced_keys, parts.now, MEDIA_PAGES, always_pause=True
    )
    archived_objects = SweepObjects(
        parts.bucket, ARCHIVE, parts.archive.referenced_archived, parts.now, MEDIA_PAGES, always_pause=True
    )
    recheck = RecheckErasures(parts.cleanup, parts.bucket, parts.now)
    missed_expiries = EraseMissedExpiries(parts.cleanup, parts.expire, parts.erase, parts.now)
    exclusive, resumable = parts.leases.exclusive, parts.leases.resumable
    post_scheduled = PostScheduled(
        parts.cleanup.due_scheduled, parts.stories, parts.bucket, parts.posted, parts.wakeups, parts.bounds, parts.now
    )
    runtime.periodic("scheduled", SCHEDULED_EVERY, partial(count_scheduled, post_scheduled, metrics))
    runtime.periodic("deletions", timedelta(seconds=1), exclusive("deletions", parts.delete_all.sweep))
    runtime.periodic("vanish", timedelta(seconds=5), exclusive("vanish", discard))
    runtime.periodic("uploads", sweep_every, resumable("uploads", uploads))
    runtime.periodic("objects", sweep_every, resumable("objects", media_objects))
    runtime.periodic("archived-objects", sweep_every, resumable("archived-objects", archived_objects))
    runtime.periodic("archive-erasures", timedelta(seconds=5), exclusive("archive", parts.erase_archived.sweep))
    runtime.periodic("archive-switch", timedelta(seconds=60), exclusive("archive-switch", parts.empty_archive))
    runtime.periodic("unfinished-uploads", sweep_every, exclusive("unfinished-uploads", parts.bucket.abort_uploads))
    runtime.periodic("unheard-of", timedelta(seconds=60), exclusive("unheard-of", missed_expiries))
    runtime.periodic("let-go", timedelta(seconds=1), exclusive("let-go", parts.let_go))
    runtime.periodic("erase-users", RESUME_EVERY, parts.erase_user.resume)
    runtime.periodic("look-again", timedelta(seconds=5), exclusive("look-again", recheck))
    runtime.periodic("widths", PARTITION_COUNTS_EVERY, partial(parts.publisher.record_partition_count, StoryPosted))
    runtime.periodic("count-jobs", timedelta(seconds=5), partial(count_waiting_jobs, parts, metrics))


def start_access_reader(runtime: ServiceRuntime, parts: Parts) -> None:
    """Follow blocks and hiding, by which highlights are shown and stories are reposted."""
    runtime.tail(parts.access_reader.tail)
    drop_stored = DropStoredEdges(parts.recent_edges, parts.access_edges, parts.now)
    runtime.periodic("recent-edges", timedelta(seconds=5), drop_stored)


async def count_scheduled(post_scheduled: PostScheduled, metrics: IngestMetrics) -> bool:
    """Post what is due and count it; return whether there may be more."""
    done = await post_scheduled()
    for story in done:
        metrics.scheduled_lateness.observe(story.lateness.total_seconds())
        is_live = story.state is State.LIVE
        metrics.publishes.labels("posted" if is_live else "refused", "" if is_live else "quota").inc()
        if story.lateness > LATE:
            log.warning("scheduled_story_late", seconds=story.lateness.total_seconds())
    return len(done) == PAGE


async def count_waiting_jobs(parts: Parts, metrics: IngestMetrics) -> None:
    """Set the gauges of waiting jobs, held media and overdue erasures on one replica; 0 on the others."""
    holds = await parts.leases.acquire("count")
    metrics.media_jobs.labels("waiting").set(await parts.jobs.waiting(parts.now()) if holds else 0)
    metrics.held_stories.set(await parts.holds.kept() if holds else 0)
    metrics.archive_erasures_overdue.set(await parts.erase_archived.overdue() if holds else 0)


def report_reload(metrics: IngestMetrics, now: Clock, succeeded: bool, changed: bool) -> None:
    """Set the gauges of the rollout file."""
    metrics.rollout_reload_success.set(succeeded)
    if changed:
        metrics.rollout_reload_timestamp.set(now().timestamp())


def start_rollout(runtime: ServiceRuntime, parts: Parts, metrics: IngestMetrics) -> None:
    """Reload the rollout file, and pause `create` where the policy says so."""
    watch = WatchPause(parts.rollout, parts.signals, parts.now)

    async def reload() -> None:
        await asyncio.to_thread(parts.policy_file.reload)

    async def watch_pause() -> None:
        was_paused = parts.rollout.paused
        await watch()
        metrics.rollout_paused.labels("create").set(parts.rollout.paused)
        if parts.rollout.paused != was_paused:
            log.warning("rollout_paused" if parts.rollout.paused else "rollout_resumed", causes=list(watch.causes))

    runtime.periodic("rollout-file", ROLLOUT_EVERY, reload)
    runtime.periodic("rollout-pause", ROLLOUT_EVERY, watch_pause)
    forget_old = parts.leases.exclusive("job-counts", parts.signals.forget_old)
    runtime.periodic("job-counts", timedelta(minutes=10), forget_old)


def watch_bucket(runtime: ServiceRuntime, parts: Parts) -> None:
    """Report unready while the bucket does not exist, and degraded while S3 does not respond."""
    exists, unreachable = True, False

    async def check() -> None:
        nonlocal exists, unreachable
        try:
            exists, unreachable = await parts.objects.ready(), False
        except Unavailable:
            unreachable = True

    runtime.periodic("bucket", timedelta(seconds=2), check)
    runtime.degraded_check(S3, lambda: "no answer" if unreachable else None)
    runtime.readiness_check("bucket", lambda: None if exists else f"missing bucket: {parts.objects.bucket}")
