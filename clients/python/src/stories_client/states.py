"""Where an upload stands, how its bytes are counted, and where unsent views are kept."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal
from uuid import uuid4

from stories_client import models

Stage = Literal["new", "uploading", "processing", "live", "scheduled", "refused", "cancelled"]
Progress = Callable[[Stage, float], None]
"""Called with the stage and its share that is done, 0 to 1."""

BATCH = 100
"""Views in one request, as the server takes them."""
KEPT = 1000
"""Unsent views that are kept; the oldest are dropped."""


@dataclass
class UploadState:
    """What an upload needs to go on in another process, with the same file. Contains nothing secret."""

    key: str = field(default_factory=lambda: str(uuid4()))
    id: str | None = None
    sent: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON values; ``UploadState(**values)`` reads them."""
        return asdict(self)


class CountedFile:
    """A file that reports the share of it that was read."""

    def __init__(self, file: IO[bytes], size: int, report: Callable[[float], None]) -> None:
        self._file, self._size, self._report = file, size, report

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        found = self._file.read(size)
        self._report(min(1.0, self._file.tell() / max(1, self._size)))
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position in the file."""
        return self._file.tell()


class WaitingViews:
    """Views that are not yet accepted, one a play, kept in a file if there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._views: dict[str, models.ViewRequest] = {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8")) if path is not None else []
        except (OSError, ValueError):
            stored = []
        for view in stored:
            self._merge(view)

    def __len__(self) -> int:
        return len(self._views)

    def add(self, view: models.ViewRequest) -> None:
        """Add a play, or more of one that was added before."""
        self._merge(view)
        self._keep()

    def batch(self) -> list[models.ViewRequest]:
        """The oldest, as many as one request takes."""
        return list(self._views.values())[:BATCH]

    def accepted(self, views: Iterable[models.ViewRequest]) -> None:
        """Forget these, except those that grew since."""
        for view in views:
            key = view.get("play_id") or ""
            if self._views.get(key) is view:
                del self._views[key]
        self._keep()

    def _merge(self, view: models.ViewRequest) -> None:
        key = view.get("play_id") or str(uuid4())
        before = self._views.get(key, view)
        merged: models.ViewRequest = {**before, **view, "play_id": key}
        merged["watched_ms"] = max(before.get("watched_ms", 0), view.get("watched_ms", 0))
        merged["completed"] = before.get("completed", False) or view.get("completed", False)
        self._views[key] = merged
        while len(self._views) > KEPT:
            del self._views[next(iter(self._views))]

    def _keep(self) -> None:
        if self._path is None:
            return
        part = self._path.with_name(self._path.name + ".part")
        part.write_text(json.dumps(list(self._views.values())), encoding="utf-8")
        part.replace(self._path)
