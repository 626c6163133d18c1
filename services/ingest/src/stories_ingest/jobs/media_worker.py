"""Media workers: one loop per concurrent job of this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from stories_shared.runtime.logging import logger

from stories_ingest.domain.errors import MachineFault
from stories_ingest.metrics import IngestMetrics
from stories_ingest.store.scratch_folders import Scratch, work_folder
from stories_ingest.usecases.add_renditions import AddRenditions
from stories_ingest.usecases.run_media_job import RunMediaJob
from stories_ingest.usecases.stories import JOBS_TOPIC
from stories_ingest.usecases.wakeups import Wakeups

log = logger(__name__)

POLL_EVERY_S = 0.5
"""Poll interval of an idle worker, for jobs that another process queued or lost."""
RENDITIONS_POLL_S = 1.0
"""Poll interval of the renditions of live stories, which nobody waits for."""
DISK_RETRY_S = 5.0
"""Interval between checks of the disk after a machine fault."""


@asynccontextmanager
async def counted_scratch_folder(metrics: IngestMetrics) -> AsyncIterator[Path]:
    """A job's folder; the gauge counts the job as running while the folder exists."""
    with metrics.media_jobs.labels("running").track_inprogress():
        async with work_folder() as scratch:
            yield scratch


async def run_worker(
    run_job: RunMediaJob,
    scratch: Scratch,
    wakeups: Wakeups,
    metrics: IngestMetrics,
    disk_retry_s: float = DISK_RETRY_S,
    count_job: Callable[[bool], Awaitable[None]] | None = None,
) -> None:
    """Run jobs one after another; wait for notifications in between, and for the disk when it is full."""
    while True:
        try:
            outcome = await run_job()
        except MachineFault as fault:
            scratch.failed(fault)
            log.warning("media_machine_fault", error=str(fault), needed_bytes=fault.needed_bytes)
            await _wait_for_disk(scratch, disk_retry_s)
            continue
        if outcome is None:
            await wakeups.wait(JOBS_TOPIC, POLL_EVERY_S)
            continue
        metrics.publishes.labels(outcome.result, outcome.reason).inc()
        with suppress(Exception):  # the counts only pause a rollout; the job has ended
            if count_job is not None:
                await count_job(outcome.result == "failed" or outcome.reason == "timed_out")
        if outcome.error is not None:
            log.error("media_job_failed", exc_info=outcome.error)
        if outcome.result in {"posted", "refused"}:
            metrics.publish_duration.labels(outcome.kind).observe(outcome.duration.total_seconds())


async def run_renditions(add: AddRenditions, metrics: IngestMetrics) -> None:
    """Add smaller renditions to live stories, one story after the other."""
    while True:
        result = await add()
        if result is None:
            await asyncio.sleep(RENDITIONS_POLL_S)
        else:
            metrics.renditions.labels(result).inc()


async def _wait_for_disk(scratch: Scratch, disk_retry_s: float) -> None:
    """Return when the disk is usable, after one interval at the earliest."""
    while True:
        await asyncio.sleep(disk_retry_s)
        if await scratch.is_usable():
            return
