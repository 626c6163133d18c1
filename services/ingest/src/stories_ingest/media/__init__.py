"""Media: what was uploaded becomes what is shown, in a bounded process of its own. Files in, files out."""

from collections.abc import Callable
from pathlib import Path

from stories_ingest.domain.errors import MachineFault, WorkerCrashed
from stories_ingest.media.captions import NotWebVtt, cut_captions
from stories_ingest.media.types import PHOTO_TYPES, VIDEO_TYPES, MediaLimits, MediaRejected, OutputPart, Reason

__all__ = [
    "PHOTO_TYPES",
    "VIDEO_TYPES",
    "MachineFault",
    "MediaLimits",
    "MediaRejected",
    "NotWebVtt",
    "OutputPart",
    "Reason",
    "WorkerCrashed",
    "cut_captions",
    "make",
]


async def make(
    source: Path, claimed: str, split: bool, bounds: MediaLimits, into: Path, progress: Callable[[float], None]
) -> list[OutputPart]:
    """Turn the upload at `source` into final files in the folder `into`, one `OutputPart` for each part in order.

    `claimed` is the promised content type, `progress` is called with 0 to 1. Raises `MediaRejected` with one of
    the reasons of docs/http.md, `MachineFault` when the machine cannot work now, `WorkerLost` when the worker failed by
    a bug of ours or was killed. Whatever is raised, cancellation too, the worker is gone and `into` is as it was.
    """
    from stories_ingest.media.subprocess import run  # the worker imports this package too, and needs no asyncio

    return await run(source, claimed, split, bounds, into, progress)
