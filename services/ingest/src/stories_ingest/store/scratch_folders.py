"""Temporary folders of media jobs, and the health of their disk."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from stories_ingest.domain.errors import MachineFault

PREFIX = "stories-media-"
ABANDONED_AFTER_S = 3600.0
"""No job takes that long: a killed process left an older folder."""
MIN_FREE_BYTES = 1024 * 1024


@dataclass(slots=True)
class Scratch:
    """Health of the scratch disk, from the last job and later checks."""

    fault: str | None = None
    needed_bytes: int = MIN_FREE_BYTES

    def failed(self, fault: MachineFault) -> None:
        """Record that a job failed because of the disk."""
        self.fault, self.needed_bytes = f"scratch disk: {fault}", max(MIN_FREE_BYTES, fault.needed_bytes)

    async def is_usable(self) -> bool:
        """Whether the disk has the space that the failed job needs; checked again after a fault."""
        if self.fault is not None:
            self.fault = await asyncio.to_thread(_allocation_error, self.needed_bytes)
        return self.fault is None


def _allocation_error(needed_bytes: int) -> str | None:
    try:
        with tempfile.TemporaryFile(prefix=PREFIX) as file:
            os.posix_fallocate(file.fileno(), 0, needed_bytes)
    except OSError as error:
        return f"scratch disk: {error}"
    return None


@asynccontextmanager
async def work_folder() -> AsyncIterator[Path]:
    """A temporary folder, removed on exit."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=PREFIX))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove folders of killed processes."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            old = time.time() - folder.stat().st_mtime > ABANDONED_AFTER_S
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)
