"""Shared by every read: which stories a viewer may see now, and whether the index is fresh."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from stories_shared.clock import Clock
from stories_shared.errors import KAFKA, Unavailable

from stories_feed.domain.edges import FollowList, Kind
from stories_feed.domain.live import Audience, LiveIndex, LiveStory
from stories_feed.domain.ttl import MIN_REMAINING
from stories_feed.domain.visibility import Relation, may_see
from stories_feed.usecases.ports import EdgeRepository, LogStatus, StoryRepository

AUDIENCE_EDGES: Mapping[str, frozenset[Kind]] = {
    "everyone": frozenset((Kind.BLOCK, Kind.HIDE)),
    "followers": frozenset((Kind.BLOCK, Kind.HIDE, Kind.FOLLOW)),
    "friends": frozenset((Kind.BLOCK, Kind.HIDE, Kind.FOLLOW)),
    "close_friends": frozenset((Kind.BLOCK, Kind.HIDE, Kind.CLOSE_FRIEND)),
}
"""The kinds of edges that decide who may see a story, by its audience."""
FRIENDSHIP = (Kind.FOLLOW,)
"""The kinds that items need in addition: a ticket says whether viewer and author are friends."""
NONE_STALE = frozenset[str]()


@dataclass(frozen=True, slots=True)
class VisibleStories:
    """The live index, filtered by what a viewer may see."""

    raw_index: LiveIndex
    """The index, which may still be loading."""
    edges: EdgeRepository
    stories: StoryRepository
    log_status: LogStatus
    now: Clock

    @property
    def index(self) -> LiveIndex:
        """The index, once it is loaded.

        Raises:
            Unavailable: this replica is still loading.
        """
        self.require_loaded()
        return self.raw_index

    def require_loaded(self) -> None:
        """Check that the index is loaded; raises Unavailable otherwise."""
        if not self.log_status.ready:
            raise Unavailable(KAFKA, "the live index is still loading")

    async def relations(
        self,
        viewer_id: str,
        authors: Iterable[str],
        extra: tuple[Kind, ...] = (),
        follow_list: FollowList | None = None,
    ) -> Mapping[str, Relation]:
        """The viewer's relations to those of the authors who have live stories.

        Args:
            viewer_id: the viewer.
            authors: any.
            extra: kinds of edges to load beside those that decide who may see the stories.
            follow_list: the viewer's, if it was read for the same request.
        """
        index = self.index
        live, public = index.live_among(authors), edges_of("everyone", extra)
        others = {
            author: deciding_edges(index.reel_unfiltered(author), public, extra)
            for author in live
            if author != viewer_id
        }
        relations = await self.edges.relations(viewer_id, others, follow_list) if others else {}
        return {**relations, **({viewer_id: Relation(own=True)} if viewer_id in live else {})}

    async def reels(self, viewer_id: str, authors: Iterable[str]) -> Mapping[str, Sequence[LiveStory]]:
        """The stories of each author that the viewer may see now, oldest first; authors without any are omitted."""
        relations = await self.relations(viewer_id, authors)
        return self.visible_reels(viewer_id, relations)

    def visible_reels(self, viewer_id: str, relations: Mapping[str, Relation]) -> Mapping[str, Sequence[LiveStory]]:
        """The same, by relations that are loaded."""
        horizon, reel_of = self.now() + MIN_REMAINING, self.index.reel_unfiltered
        reels: dict[str, Sequence[LiveStory]] = {}
        for author, relation in relations.items():
            reel = [s for s in reel_of(author) if s.expires_at >= horizon and may_see(viewer_id, relation, s)]
            if reel:
                reels[author] = reel
        return reels

    async def load_seen_keys(self, stories: Iterable[LiveStory]) -> None:
        """Load missing seen keys into the index. A story without one has no document yet, and nobody has seen it."""
        missing = {story.story_id: story for story in stories if story.seen_key is None}
        if missing:
            for story_id, key in (await self.stories.known_keys(missing)).items():
                missing[story_id].seen_key = key

    def stale_among(self, stories: Iterable[LiveStory]) -> frozenset[str]:
        """The ids of those stories whose partitions were not read in time."""
        if not self.log_status.any_stale():
            return NONE_STALE
        return frozenset(story.story_id for story in stories if self.log_status.stale(story.story_id))

    def fresh_among(self, stories: Sequence[LiveStory]) -> list[LiveStory]:
        """Those of the stories whose partitions were read in time.

        Raises:
            Unavailable: there are stories, but none of them is fresh.
        """
        stale = self.stale_among(stories)
        fresh = [story for story in stories if story.story_id not in stale]
        if stories and not fresh:
            self.require_fresh(stale)
        return fresh

    def require_fresh(self, story_ids: Iterable[str]) -> None:
        """Check that the partitions of these stories were read in time.

        Raises:
            Unavailable: one of them was not, so its story may have ended.
        """
        if self.log_status.any_stale() and any(map(self.log_status.stale, story_ids)):
            raise Unavailable(KAFKA, "the log has not been read in time")


def deciding_edges(reel: Iterable[LiveStory], public: frozenset[Kind], extra: tuple[Kind, ...]) -> frozenset[Kind]:
    """The kinds of edges that decide who may see these stories beside public ones, and the extra ones."""
    kinds = public
    for story in reel:
        if story.audience != "everyone":
            kinds |= edges_of(story.audience, extra)
    return kinds


@cache
def edges_of(audience: Audience, extra: tuple[Kind, ...]) -> frozenset[Kind]:
    """The kinds of edges that decide who belongs to an audience, and the extra ones."""
    return AUDIENCE_EDGES[audience].union(extra)
