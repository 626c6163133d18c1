"""Tests transcode real files in the real worker process."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stories_ingest.domain.errors import MediaRefused
from stories_ingest.domain.media import MediaPart
from stories_ingest.media import MediaLimits, make


@dataclass(frozen=True)
class Output:
    """A part of the output, and the folder with its files. Fields of its media are attributes too."""

    part: MediaPart
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / self.part.media.key

    @property
    def poster_path(self) -> Path:
        return self.folder / self.part.media.poster_key

    @property
    def starts_ms(self) -> int:
        return self.part.starts_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self.part.media, name)


Transcode = Callable[..., Coroutine[Any, Any, list[Output]]]
Rejection = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    return folder


@pytest.fixture
def transcode(into: Path) -> Transcode:
    """`await transcode(source)` returns the output parts, whose files are all that is new in the folder."""

    async def transcode(
        source: Path, declared: str = "video/mp4", split: bool = True, bounds: MediaLimits | None = None
    ) -> list[Output]:
        before = names_in(into)
        parts = await make(source, declared, split, bounds or MediaLimits(), into, lambda fraction: None)
        assert set(names_in(into)) == {*before, *(name for part in parts for name in part.media.keys)}
        return [Output(part, into) for part in parts]

    return transcode


@pytest.fixture
def rejection(transcode: Transcode, into: Path) -> Rejection:
    """`await rejection(source)` returns the reason, and asserts that no file remains."""

    async def rejection(source: Path, declared: str = "video/mp4", **options: Any) -> str:
        with pytest.raises(MediaRefused) as refused:
            await transcode(source, declared, **options)
        assert names_in(into) == []
        return refused.value.reason

    return rejection


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
