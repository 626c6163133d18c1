"""Run one worker process per upload: minimal environment, timeout, always terminated."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stories_ingest.domain.errors import MachineFault, MediaRefused, WorkerCrashed
from stories_ingest.domain.media import object_keys
from stories_ingest.media.limits import MediaLimits

_LINE_LIMIT = 64 * 1024
_STDERR_LIMIT = 2_000  # characters of standard error kept for the log
# Variables that Python needs to start. The process that parses uploads gets no secrets.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")


async def run(
    source: Path,
    declared: str | None,
    split: bool,
    bounds: MediaLimits,
    into: Path,
    progress: Callable[[float], None],
) -> list[dict[str, Any]]:
    """Run one job and move its files into the folder; return what the worker says of them.

    `declared` is None for a finished clip that lacks smaller renditions.
    """
    job = _job(source, into) | {"declared": declared, "split": split, "bounds": asdict(bounds)}
    output_dir = Path(job["into"])
    try:
        made = await _run_worker(job, bounds, progress)
        for name in {key for output in made for key in object_keys(output)}:
            (output_dir / name).rename(into / name)
        return made
    finally:
        shutil.rmtree(output_dir, ignore_errors=True)


def _job(source: Path, into: Path) -> dict[str, Any]:
    """Paths for the worker, with a new folder for its files, and this process."""
    output_dir = tempfile.mkdtemp(prefix=".making-", dir=into.resolve())
    return {"source": str(source.resolve()), "into": output_dir, "parent": os.getpid()}


async def _run_worker(
    job: dict[str, Any], bounds: MediaLimits, progress: Callable[[float], None]
) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stories_ingest.media.worker", json.dumps(job),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT, start_new_session=True, cwd=job["into"],
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        | {"MALLOC_ARENA_MAX": "2", "TMPDIR": job["into"]},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    stderr_tail = asyncio.create_task(_stderr_tail(process.stderr))
    try:
        async with asyncio.timeout(bounds.wall_seconds):
            result = await _read_result(process.stdout, progress)
            code = await process.wait()
    except TimeoutError:
        raise MediaRefused("timed_out", f"not done after {bounds.wall_seconds} s") from None
    finally:
        await _kill(process)
        stderr = await stderr_tail
    if result is not None:
        return _parse_result(result)
    raise _error_for_exit_code(code, stderr)


async def _read_result(lines: asyncio.StreamReader, progress: Callable[[float], None]) -> dict[str, Any] | None:
    """The worker's result line, None if it ended without one."""
    async for line in lines:
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError:
            return None
        if "progress" not in message:
            return message
        progress(float(message["progress"]))
    return None


async def _stderr_tail(lines: asyncio.StreamReader) -> str:
    tail = b""
    while chunk := await lines.read(4096):
        tail = (tail + chunk)[-_STDERR_LIMIT:]
    return tail.decode(errors="replace").strip()


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the process group and wait for its end, even when cancelled repeatedly."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        waiting = asyncio.ensure_future(process.wait())
        while not waiting.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(waiting)


def _parse_result(result: dict[str, Any]) -> list[dict[str, Any]]:
    if "refused" in result:
        raise MediaRefused(result["refused"], result.get("detail", ""))
    if "machine" in result:
        raise MachineFault(result["machine"])
    if "lost" in result:
        raise WorkerCrashed(result["lost"])
    made: list[dict[str, Any]] = result["made"]
    return made


def _error_for_exit_code(code: int, stderr: str) -> Exception:
    """Map the exit code of a worker without a result: limits and decoder crashes reject the upload, others are bugs."""
    if code == -signal.SIGXCPU:
        return MediaRefused("timed_out", "too much CPU time")
    if "MemoryError" in stderr or "Cannot allocate memory" in stderr or "bad_alloc" in stderr:
        return MediaRefused("too_large", "out of memory")
    if code in {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGFPE, -signal.SIGILL}:
        return MediaRefused("damaged", f"the decoder was killed by signal {-code}: {stderr[-200:]}")
    return WorkerCrashed(f"the worker ended with {code}: {stderr}")
