"""Media: transcode uploads in a resource-limited subprocess. Files in, files out."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from stories_ingest.domain.media import MediaPart, Rendition
from stories_ingest.media.limits import MediaLimits

__all__ = ["MediaLimits", "make", "make_smaller"]


async def make(
    source: Path, declared: str, split: bool, bounds: MediaLimits, into: Path, progress: Callable[[float], None]
) -> list[MediaPart]:
    """Transcode the upload at `source` into the folder `into`; return its parts, in order.

    The keys of a part's media are the names of files in `into`. `declared` is the content type that the client named,
    `progress` is called with 0 to 1. Raises `MediaRefused` with one of the reasons of docs/http.md, `MachineFault` when
    this machine cannot work now, `WorkerCrashed` when the worker failed by a bug or was killed. After any exception,
    cancellation included, the worker has ended and `into` is unchanged.
    """
    from stories_ingest.media.subprocess import run  # the worker imports this package too, and needs no asyncio

    return msgspec.convert(await run(source, declared, split, bounds, into, progress), list[MediaPart])


async def make_smaller(source: Path, bounds: MediaLimits, into: Path) -> list[Rendition]:
    """Encode the smaller renditions of the finished clip at `source`; raises as `make` does."""
    from stories_ingest.media.subprocess import run

    made = await run(source, None, False, bounds, into, lambda _: None)
    return msgspec.convert(made, list[Rendition])
