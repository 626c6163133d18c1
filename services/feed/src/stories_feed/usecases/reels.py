"""Reading stories: an author's reel, several reels, one story, and what is new from anyone."""

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
# A page may be shorter than asked for and still have a next one. For You looks at so many stories for one page at most,
# and asks the store so many times; all pages have so many bytes of content, but for one story that is larger alone.
MAX_SCANNED = 5_000
MAX_ROUNDS = 10
MAX_BYTES = 2**20
RecencyPosition = tuple[datetime, str, int, str]


@dataclass(frozen=True, slots=True)
class ReadReel:
    """An author's live stories for a viewer, oldest first."""

    sight: VisibleStories
    show: BuildItems
    marks: SeenBy

    async def __call__(
        self, viewer_id: str, author_id: str, after: ReelPosition | None, limit: int
    ) -> tuple[list[ItemWithAccess], ReelPosition | None]:
        """A page of the reel and the place after which the next one begins, if there is one."""
        relations, seen = await asyncio.gather(
            self.sight.relations(viewer_id, [author_id], FRIENDSHIP), self.marks.seen(viewer_id, self.sight.now())
        )
        if author_id not in relations:
            return [], None
        reel = self.sight.visible(viewer_id, author_id, relations[author_id])
        rest = [story for story in reel if after is None or story.place > after]
        chosen = bounded(rest[:limit])
        shown = await self.show(viewer_id, relations, seen, chosen)
        return shown, chosen[-1].place if len(rest) > len(chosen) else None


@dataclass(frozen=True, slots=True)
class ReadReels:
    """The beginnings of several reels."""

    sight: VisibleStories
    show: BuildItems
    marks: SeenBy

    async def __call__(self, viewer_id: str, authors: Sequence[str]) -> Mapping[str, list[ItemWithAccess]]:
        """The first items of each author's reel; an empty list where the viewer sees none.

        Where not all of them go into an answer, every author's first goes before anybody's second.
        """
        relations, seen = await asyncio.gather(
            self.sight.relations(viewer_id, authors, FRIENDSHIP), self.marks.seen(viewer_id, self.sight.now())
        )
        visible = [reel[:FIRST_ITEMS] for reel in self.sight.visible_reels(viewer_id, relations).values()]
        by_place = [story for place in zip_longest(*visible) for story in place if story is not None]
        chosen = bounded(by_place, at_least=len(visible))
        reels: dict[str, list[ItemWithAccess]] = {author: [] for author in authors}
        for shown in await self.show(viewer_id, relations, seen, chosen):
            reels[shown.item.author_id].append(shown)
        return reels


@dataclass(frozen=True, slots=True)
class ReadStory:
    """One story by id."""

    sight: VisibleStories
    show: BuildItems
    marks: SeenBy

    async def __call__(self, viewer_id: str, story_id: str, *, admin: bool) -> ItemWithAccess | None:
        """The item for whoever may see it now; admins see any live story.

        Raises:
            Unavailable: whether the story is still there cannot be told.
        """
        self.sight.must_be_fresh([story_id])
        story = self.sight.index.get(story_id, self.sight.now())
        if story is None:
            return None
        relations, seen = await asyncio.gather(
            self.sight.relations(viewer_id, [story.author_id], FRIENDSHIP), self.marks.seen(viewer_id, self.sight.now())
        )
        relation = relations.get(story.author_id)
        if relation is None or not (admin or may_see(viewer_id, relation, story)):
            return None
        shown = await self.show(viewer_id, relations, seen, [story], admin=admin)
        return shown[0] if shown else None


class MutedAuthors(Protocol):
    """Whom viewers do not want to see."""

    async def muted(self, viewer_id: str) -> frozenset[str]:
        """The authors that a viewer has muted."""
        ...


@dataclass(frozen=True, slots=True)
class ReadForYou:
    """Public live stories of anyone, newest first, without those of blocked and muted authors, own and seen ones."""

    sight: VisibleStories
    show: BuildItems
    marks: SeenBy
    people: MutedAuthors

    async def __call__(
        self, viewer_id: str, before: RecencyPosition | None, limit: int
    ) -> tuple[list[ItemWithAccess], RecencyPosition | None]:
        """A page, and the place from which the next one goes on; stories that cannot be vouched for are passed over."""
        muted, seen = await asyncio.gather(self.people.muted(viewer_id), self.marks.seen(viewer_id, self.sight.now()))
        chosen: list[LiveStory] = []
        relations: dict[str, Relation] = {}
        scanned, rounds, at, more = 0, 0, before, True
        while more and len(chosen) < limit and scanned < MAX_SCANNED and rounds < MAX_ROUNDS:
            found, passed, at, more = self._scan(viewer_id, at, muted, seen, limit - len(chosen), MAX_SCANNED - scanned)
            scanned, rounds = scanned + passed, rounds + 1
            unknown = {story.author_id for story in found} - relations.keys()
            learned, _ = await asyncio.gather(
                self.sight.relations(viewer_id, unknown, FRIENDSHIP), self.sight.learn_keys(found if seen else ())
            )
            relations |= learned
            chosen += [
                story
                for story in found
                if story.seen_key not in seen and may_see(viewer_id, relations.get(story.author_id, NO_ACCESS), story)
            ]
        page = bounded(chosen)
        if len(page) < len(chosen):
            chosen, at, more = page, page[-1].freshness, True
        fresh = [story for story in chosen if not self.sight.log.stale(story.story_id)]
        if chosen and not fresh:
            self.sight.must_be_fresh(story.story_id for story in chosen)
        return await self.show(viewer_id, relations, seen, fresh), at if more else None

    def _scan(
        self,
        viewer_id: str,
        before: RecencyPosition | None,
        muted: frozenset[str],
        seen: frozenset[int],
        wanted: int,
        at_most: int,
    ) -> tuple[list[LiveStory], int, RecencyPosition | None, bool]:
        found: list[LiveStory] = []
        passed, at = 0, before
        for story in self.sight.index.newest(before, self.sight.now()):
            if len(found) == wanted or passed == at_most:
                return found, passed, at, True
            passed, at = passed + 1, story.freshness
            if (
                story.audience == "everyone"
                and story.author_id != viewer_id
                and story.author_id not in muted
                and story.seen_key not in seen
            ):
                found.append(story)
        return found, passed, at, False


NO_ACCESS = Relation(blocked=True)


def bounded(stories: list[LiveStory], at_least: int = 1) -> list[LiveStory]:
    """As many of the first stories as one answer holds."""
    sizes = accumulate(story.size for story in stories)
    return stories[: max(at_least, sum(size <= MAX_BYTES for size in sizes))]
