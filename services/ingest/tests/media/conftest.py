"""Tests transcode real files in the real worker process."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from stories_ingest.media import MediaLimits, MediaRejected, OutputPart, make

Transcode = Callable[..., Coroutine[Any, Any, list[OutputPart]]]
Rejection = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    return folder


@pytest.fixture
def transcode(into: Path) -> Transcode:
    """`await transcode(source)` returns the output parts."""

    async def transcode(
        source: Path, claimed: str = "video/mp4", split: bool = True, bounds: MediaLimits | None = None
    ) -> list[OutputPart]:
        return await make(source, claimed, split, bounds or MediaLimits(), into, lambda fraction: None)

    return transcode


@pytest.fixture
def rejection(transcode: Transcode, into: Path) -> Rejection:
    """`await rejection(source)` returns the reason, and asserts that no file remains."""

    async def rejection(source: Path, claimed: str = "video/mp4", **options: Any) -> str:
        with pytest.raises(MediaRejected) as rejected:
            await transcode(source, claimed, **options)
        assert names_in(into) == []
        return rejected.value.reason

    return rejection


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
