"""For You: candidates in the order of their rank, filtered, made diverse, and built into items.

Each step is a function or class of its own: `RankedStories` gives candidates, `ReadForYou` filters them by what memory
and then the store knows of the viewer, `Diversify` selects, `BuildItems` builds. docs/ranking.md says how to replace
one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stories_shared.clock import epoch_ms

from stories_feed.domain.edges import FollowList
from stories_feed.domain.live import LiveStory
from stories_feed.domain.ranking import BLOCK, Diversify, Place, RankedStories, RankKey, Snapshot
from stories_feed.domain.visibility import NO_ACCESS, Relation, may_see
from stories_feed.usecases.build_items import BuildItems, ItemWithAccess
from stories_feed.usecases.pages import MAX_BYTES, MAX_ROUNDS, MAX_SCANNED
from stories_feed.usecases.ports import EdgeRepository, SeenRepository
from stories_feed.usecases.visible_stories import FRIENDSHIP, VisibleStories

# Candidates for which relations are loaded together, for each story that a block still takes.
PER_STORY = 2


@dataclass(frozen=True, slots=True)
class Suggested:
    """What memory says of candidates for a viewer: which are own, muted, hidden or seen."""

    viewer_id: str
    follow_list: FollowList
    hidden: frozenset[str]
    seen: frozenset[int]

    def includes(self, story: LiveStory) -> bool:
        """Whether the story may be suggested."""
        return (
            story.author_id != self.viewer_id
            and story.author_id not in self.hidden
            and (story.seen_key is None or story.seen_key not in self.seen)
        )


@dataclass(slots=True)
class Budget:
    """What one page may still scan."""

    stories: int
    rounds: int = MAX_ROUNDS
    size: int = MAX_BYTES

    @property
    def left(self) -> bool:
        """Whether anything is left."""
        return self.stories > 0 and self.rounds > 0 and self.size > 0


Candidate = tuple[RankKey, LiveStory]


@dataclass(frozen=True, slots=True)
class ReadForYou:
    """Public live stories in the order of the ranking, at most two of one author in twenty.

    Stories that the viewer has seen, and those of the viewer and of blocked, muted and hiding authors are left out.
    """

    ranked: RankedStories
    visible_stories: VisibleStories
    build_items: BuildItems
    marks: SeenRepository
    edges: EdgeRepository

    async def __call__(
        self, viewer_id: str, place: Place | None, limit: int
    ) -> tuple[list[ItemWithAccess], Place | None]:
        """A page, and where the next page begins. Stories of stale partitions are skipped.

        Raises:
            Unavailable: nothing but stories of stale partitions is left, or MongoDB does not answer.
        """
        marks = self.marks.seen(viewer_id, self.visible_stories.now())
        follow_list = await self.edges.follow_list(viewer_id)
        seen = await marks
        suggested = Suggested(viewer_id, follow_list, follow_list.muted | follow_list.hidden_by, seen)
        if place is None:
            now_ms = epoch_ms(self.visible_stories.now())
            place = Place(self.ranked.snapshot(now_ms).time, None)
        selected: list[LiveStory] = []
        relations: dict[str, Relation] = {}
        budget = Budget(MAX_SCANNED)
        next_place: Place | None = place
        for begun in range(0, limit, BLOCK):
            if next_place is None or not budget.left:
                break
            size = min(BLOCK, limit - begun)
            block, following = await self._block(suggested, next_place, size, budget, relations, begun=bool(selected))
            selected += block.selected
            more = following or block.deferred
            next_place = Place(place.time, block.after, tuple(block.deferred.items())) if more else None
        fresh = self.visible_stories.fresh_among(selected)
        return await self.build_items(viewer_id, relations, seen, fresh), next_place

    async def _block(
        self,
        suggested: Suggested,
        place: Place,
        size: int,
        budget: Budget,
        relations: dict[str, Relation],
        *,
        begun: bool,
    ) -> tuple[Diversify, bool]:
        """A block that begins at a place, and whether candidates are left. The first one takes a story of any size."""
        block = Diversify(size, place.after, dict(place.deferred), budget.size, may_be_empty=begun)
        if place.deferred:
            waiting = self._waiting(self._snapshot(place), place)
            allowed = await self._allowed(suggested, waiting, relations)
            block.take_deferred((key, story, story.story_id in allowed) for key, story in waiting)
            budget.rounds -= 1
        more = True
        while more and budget.left and not block.full:
            candidates, more = self._candidates(self._snapshot(place), block.after, suggested, budget, size)
            allowed = await self._allowed(suggested, candidates, relations)
            for key, story in candidates:
                if block.full or not block.take(key, story, wanted=story.story_id in allowed):
                    more = True
                    break
            else:
                continue
            break
        budget.size = block.max_bytes
        return block, more

    def _snapshot(self, place: Place) -> Snapshot:
        return self.ranked.snapshot(epoch_ms(self.visible_stories.now()), place.time)

    def _candidates(
        self, snapshot: Snapshot, after: RankKey | None, suggested: Suggested, budget: Budget, size: int
    ) -> tuple[list[Candidate], bool]:
        """The next candidates that memory does not rule out, and whether others may follow.

        What is ruled out after the last candidate is looked at again by the next round, or not at all if none follow.
        """
        found: list[Candidate] = []
        budget.rounds -= 1
        for key, story in self._live(snapshot.after(after)):
            if len(found) == max(BLOCK, size * PER_STORY) or budget.stories == 0:
                return found, True
            budget.stories -= 1
            if suggested.includes(story) or budget.stories == 0:
                found.append((key, story))
        return found, False

    def _live(self, keys: Iterator[RankKey]) -> Iterator[Candidate]:
        story_of, now = self.visible_stories.index.get, self.visible_stories.now()
        for key in keys:
            if (story := story_of(key[-1], now)) is not None:
                yield key, story

    def _waiting(self, snapshot: Snapshot, place: Place) -> list[Candidate]:
        """The stories of authors who wait, best first."""
        now, found = self.visible_stories.now(), []
        for author, last in place.deferred:
            for story in self.visible_stories.index.reel(author, now):
                key = snapshot.key(story.story_id)
                if key is not None and place.after is not None and last < key <= place.after:
                    found.append((key, story))
        return sorted(found, key=lambda candidate: candidate[0])

    async def _allowed(
        self, suggested: Suggested, candidates: list[Candidate], relations: dict[str, Relation]
    ) -> set[str]:
        """The ids of the candidates that the viewer may see and has not seen."""
        stories = [story for _, story in candidates]
        missing = {story.author_id for story in stories} - relations.keys()
        relations |= await self.visible_stories.relations(
            suggested.viewer_id, missing, FRIENDSHIP, suggested.follow_list
        )
        if suggested.seen:
            await self.visible_stories.load_seen_keys(stories)
        return {
            story.story_id
            for story in stories
            if suggested.includes(story)
            and may_see(suggested.viewer_id, relations.get(story.author_id, NO_ACCESS), story)
        }
