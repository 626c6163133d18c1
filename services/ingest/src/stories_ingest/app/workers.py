"""Wiring of media workers."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from stories_shared.clock import Clock
from stories_shared.events.ids import new_id
from stories_shared.runtime.service import ServiceRuntime

from stories_ingest import media
from stories_ingest.app.stores import Stores
from stories_ingest.jobs.media_worker import run_renditions, run_worker
from stories_ingest.metrics import IngestMetrics
from stories_ingest.settings import IngestSettings
from stories_ingest.store.scratch_folders import Scratch, remove_abandoned, work_folder
from stories_ingest.usecases.add_renditions import AddRenditions
from stories_ingest.usecases.run_media_job import RunMediaJob
from stories_ingest.usecases.wakeups import Wakeups

CPU_SHARE = 3
"""CPU seconds of all threads of a media worker, for each second of MEDIA_TIMEOUT."""


def start_workers(
    settings: IngestSettings,
    runtime: ServiceRuntime,
    stores: Stores,
    wakeups: Wakeups,
    metrics: IngestMetrics,
    now: Clock,
) -> None:
    """Start the media workers of this process."""
    metrics.media_workers.set(settings.media_workers)
    scratch, bounds = Scratch(), limits(settings)
    if settings.role == "worker":
        runtime.readiness_check("scratch", lambda: scratch.fault)
    else:  # the API in the same process needs no disk
        runtime.degraded_check("scratch", lambda: scratch.fault)
    for number in range(1, settings.media_workers + 1):
        work = RunMediaJob(
            worker=new_id(),
            jobs=stores.jobs,
            stories=stores.stories,
            bucket=stores.bucket,
            transcode=lambda source, claimed, split, into, progress: media.make(
                source, claimed, split, bounds, into, progress
            ),
            scratch=partial(counted_scratch_folder, metrics),
            split_captions=media.cut_captions,
            posted=stores.posted,
            wakeups=wakeups,
            now=now,
            new_id=new_id,
            trace=lambda parent: runtime.tracer.span("run media job", "consumer", [parent]),
        )
        worker = partial(run_worker, work, scratch, wakeups, metrics, count_job=stores.signals.count_job)
        runtime.background_task(f"media-{number}", worker)
    if settings.renditions:
        add = AddRenditions(
            worker=new_id(),
            jobs=stores.rendition_jobs,
            stories=stores.stories,
            bucket=stores.bucket,
            downscale=lambda source, into: media.make_smaller(source, bounds, into),
            scratch=work_folder,
            posted=stores.posted,
            now=now,
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
