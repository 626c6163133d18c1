"""Reads of stories: an author's reel, several reels, one story, and For You."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, zip_longest
from typing import Protocol

from stories_feed.domain.live import LiveStory, ReelPosition
from stories_feed.domain.visibility import Relation, may_see
from stories_feed.usecases.items import BuildItems, ItemWithAccess
from stories_feed.usecases.visible_stories import FRIENDSHIP, SeenBy, VisibleStories

MAX_REELS = 20
FIRST_ITEMS = 20
# A page may be shorter than its limit and still have a next one. A page of For You scans so many stories at most, in so
# many round trips to the store. Every page has at most so many bytes of content, unless its only story is larger.
MAX_SCANNED = 5_000
MAX_ROUNDS = 10
MAX_BYTES = 2**20
RecencyPosition = tuple[datetime, str, int, str]


@dataclass(frozen=True, slots=True)
class ReadReel:
    """An author's live stories for a viewer, oldest first."""

    visible_stories: VisibleStories
    build_items: BuildItems
    marks: SeenBy

    async def __call__(
        self, viewer_id: str, author_id: str, after: ReelPosition | None, limit: int
    ) -> tuple[list[ItemWithAccess], ReelPosition | None]:
        """A page of the reel, and the position after which the next page begins, if any."""
        relations, seen = await asyncio.gather(
            self.visible_stories.relations(viewer_id, [author_id], FRIENDSHIP),
            self.marks.seen(viewer_id, self.visible_stories.now()),
        )
        if author_id not in relations:
            return [], None
        reel = self.visible_stories.visible_reel(viewer_id, author_id, relations[author_id])
        remaining = [story for story in reel if after is None or story.reel_position > after]
        selected = bounded(remaining[:limit])
        items = await self.build_items(viewer_id, relations, seen, selected)
        return items, selected[-1].reel_position if len(remaining) > len(selected) else None


@dataclass(frozen=True, slots=True)
class ReadReels:
    """The beginnings of several reels."""

    visible_stories: VisibleStories
    build_items: BuildItems
    marks: SeenBy

    async def __call__(self, viewer_id: str, authors: Sequence[str]) -> Mapping[str, list[ItemWithAccess]]:
        """The first items of each author's reel; an empty list where the viewer may see none.

        If not all of them fit, every author's first item comes before any author's second.
        """
        relations, seen = await asyncio.gather(
            self.visible_stories.relations(viewer_id, authors, FRIENDSHIP),
            self.marks.seen(viewer_id, self.visible_stories.now()),
        )
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
    marks: SeenBy

    async def __call__(self, viewer_id: str, story_id: str, *, admin: bool) -> ItemWithAccess | None:
        """The item, if the viewer may see the story now; admins may see any live story.

        Raises:
            Unavailable: the story's partitions are stale, so it may have ended.
        """
        self.visible_stories.require_fresh([story_id])
        story = self.visible_stories.index.get(story_id, self.visible_stories.now())
        if story is None:
            return None
        relations, seen = await asyncio.gather(
            self.visible_stories.relations(viewer_id, [story.author_id], FRIENDSHIP),
            self.marks.seen(viewer_id, self.visible_stories.now()),
        )
        relation = relations.get(story.author_id)
        if relation is None or not (admin or may_see(viewer_id, relation, story)):
            return None
        items = await self.build_items(viewer_id, relations, seen, [story], admin=admin)
        return items[0] if items else None


class MutedAuthors(Protocol):
    """Mutes of viewers."""

    async def muted(self, viewer_id: str) -> frozenset[str]:
        """The authors whom a viewer mutes."""
        ...


@dataclass(frozen=True, slots=True)
class ReadForYou:
    """Public live stories, newest first, except seen ones and those of the viewer and of blocked or muted authors."""

    visible_stories: VisibleStories
    build_items: BuildItems
    marks: SeenBy
    mutes: MutedAuthors

    async def __call__(
        self, viewer_id: str, before: RecencyPosition | None, limit: int
    ) -> tuple[list[ItemWithAccess], RecencyPosition | None]:
        """A page, and the position after which the next page begins. Stories of stale partitions are skipped."""
        muted, seen = await asyncio.gather(
            self.mutes.muted(viewer_id), self.marks.seen(viewer_id, self.visible_stories.now())
        )
        selected: list[LiveStory] = []
        relations: dict[str, Relation] = {}
        scanned, rounds, at, more = 0, 0, before, True
        while more and len(selected) < limit and scanned < MAX_SCANNED and rounds < MAX_ROUNDS:
            found, count, at, more = self._scan(
                viewer_id, at, muted, seen, limit - len(selected), MAX_SCANNED - scanned
            )
            scanned, rounds = scanned + count, rounds + 1
            missing = {story.author_id for story in found} - relations.keys()
            loaded, _ = await asyncio.gather(
                self.visible_stories.relations(viewer_id, missing, FRIENDSHIP),
                self.visible_stories.load_seen_keys(found if seen else ()),
            )
            relations |= loaded
            selected += [
                story
                for story in found
                if story.seen_key not in seen and may_see(viewer_id, relations.get(story.author_id, NO_ACCESS), story)
            ]
        page = bounded(selected)
        if len(page) < len(selected):
            selected, at, more = page, page[-1].recency_key, True
        fresh = [story for story in selected if not self.visible_stories.log_status.stale(story.story_id)]
        if selected and not fresh:
            self.visible_stories.require_fresh(story.story_id for story in selected)
        return await self.build_items(viewer_id, relations, seen, fresh), at if more else None

    def _scan(
        self,
        viewer_id: str,
        before: RecencyPosition | None,
        muted: frozenset[str],
        seen: frozenset[int],
        limit: int,
        max_scanned: int,
    ) -> tuple[list[LiveStory], int, RecencyPosition | None, bool]:
        found: list[LiveStory] = []
        scanned, at = 0, before
        for story in self.visible_stories.index.newest(before, self.visible_stories.now()):
            if len(found) == limit or scanned == max_scanned:
                return found, scanned, at, True
            scanned, at = scanned + 1, story.recency_key
            if (
                story.audience == "everyone"
                and story.author_id != viewer_id
                and story.author_id not in muted
                and story.seen_key not in seen
            ):
                found.append(story)
        return found, scanned, at, False


NO_ACCESS = Relation(blocked=True)


def bounded(stories: list[LiveStory], at_least: int = 1) -> list[LiveStory]:
    """The first stories that fit into one response, but ``at_least`` so many."""
    sizes = accumulate(story.size for story in stories)
    return stories[: max(at_least, sum(size <= MAX_BYTES for size in sizes))]
