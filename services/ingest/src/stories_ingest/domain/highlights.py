"""Highlights: archived stories that an author shows again, and who may see them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from stories_ingest.domain.story import Story

MAX_STORIES = 100
"""Stories of one highlight."""
MAX_TITLE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Highlight:
    """Archived stories of one author under a title, in the author's order; the cover is one of them."""

    id: str
    author_id: str
    title: str
    story_ids: tuple[str, ...]
    cover_story_id: str
    created_at: datetime

    def of(self, story_ids: Collection[str]) -> "Highlight | None":
        """The highlight with only these of its stories; None without any."""
        left = tuple(story_id for story_id in self.story_ids if story_id in story_ids)
        if not left:
            return None
        return replace(self, story_ids=left, cover_story_id=cover_of(left, self.cover_story_id))


def cover_of(story_ids: Sequence[str], wanted: str | None) -> str:
    """The story on the cover: the wanted one if it is among them, else the first."""
    return wanted if wanted in story_ids and wanted is not None else story_ids[0]


def changed(highlight: Highlight, changes: dict[str, Any]) -> Highlight:
    """The highlight with these fields replaced. A cover that is no longer among its stories becomes the first one."""
    new = replace(highlight, **changes)
    return replace(new, cover_story_id=cover_of(new.story_ids, new.cover_story_id))


def may_see(story: Story, viewer_id: str) -> bool:
    """Whether a viewer may see an archived story in a highlight.

    What was not for everyone is not shown to others: whom it was for is known only while it lives.
    """
    if viewer_id == story.author_id:
        return True
    return story.settings.audience == "everyone" and viewer_id not in story.settings.hide_from
