"""Media workers: one loop for each job that this process may do at a time."""

import asyncio
from typing import Protocol

from stories_shared.runtime.logging import logger

from stories_ingest.domain.errors import MachineFault
from stories_ingest.metrics import IngestMetrics
from stories_ingest.usecases.publish import JOBS_TOPIC
from stories_ingest.usecases.run_media_job import RunMediaJob
from stories_ingest.usecases.wakeups import Wakeups

log = logger(__name__)

POLL_EVERY_S = 0.5
"""How often an idle worker looks for jobs that another process was asked for, or has lost."""
REST_S = 5.0
"""How long a worker rests whose machine has failed a job, before it looks whether there is room again."""


class ScratchDisk(Protocol):
    """The disk that media work is done on."""

    def failed(self, fault: MachineFault) -> None:
        """A job has failed for want of it."""

    async def works(self) -> bool:
        """Whether there is room again."""


async def run_worker(
    work: RunMediaJob, scratch: ScratchDisk, bell: Wakeups, metrics: IngestMetrics, rest_s: float = REST_S
) -> None:
    """Do one job after the other; wait for the bell in between, and for the disk when it is full."""
    while True:
        try:
            done = await work()
        except MachineFault as fault:
            scratch.failed(fault)
            log.warning("media_machine_fault", error=str(fault), room=fault.room)
            await _rested(scratch, rest_s)
            continue
        if done is None:
            await bell.wait(JOBS_TOPIC, POLL_EVERY_S)
            continue
        metrics.publishes.labels(done.result, done.reason).inc()
        if done.error is not None:
            log.error("media_job_failed", exc_info=done.error)
        if done.result in {"posted", "refused"}:
            metrics.publish_duration.labels(done.kind).observe(done.took.total_seconds())


async def _rested(scratch: ScratchDisk, rest_s: float) -> None:
    """Return when the disk works again, at the earliest after one rest."""
    while True:
        await asyncio.sleep(rest_s)
        if await scratch.works():
            return
