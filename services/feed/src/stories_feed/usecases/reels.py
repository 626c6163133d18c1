"""Reads of stories: an author's reel, several reels, and one story."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from stories_feed.domain.live import ReelPosition
from stories_feed.domain.visibility import may_see
from stories_feed.usecases.build_items import BuildItems, ItemWithAccess
from stories_feed.usecases.pages import bounded
from stories_feed.usecases.ports import SeenRepository
from stories_feed.usecases.visible_stories import FRIENDSHIP, VisibleStories

MAX_REELS = 20
FIRST_ITEMS = 20


@dataclass(frozen=True, slots=True)
class ReadReel:
    """An author's live stories for a viewer, oldest first."""

    visible_stories: VisibleStories
    build_items: BuildItems
    marks: SeenRepository

    async def __call__(
        self, viewer_id: str, author_id: str, after: ReelPosition | None, limit: int
    ) -> tuple[list[ItemWithAccess], ReelPosition | None]:
        """A page of the reel, and the position after which the next page begins, if any."""
        marks = self.marks.seen(viewer_id, self.visible_stories.now())
        relations = await self.visible_stories.relations(viewer_id, [author_id], FRIENDSHIP)
        seen = await marks
        reel = self.visible_stories.visible_reels(viewer_id, relations).get(author_id, ())
        remaining = [story for story in reel if after is None or story.reel_position > after]
        selected = bounded(remaining[:limit])
        items = await self.build_items(viewer_id, relations, seen, selected)
        return items, selected[-1].reel_position if len(remaining) > len(selected) else None


@dataclass(frozen=True, slots=True)
class ReadReels:
    """The beginnings of several reels."""

    visible_stories: VisibleStories
    build_items: BuildItems
    marks: SeenRepository

    async def __call__(self, viewer_id: str, authors: Sequence[str]) -> Mapping[str, list[ItemWithAccess]]:
        """The first items of each author's reel; an empty list where the viewer may see none.

        If not all of them fit, every author's first item comes before any author's second.
        """
        marks = self.marks.seen(viewer_id, self.visible_stories.now())
        relations = await self.visible_stories.relations(viewer_id, authors, FRIENDSHIP)
        seen = await marks
        visible = [reel[:FIRST_ITEMS] for reel in self.visible_stories.visible_reels(viewer_id, relations).values()]
        by_position = [story for rank in zip_longest(*visible) for story in rank if story is not None]
        selected = bounded(by_position, at_least=len(visible))
        reels: dict[str, list[ItemWithAccess]] = {author: [] for author in authors}
        for entry in await self.build_items(viewer_id, relations, seen, selected):
            reels[entry.story.author_id].append(entry)
        return reels


@dataclass(frozen=True, slots=True)
class ReadStory:
    """One story by id."""

    visible_stories: VisibleStories
    build_items: BuildItems
    marks: SeenRepository

    async def __call__(self, viewer_id: str, story_id: str, *, admin: bool) -> ItemWithAccess | None:
        """The item, if the viewer may see the story now; admins may see any live story.

        Raises:
            Unavailable: the story's partitions are stale, so it may have ended.
        """
        self.visible_stories.require_fresh([story_id])
        story = self.visible_stories.index.get(story_id, self.visible_stories.now())
        if story is None:
            return None
        marks = self.marks.seen(viewer_id, self.visible_stories.now())
        relations = await self.visible_stories.relations(viewer_id, [story.author_id], FRIENDSHIP)
        seen = await marks
        relation = relations.get(story.author_id)
        if relation is None or not (admin or may_see(viewer_id, relation, story)):
            return None
        items = await self.build_items(viewer_id, relations, seen, [story], admin=admin)
        return items[0] if items else None
