# Made from the module of the same name in `_async` by `make docs`; a test compares.

"""Reports of views, in batches, kept while offline."""

from pathlib import Path
from typing import TYPE_CHECKING

from stories_client import models
from stories_client.errors import StoriesError
from stories_client.states import BATCH, WaitingViews

if TYPE_CHECKING:
    from stories_client._sync.client import Stories

UNAUTHENTICATED = 401


class ViewQueue:
    """Collects views and sends them: a full batch at once, the rest at ``flush`` and at the end of ``with``.

    The same ``play_id`` is one play however often it is sent, so what is not accepted is sent again.
    """

    def __init__(self, stories: "Stories", path: Path | None = None) -> None:
        self._stories = stories
        self._waiting = WaitingViews(path)

    def __len__(self) -> int:
        return len(self._waiting)

    def __enter__(self) -> "ViewQueue":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, view: models.ViewRequest) -> None:
        """Report a play, or more of one that was reported before."""
        self._waiting.add(view)
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> bool:
        """Send what waits; returns whether all of it was answered. Offline it stays, and nothing is raised."""
        while batch := self._waiting.batch():
            try:
                self._stories.report_views({"views": batch})
            except StoriesError as error:
                if error.temporary or error.status == UNAUTHENTICATED:
                    return False
            self._waiting.accepted(batch)  # what was rejected is final
        return True
