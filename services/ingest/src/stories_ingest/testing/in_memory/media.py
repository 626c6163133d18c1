"""A transcoder that encodes nothing, and the folder it works in."""

# ruff: noqa: ASYNC240, ARG002  (small files on a test machine; the port has parameters that the fake does not need)

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.domain.media import MediaPart
from stories_ingest.testing.builders import media


@dataclass(slots=True)
class FakeTranscoder:
    """A transcoder that calls `before`, then writes `parts` parts or refuses with `rejection`."""

    parts: int = 1
    rejection: str | None = None
    before: Callable[[], object] = lambda: None

    async def __call__(
        self, source: Path, declared: str, split: bool, into: Path, progress: Callable[[float], None]
    ) -> Sequence[MediaPart]:
        self.before()
        progress(0.5)
        if self.rejection:
            raise MediaRefused(self.rejection)
        made = []
        for number in range(self.parts):
            (into / f"{number}.mp4").write_bytes(source.read_bytes())
            (into / f"{number}.jpg").write_bytes(b"poster")
            names = replace(media("draft"), key=f"{number}.mp4", poster_key=f"{number}.jpg")
            made.append(MediaPart(media=names, starts_ms=number * 5_000))
        return made


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """A temporary folder."""
    with TemporaryDirectory() as name:
        yield Path(name)
