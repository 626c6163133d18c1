"""The process that parses uploads: `python -m stories_ingest.media.worker JOB`, a job as JSON.

It limits its own resources before it reads the upload, and writes progress and result as JSON lines to standard output.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stories_ingest.domain.errors import MediaRefused, is_machine_fault
from stories_ingest.domain.media import MediaPart, Rendition
from stories_ingest.domain.story import BACKGROUND, PHOTOS, VIDEOS
from stories_ingest.media.limits import MediaLimits

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_OPEN_FILES = 64
_NICENESS = 10  # of work that nobody waits for

Emit = Callable[[dict[str, Any]], None]


def apply_limits(bounds: MediaLimits, parent: int) -> None:
    """Limit time, memory, files and privileges, and end with the parent. Called before anything is parsed."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before PR_SET_PDEATHSIG was set
        os._exit(1)
    written = 4 * bounds.max_bytes + 64 * 1024 * 1024  # per file; an encoded part may be larger
    for limit, value in (
        (resource.RLIMIT_CPU, bounds.cpu_seconds),
        (resource.RLIMIT_AS, bounds.memory_bytes),
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # keep the hard CPU limit: only the soft one sends SIGXCPU, which identifies the cause
        resource.setrlimit(limit, (soft, hard if limit == resource.RLIMIT_CPU else soft))


def run(job: dict[str, Any], emit: Emit) -> list[MediaPart] | list[Rendition]:
    """Run the job: an upload, or a finished clip without `declared`. Raises `MediaRefused`."""
    bounds, source, into = MediaLimits(**job["bounds"]), Path(job["source"]), Path(job["into"])
    progress = _ThrottledProgress(emit)
    if job["declared"] is None:
        from stories_ingest.media.clips import make_smaller

        os.nice(_NICENESS)
        return make_smaller(source, bounds, into, progress)
    if job["declared"] == BACKGROUND:
        from stories_ingest.media.backgrounds import make_background

        return [make_background(source, bounds, into, progress)]
    from stories_ingest.media.sniffing import sniff

    if source.stat().st_size > bounds.max_bytes:
        raise MediaRefused("too_large", f"{source.stat().st_size} bytes")
    declared = "video" if job["declared"] in VIDEOS else "photo" if job["declared"] in PHOTOS else None
    form = sniff(source)
    kind = "video" if form == "mov" or form == "matroska" else "photo"
    if kind != declared:
        raise MediaRefused("type_mismatch", f"claimed {job['declared']}, is {form}")
    if form == "mov" or form == "matroska":
        from stories_ingest.media.clips import make_clips

        return make_clips(source, form, job["split"], bounds, into, progress)
    from stories_ingest.media.photos import make_photo

    if not bounds.still_images:
        raise MediaRefused("still_images_off")
    return [make_photo(source, form, bounds, into, progress)]


class _ThrottledProgress:
    """Emits progress in steps of at least one percent."""

    def __init__(self, emit: Emit) -> None:
        self._emit, self._reported = emit, 0.0

    def __call__(self, fraction: float) -> None:
        fraction = min(1.0, fraction)
        if fraction >= self._reported + 0.01:
            self._reported = fraction
            self._emit({"progress": round(fraction, 3)})


def main() -> int:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of libraries goes to standard error

    def emit(line: dict[str, Any]) -> None:
        out.write(json.dumps(line) + "\n")

    job = json.loads(sys.argv[1])
    apply_limits(MediaLimits(**job["bounds"]), job["parent"])
    try:
        made = run(job, emit)
        emit({"made": [asdict(part) for part in made]})
    except MediaRefused as error:
        emit({"refused": error.reason, "detail": error.detail})
    except MemoryError:
        with contextlib.suppress(MemoryError):
            emit({"refused": "too_large", "detail": "out of memory"})
    except Exception as error:  # noqa: BLE001  (any other exception does not reject the upload)
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            emit({"refused": "too_large", "detail": "grows beyond the largest file"})
        elif is_machine_fault(error):
            emit({"machine": repr(error)[:500]})
        else:
            emit({"lost": traceback.format_exc()[-2000:]})
    out.flush()
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())  # skip teardown: the output is on disk, and decoder threads need not be joined
