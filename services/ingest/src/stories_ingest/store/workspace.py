"""Folders on this machine's disk that media work is done in."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

PREFIX = "stories-media-"
LEFT_BEHIND_S = 3600.0
"""No job takes so long: an older folder is what a killed process left."""


@asynccontextmanager
async def work_folder() -> AsyncIterator[Path]:
    """A folder of one's own, removed afterwards."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=PREFIX))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def remove_left_behind() -> int:
    """Remove folders of processes that were killed; how many there were."""
    return await asyncio.to_thread(_remove_left_behind)


def _remove_left_behind() -> int:
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            old = time.time() - folder.stat().st_mtime > LEFT_BEHIND_S
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
