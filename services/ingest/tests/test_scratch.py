"""A worker with a full disk refuses no upload: it pauses, reports unready, and resumes when there is space."""

import asyncio
import errno
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from stories_ingest.domain.errors import MachineFault, WorkerCrashed
from stories_ingest.jobs.media_worker import run_worker
from stories_ingest.metrics import IngestMetrics
from stories_ingest.store.scratch_folders import Scratch
from stories_ingest.testing.harness import photo
from stories_ingest.usecases.run_media_job import JobOutcome
from stories_ingest.usecases.wakeups import Wakeups
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.testing import eventually


async def test_disk_is_usable_only_with_the_space_that_the_job_needs():
    scratch = Scratch()
    assert await scratch.is_usable()
    scratch.failed(MachineFault("full", needed_bytes=1 << 60))  # more than any disk has
    assert not await scratch.is_usable()
    assert "scratch disk" in scratch.fault
    scratch.failed(MachineFault("full", needed_bytes=5_000))
    assert await scratch.is_usable()
    assert scratch.fault is None


@dataclass
class FullDisk:
    """A disk that is full for some checks."""

    checks: int
    faults: list[MachineFault] = field(default_factory=list)

    def failed(self, fault: MachineFault) -> None:
        self.faults.append(fault)

    async def is_usable(self) -> bool:
        self.checks -= 1
        return self.checks <= 0


async def test_worker_claims_nothing_while_its_disk_is_full():
    disk, checks_left, again = FullDisk(checks=3), [], asyncio.Event()

    async def work():
        checks_left.append(disk.checks)
        if len(checks_left) == 1:
            raise MachineFault("full")
        again.set()

    metrics = IngestMetrics(MetricsRegistry())
    running = asyncio.ensure_future(run_worker(work, disk, Wakeups(), metrics, disk_retry_s=0.001))
    await asyncio.wait_for(again.wait(), 10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert checks_left[:2] == [3, 0]
    assert len(disk.faults) == 1


async def test_failed_job_is_counted_and_the_next_one_runs():
    registry, second = MetricsRegistry(), asyncio.Event()
    done = iter([JobOutcome("failed", "video", timedelta(seconds=1), error=WorkerCrashed("a traceback"))])

    async def work():
        if found := next(done, None):
            return found
        second.set()
        return None

    running = asyncio.ensure_future(run_worker(work, FullDisk(0), Wakeups(), IngestMetrics(registry)))
    await asyncio.wait_for(second.wait(), 10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    page = registry.page().decode()
    assert 'stories_publishes_total{reason="",result="failed"} 1.0' in page
    assert 'stories_publish_duration_seconds_count{kind="video"} 0.0' in page


@pytest.mark.servers
async def test_full_disk_makes_the_worker_unready_and_refuses_no_upload(start, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")

    def no_room(*_, **__):
        raise full

    async with start(role="api") as api, start(role="worker", prepare=False) as worker:
        ann = api.author()
        with monkeypatch.context() as disk:
            disk.setattr(tempfile, "mkdtemp", no_room)
            disk.setattr(tempfile, "TemporaryFile", no_room)
            draft = await ann.drafted(photo())
            await ann.publish(draft["id"], wait=0)

            async def unready():
                answer = await worker.http.get("/readyz")
                return answer.status_code == 503 and "No space left" in answer.text

            await eventually(unready)
            assert (await api.http.get("/readyz")).status_code == 200
            assert (await ann.show(draft["id"])).json()["state"] == "processing"
        answer = await ann.publish(draft["id"])
        assert (answer.status_code, answer.json()["state"]) == (200, "live")
        await eventually(worker.ready)
