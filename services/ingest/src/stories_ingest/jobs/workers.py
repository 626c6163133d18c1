"""Media workers: one loop for each job that this process may do at a time."""

from stories_ingest.metrics import IngestMetrics
from stories_ingest.usecases.bell import Bell
from stories_ingest.usecases.publish import WORK
from stories_ingest.usecases.work import WorkOnMedia

LOOK_EVERY_S = 0.5
"""How often an idle worker looks for jobs that another process was asked for, or has lost."""


async def work_for_ever(work: WorkOnMedia, bell: Bell, metrics: IngestMetrics) -> None:
    """Do one job after the other; wait for the bell in between."""
    while True:
        done = await work()
        if done is None:
            await bell.wait(WORK, LOOK_EVERY_S)
            continue
        metrics.publishes.labels(done.result, done.reason).inc()
        if done.result != "lost":
            metrics.publish_duration.labels(done.kind).observe(done.took.total_seconds())
