"""In-memory highlights with the same contract as the MongoDB ones."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from stories_ingest.domain.archive import ArchivedStory
from stories_ingest.domain.errors import NotArchived
from stories_ingest.domain.highlights import Highlight, may_see
from stories_ingest.testing.in_memory.access_edges import MemoryAccessEdges
from stories_ingest.testing.in_memory.archive import MemoryArchive


@dataclass(slots=True)
class MemoryHighlights:
    """Highlights of what is in the archive."""

    archive: MemoryArchive
    edges: MemoryAccessEdges = field(default_factory=MemoryAccessEdges)
    highlights: dict[str, Highlight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.archive.on_removal = self.remove_stories
        self.archive.on_erasure = self.delete_user

    async def find(self, highlight_id: str) -> Highlight | None:
        return self.highlights.get(highlight_id)

    async def page(self, author_id: str, before: str | None, limit: int) -> list[Highlight]:
        own = [each for each in self.highlights.values() if each.author_id == author_id]
        page = [each for each in own if before is None or each.id < before]
        return sorted(page, key=lambda each: each.id, reverse=True)[:limit]

    async def put(self, highlight: Highlight) -> None:
        for index, story_id in enumerate(highlight.story_ids):
            found = self.archive.stories.get(story_id)
            if found is None or found.story.author_id != highlight.author_id:
                raise NotArchived(index)
        self.highlights[highlight.id] = highlight

    async def delete(self, author_id: str, highlight_id: str) -> bool:
        found = self.highlights.get(highlight_id)
        if found is None or found.author_id != author_id:
            return False
        del self.highlights[highlight_id]
        return True

    async def posters(self, story_ids: Collection[str], viewer_id: str | None) -> dict[str, str]:
        found = [each.story for story_id in story_ids if (each := self.archive.stories.get(story_id))]
        visible = [story for story in found if viewer_id is None or may_see(story, viewer_id)]
        return {story.id: story.posted.media.poster_key for story in visible if story.posted}

    async def archived(self, story_ids: Collection[str]) -> dict[str, ArchivedStory]:
        return {story_id: found for story_id in story_ids if (found := self.archive.stories.get(story_id))}

    def remove_stories(self, story_ids: Collection[str]) -> None:
        """Remove archived stories from all highlights."""
        for highlight in list(self.highlights.values()):
            left = highlight.of(set(highlight.story_ids) - set(story_ids))
            if left is None:
                del self.highlights[highlight.id]
            else:
                self.highlights[highlight.id] = left

    def delete_user(self, user_id: str, at: datetime) -> None:
        """Delete a user's highlights and edges from before a time."""
        edges = self.edges.edges
        self.edges.edges = {key: edges[key] for key in edges if user_id not in key[1:] or edges[key][0] > at}
        self.highlights = {
            each.id: each for each in self.highlights.values() if each.author_id != user_id or each.created_at > at
        }
