"""Metric series exist from the start, at zero."""

import asyncio

from stories_ingest.domain.errors import REASONS
from stories_ingest.jobs.media_worker import counted_scratch_folder, run_worker
from stories_ingest.metrics import IngestMetrics
from stories_ingest.store.scratch_folders import Scratch
from stories_ingest.usecases.wakeups import Wakeups
from stories_shared.runtime.metrics import MetricsRegistry


def test_every_refusal_reason_is_preinitialized() -> None:
    registry = MetricsRegistry()
    IngestMetrics(registry)
    page = registry.page().decode()
    for reason in REASONS:
        assert f'stories_publishes_total{{reason="{reason}",result="refused"}} 0.0' in page


async def test_idle_worker_counts_as_no_running_job():
    metrics = IngestMetrics(MetricsRegistry())
    running = metrics.media_jobs.labels("running")
    looking = asyncio.Event()

    async def work():
        looking.set()
        await asyncio.Event().wait()

    idle = asyncio.create_task(run_worker(work, Scratch(), Wakeups(), metrics))
    await looking.wait()
    assert running._value.get() == 0
    idle.cancel()
    async with counted_scratch_folder(metrics):
        assert running._value.get() == 1
    assert running._value.get() == 0
