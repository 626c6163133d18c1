"""Media: transcode uploads in a resource-limited subprocess. Files in, files out."""

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
    """Transcode the upload at `source` into the folder `into`; return one `OutputPart` per part, in order.

    `claimed` is the declared content type, `progress` is called with 0 to 1. Raises `MediaRejected` with one of the
    reasons of docs/http.md, `MachineFault` when this machine cannot work now, `WorkerCrashed` when the worker failed by
    a bug or was killed. After any exception, cancellation included, the worker has ended and `into` is unchanged.
    """
    from stories_ingest.media.subprocess import run  # the worker imports this package too, and needs no asyncio

    return await run(source, claimed, split, bounds, into, progress)
