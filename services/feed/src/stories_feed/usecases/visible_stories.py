"""Shared by every read: which stories a viewer may see now, and whether the index is fresh."""

from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.errors import KAFKA, Unavailable

from stories_feed.domain.edges import Kind
from stories_feed.domain.live import Audience, LiveIndex, LiveStory
from stories_feed.domain.ttl import MIN_REMAINING
from stories_feed.domain.visibility import Relation, may_see

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
class FollowList:
    """The viewer's follows and mutes, and who hides all stories from the viewer.

    Blocked authors are not in ``following``.
    """

    following: Sequence[str]
    muted: frozenset[str]
    hidden_by: frozenset[str] = frozenset()


class Relations(Protocol):
    """Relations of viewers to authors, and follow lists of viewers."""

    async def relations(
        self, viewer_id: str, authors: Mapping[str, Collection[Kind]], follow_list: FollowList | None = None
    ) -> Mapping[str, Relation]:
        """The relation to each author, by the given kinds of edges.

        What the viewer's follow list says, if it was read for the same request, need not be read again.
        """
        ...

    async def follow_list(self, viewer_id: str) -> FollowList:
        """The users whom a viewer follows and mutes, and who hides from the viewer."""
        ...

    async def versions(self, viewers: Collection[str]) -> Mapping[str, int]:
        """A number for each viewer that changes with every edge that decides what they see; none without edges."""
        ...


class KnownKeys(Protocol):
    """The stored seen keys of stories."""

    async def known_keys(self, story_ids: Collection[str]) -> Mapping[str, int]:
        """The keys of the stories that have one."""
        ...


class LogStatus(Protocol):
    """How fresh the live index is."""

    @property
    def loaded(self) -> bool:
        """Whether the index is loaded and has reached the end of the topics once."""
        ...

    def any_stale(self) -> bool:
        """Whether any partition has not been read in time; if none, no story is stale."""
        ...

    def stale(self, key: str) -> bool:
        """Whether the partitions of this story have not been read in time."""
        ...


@dataclass(frozen=True, slots=True)
class VisibleStories:
    """The live index, filtered by what a viewer may see.

    Args:
        raw_index: the index, which may still be loading.
        edges: relations of viewers to authors.
        keys: stored seen keys.
        log_status: how fresh the index is.
        now: the clock.
    """

    raw_index: LiveIndex
    edges: Relations
    keys: KnownKeys
    log_status: LogStatus
    now: Clock

    @property
    def index(self) -> LiveIndex:
        """The index, once it is loaded.

        Raises:
            Unavailable: this replica is still loading.
        """
        if not self.log_status.loaded:
            raise Unavailable(KAFKA, "the live index is still loading")
        return self.raw_index

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
            authors: the authors.
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
        """The stories of each author that the viewer may see now; authors without any are omitted."""
        relations = await self.relations(viewer_id, authors)
        return self.visible_reels(viewer_id, relations)

    def visible_reels(self, viewer_id: str, relations: Mapping[str, Relation]) -> Mapping[str, Sequence[LiveStory]]:
        """Visible stories of each author, by the given relations; authors without any are omitted."""
        horizon, reel_of = self.now() + MIN_REMAINING, self.index.reel_unfiltered
        reels: dict[str, Sequence[LiveStory]] = {}
        for author, relation in relations.items():
            reel = [s for s in reel_of(author) if s.expires_at >= horizon and may_see(viewer_id, relation, s)]
            if reel:
                reels[author] = reel
        return reels

    def visible_reel(self, viewer_id: str, author_id: str, relation: Relation) -> Sequence[LiveStory]:
        """The stories of one author that the viewer may see now, oldest first."""
        return self.visible_reels(viewer_id, {author_id: relation}).get(author_id, ())

    async def story_ids(self, viewer_id: str, author_id: str) -> Sequence[str]:
        """The ids of an author's stories that the viewer may see, oldest first."""
        reels = await self.reels(viewer_id, [author_id])
        return [story.story_id for story in reels.get(author_id, ())]

    async def load_seen_keys(self, stories: Iterable[LiveStory]) -> None:
        """Load missing seen keys into the index. A story without one has no document yet, and nobody has seen it."""
        missing = {story.story_id: story for story in stories if story.seen_key is None}
        if missing:
            for story_id, key in (await self.keys.known_keys(missing)).items():
                missing[story_id].seen_key = key

    def stale_among(self, stories: Iterable[LiveStory]) -> frozenset[str]:
        """The ids of those stories whose partitions were not read in time."""
        if not self.log_status.any_stale():
            return NONE_STALE
        return frozenset(story.story_id for story in stories if self.log_status.stale(story.story_id))

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


class SeenBy(Protocol):
    """Reads seen marks."""

    def seen(self, viewer_id: str, now: datetime) -> Awaitable[frozenset[int]]:
        """Keys of the stories that the viewer has seen and that may still be live.

        The query starts with the call, so that others can run beside it before this is awaited.
        """
        ...
