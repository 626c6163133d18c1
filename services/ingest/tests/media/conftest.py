"""Every test makes real files and puts them through the real worker process."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from stories_ingest.media import MediaLimits, MediaRejected, OutputPart, make

Making = Callable[..., Coroutine[Any, Any, list[OutputPart]]]
Refusing = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    return folder


@pytest.fixture
def making(into: Path) -> Making:
    """`await making(source)`: what the pipeline makes of a file."""

    async def making(
        source: Path, claimed: str = "video/mp4", split: bool = True, bounds: MediaLimits | None = None
    ) -> list[OutputPart]:
        return await make(source, claimed, split, bounds or MediaLimits(), into, lambda fraction: None)

    return making


@pytest.fixture
def refusing(making: Making, into: Path) -> Refusing:
    """`await refusing(source)`: the reason why it is refused, with nothing left behind."""

    async def refusing(source: Path, claimed: str = "video/mp4", **how: Any) -> str:
        with pytest.raises(MediaRejected) as refused:
            await making(source, claimed, **how)
        assert list_of(into) == []
        return refused.value.reason

    return refusing


def list_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
