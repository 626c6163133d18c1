"""The process that touches uploads is bounded, and gone when it should be."""

import asyncio
import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest
from PIL import Image
from stories_ingest.domain.errors import MachineFault, WorkerCrashed
from stories_ingest.media import MediaLimits, MediaRejected, make, subprocess
from stories_ingest.testing.samples import sample_clip, sample_photo


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A clip that takes some seconds: it must be encoded anew."""
    return sample_clip(tmp_path / "slow.mp4", 60, width=360, height=640, fps=20, key_seconds=100, audio=None)


def workers(parent: int) -> list[int]:
    """The living media workers that a process started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, ppid = (entry / "stat").read_text().rpartition(") ")[2].split()[:2]
            if int(ppid) == parent and state != "Z" and b"media.worker" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def is_gone(pid: int) -> bool:
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


async def wait_until(condition, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def start_work(source: Path, into: Path) -> asyncio.Task:
    return asyncio.create_task(make(source, "video/mp4", True, MediaLimits(), into, lambda fraction: None))


async def test_a_cancelled_upload_ends_its_worker_and_leaves_nothing(slow: Path, into: Path) -> None:
    task = start_work(slow, into)
    await wait_until(lambda: workers(os.getpid()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert workers(os.getpid()) == []
    assert is_empty(into)


async def test_a_worker_killed_from_outside_is_lost_and_says_nothing_about_the_upload(slow: Path, into: Path) -> None:
    task = start_work(slow, into)
    await wait_until(lambda: workers(os.getpid()))
    os.kill(workers(os.getpid())[0], signal.SIGKILL)
    with pytest.raises(WorkerCrashed):
        await task
    assert is_empty(into)


async def test_too_much_cpu_wall_time_or_memory_is_too_large(slow: Path, tmp_path: Path, rejection) -> None:
    assert await rejection(slow, bounds=MediaLimits(cpu_seconds=1)) == "too_large"
    assert await rejection(slow, bounds=MediaLimits(wall_seconds=0.8)) == "too_large"
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (8000, 6000)).save(photo)
    assert await rejection(photo, "image/jpeg", bounds=MediaLimits(memory_bytes=250_000_000)) == "too_large"
    assert workers(os.getpid()) == []


async def test_a_worker_dies_with_its_parent(slow: Path, into: Path) -> None:
    program = f"""
        import asyncio, pathlib
        from stories_ingest.media import MediaLimits, make
        slow, into = pathlib.Path({str(slow)!r}), pathlib.Path({str(into)!r})
        asyncio.run(make(slow, "video/mp4", True, MediaLimits(), into, print))
    """
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(program), stdout=-3)
    try:
        await wait_until(lambda: workers(parent.pid))
        [worker] = workers(parent.pid)
    finally:
        parent.kill()
        await parent.wait()
    await wait_until(lambda: is_gone(worker))


async def test_a_worker_knows_no_secret_of_the_service(slow: Path, into: Path, monkeypatch) -> None:
    monkeypatch.setenv("S3_SECRET_KEY", "hush")
    task = start_work(slow, into)
    await wait_until(lambda: workers(os.getpid()))
    known = environment(workers(os.getpid())[0])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert b"PATH=" in known
    assert b"hush" not in known


async def test_a_progress_that_raises_ends_the_work(slow: Path, into: Path) -> None:
    def stop(fraction: float) -> None:
        raise LookupError("the lease is lost")

    with pytest.raises(LookupError):
        await make(slow, "video/mp4", True, MediaLimits(), into, stop)
    assert workers(os.getpid()) == []
    assert is_empty(into)


async def test_a_bug_of_ours_says_nothing_about_the_upload(tmp_path: Path, into: Path, monkeypatch) -> None:
    source = sample_clip(tmp_path / "a.mp4", 1, width=64, height=64, fps=10)
    with pytest.raises(WorkerCrashed, match="TypeError"):
        await make(source, "video/mp4", True, MediaLimits(max_parts="ten"), into, lambda fraction: None)
    output_dir = tmp_path / "room"
    (output_dir / "poster-1.jpg").mkdir(parents=True)  # where a file is to be written
    monkeypatch.setattr(subprocess, "_output_dir", lambda into: output_dir)
    with pytest.raises(WorkerCrashed, match="IsADirectoryError"):
        await make(source, "video/mp4", True, MediaLimits(), into, lambda fraction: None)
    assert is_empty(into)


@pytest.mark.parametrize("name", ["part-1.mp4", "poster-1.jpg", "part-1.jpg"])
async def test_a_full_disk_is_the_machines_fault(tmp_path: Path, into: Path, monkeypatch, name: str) -> None:
    """Each file that is written lies in turn on the device that is always full."""
    video = name != "part-1.jpg"
    source = sample_clip(tmp_path / "a.mp4", 1) if video else sample_photo(tmp_path / "a.jpg")
    output_dir = tmp_path / "room"
    output_dir.mkdir()
    (output_dir / name).symlink_to("/dev/full")
    monkeypatch.setattr(subprocess, "_output_dir", lambda into: output_dir)
    with pytest.raises(MachineFault, match="No space left"):
        await make(source, "video/mp4" if video else "image/jpeg", True, MediaLimits(), into, lambda fraction: None)
    assert is_empty(into)


async def test_a_decoder_that_dies_of_a_signal_refuses_the_upload(slow: Path, into: Path) -> None:
    task = start_work(slow, into)
    await wait_until(lambda: workers(os.getpid()))
    os.kill(workers(os.getpid())[0], signal.SIGSEGV)
    with pytest.raises(MediaRejected) as refused:
        await task
    assert refused.value.reason == "damaged"
