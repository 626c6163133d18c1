"""Live stories of one list, newest first: those with a hashtag, those that mention a user."""

from dataclasses import dataclass
from itertools import islice

from stories_feed.domain.live import LiveStory, RecencyKey
from stories_feed.domain.recency import RecencyLists
from stories_feed.domain.visibility import NO_ACCESS, Relation, may_see
from stories_feed.usecases.build_items import BuildItems, ItemWithAccess
from stories_feed.usecases.pages import MAX_ROUNDS, bounded
from stories_feed.usecases.ports import SeenRepository
from stories_feed.usecases.visible_stories import FRIENDSHIP, VisibleStories

# A page looks at so many stories for each that it may hold, in each of its rounds.
SCANNED_PER_ITEM = 2


@dataclass(frozen=True, slots=True)
class ReadNewest:
    """The stories of a key that a viewer may see."""

    lists: RecencyLists
    visible_stories: VisibleStories
    build_items: BuildItems
    marks: SeenRepository

    async def __call__(
        self, viewer_id: str, key: str, before: RecencyKey | None, limit: int
    ) -> tuple[list[ItemWithAccess], RecencyKey | None]:
        """A page, and the position after which the next page begins. Stories of stale partitions are skipped.

        Raises:
            Unavailable: nothing but stories of stale partitions is left.
        """
        seen = await self.marks.seen(viewer_id, self.visible_stories.now())
        selected: list[LiveStory] = []
        relations: dict[str, Relation] = {}
        at, more, rounds = before, True, 0
        while more and len(selected) < limit and rounds < MAX_ROUNDS:
            rounds += 1
            found = self._scan(key, at, limit * SCANNED_PER_ITEM)
            more = len(found) == limit * SCANNED_PER_ITEM
            missing = {story.author_id for story in found} - relations.keys()
            relations |= await self.visible_stories.relations(viewer_id, missing, FRIENDSHIP)
            for story in found:
                if len(selected) == limit:
                    more = True
                    break
                at = story.recency_key
                if may_see(viewer_id, relations.get(story.author_id, NO_ACCESS), story):
                    selected.append(story)
        page = bounded(selected)
        if len(page) < len(selected):
            selected, at, more = page, page[-1].recency_key, True
        fresh = self.visible_stories.fresh_among(selected)
        items = await self.build_items(viewer_id, relations, seen, fresh)
        return items, at if more else None

    def _scan(self, key: str, before: RecencyKey | None, limit: int) -> list[LiveStory]:
        index, now = self.visible_stories.index, self.visible_stories.now()
        stories = (index.get(story_id, now) for story_id in self.lists.newest(key, before))
        return list(islice((story for story in stories if story is not None), limit))
