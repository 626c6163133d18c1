"""The worker process has limits and always ends."""

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from PIL import Image
from stories_ingest.domain.errors import MachineFault, MediaRefused, WorkerCrashed
from stories_ingest.media import MediaLimits, make, subprocess
from stories_ingest.testing.samples import sample_clip, sample_photo
from stories_shared.testing import eventually


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A clip that takes some seconds, since it must be encoded."""
    return sample_clip(tmp_path / "slow.mp4", 60, width=360, height=640, fps=20, key_seconds=100, audio=None)


def workers(parent: int) -> list[int]:
    """The running media workers of a process."""
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


def start_work(source: Path, into: Path) -> asyncio.Task:
    return asyncio.create_task(make(source, "video/mp4", True, MediaLimits(), into, lambda fraction: None))


async def test_cancellation_ends_the_worker_and_leaves_no_file(slow: Path, into: Path) -> None:
    task = start_work(slow, into)
    await eventually(lambda: workers(os.getpid()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert workers(os.getpid()) == []
    assert is_empty(into)


async def test_killed_worker_is_a_crash_and_no_refusal(slow: Path, into: Path) -> None:
    task = start_work(slow, into)
    await eventually(lambda: workers(os.getpid()))
    os.kill(workers(os.getpid())[0], signal.SIGKILL)
    with pytest.raises(WorkerCrashed):
        await task
    assert is_empty(into)


async def test_exceeding_cpu_or_wall_time_is_timed_out_and_memory_too_large(
    slow: Path, tmp_path: Path, rejection
) -> None:
    assert await rejection(slow, bounds=MediaLimits(cpu_seconds=1)) == "timed_out"
    assert await rejection(slow, bounds=MediaLimits(wall_seconds=0.8)) == "timed_out"
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (8000, 6000)).save(photo)
    assert await rejection(photo, "image/jpeg", bounds=MediaLimits(memory_bytes=250_000_000)) == "too_large"
    assert workers(os.getpid()) == []


async def test_worker_ends_with_its_parent(slow: Path, into: Path) -> None:
    program = f"""
        import asyncio, pathlib
        from stories_ingest.media import MediaLimits, make
        slow, into = pathlib.Path({str(slow)!r}), pathlib.Path({str(into)!r})
        asyncio.run(make(slow, "video/mp4", True, MediaLimits(), into, print))
    """
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(program), stdout=-3)
    try:
        await eventually(lambda: workers(parent.pid))
        [worker] = workers(parent.pid)
    finally:
        parent.kill()
        await parent.wait()
    await eventually(lambda: is_gone(worker))


async def test_worker_gets_no_secrets(slow: Path, into: Path, monkeypatch) -> None:
    monkeypatch.setenv("S3_SECRET_KEY", "hush")
    task = start_work(slow, into)
    await eventually(lambda: workers(os.getpid()))
    known = environment(workers(os.getpid())[0])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert b"PATH=" in known
    assert b"hush" not in known


async def test_exception_in_the_progress_callback_ends_the_worker(slow: Path, into: Path) -> None:
    def stop(fraction: float) -> None:
        raise LookupError("the lease is lost")

    with pytest.raises(LookupError):
        await make(slow, "video/mp4", True, MediaLimits(), into, stop)
    assert workers(os.getpid()) == []
    assert is_empty(into)


async def test_bug_in_the_worker_is_a_crash_and_no_refusal(tmp_path: Path, into: Path, monkeypatch) -> None:
    source = sample_clip(tmp_path / "a.mp4", 1, width=64, height=64, fps=10)
    with pytest.raises(WorkerCrashed, match="TypeError"):
        await make(source, "video/mp4", True, MediaLimits(max_parts="ten"), into, lambda fraction: None)
    output_dir = tmp_path / "room"
    (output_dir / "poster-1.jpg").mkdir(parents=True)  # at the path of an output file
    monkeypatch.setattr(subprocess.tempfile, "mkdtemp", lambda **_: str(output_dir))
    with pytest.raises(WorkerCrashed, match="IsADirectoryError"):
        await make(source, "video/mp4", True, MediaLimits(), into, lambda fraction: None)
    assert is_empty(into)


@pytest.mark.parametrize("name", ["part-1.mp4", "poster-1.jpg", "part-1.jpg"])
async def test_full_disk_is_a_machine_fault(tmp_path: Path, into: Path, monkeypatch, name: str) -> None:
    """Each output file in turn is on a full device."""
    video = name != "part-1.jpg"
    source = sample_clip(tmp_path / "a.mp4", 1) if video else sample_photo(tmp_path / "a.jpg")
    output_dir = tmp_path / "room"
    output_dir.mkdir()
    (output_dir / name).symlink_to("/dev/full")
    monkeypatch.setattr(subprocess.tempfile, "mkdtemp", lambda **_: str(output_dir))
    with pytest.raises(MachineFault, match="No space left"):
        await make(source, "video/mp4" if video else "image/jpeg", True, MediaLimits(), into, lambda fraction: None)
    assert is_empty(into)


async def test_decoder_killed_by_a_signal_refuses_the_upload(slow: Path, into: Path) -> None:
    task = start_work(slow, into)
    await eventually(lambda: workers(os.getpid()))
    os.kill(workers(os.getpid())[0], signal.SIGSEGV)
    with pytest.raises(MediaRefused) as refused:
        await task
    assert refused.value.reason == "damaged"
