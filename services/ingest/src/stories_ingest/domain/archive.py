"""Archived stories: what an author keeps after a story's public life."""

from dataclasses import dataclass
from datetime import datetime

from stories_ingest.domain.story import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedStory:
    """A story as it was when it expired; the keys of its media are those of the archive."""

    story: Story
    archived_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedStory:
    """An archived story whose objects are still to be erased, once more if `erased_at` is set."""

    story_id: str
    author_id: str
    erased_at: datetime | None = None
