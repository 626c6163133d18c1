"""What every reading verb shares: which stories a viewer may see now, and whether what is known of them is fresh."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.errors import KAFKA, Unavailable

from stories_feed.domain.edges import Kind
from stories_feed.domain.live import LiveIndex, LiveStory
from stories_feed.domain.ttl import MIN_REMAINING
from stories_feed.domain.visibility import Relation, may_see

Needed = Collection[Kind]
DECIDING: Mapping[str, frozenset[Kind]] = {
    "everyone": frozenset((Kind.BLOCK,)),
    "followers": frozenset((Kind.BLOCK, Kind.FOLLOW)),
    "friends": frozenset((Kind.BLOCK, Kind.FOLLOW)),
    "close_friends": frozenset((Kind.BLOCK, Kind.CLOSE_FRIEND)),
}
"""What decides who may see a story, by its audience."""
FRIENDSHIP = (Kind.FOLLOW,)
"""What matters besides for an item: its ticket says whether the two are friends."""


class Relations(Protocol):
    """How a viewer stands to authors."""

    async def relations(self, viewer_id: str, authors: Mapping[str, Collection[Kind]]) -> Mapping[str, Relation]:
        """One for each author, of the kinds of edges that matter; ``muted`` is left out."""
        ...


class KnownKeys(Protocol):
    """What stands for stories in seen marks."""

    async def known_keys(self, story_ids: Collection[str]) -> Mapping[str, int]:
        """The keys of those stories that have one."""
        ...


class Freshness(Protocol):
    """What is known of the log."""

    @property
    def loaded(self) -> bool:
        """Whether the index has been filled and has caught up with the log once."""
        ...

    def stale(self, key: str) -> bool:
        """Whether the log's partitions of this story have not been heard from in time."""
        ...


@dataclass(frozen=True, slots=True)
class VisibleStories:
    """The live index with a viewer's eyes."""

    whole: LiveIndex
    people: Relations
    keys: KnownKeys
    log: Freshness
    now: Clock

    @property
    def index(self) -> LiveIndex:
        """The index, once it is one: while it loads nobody is told that there is nothing.

        Raises:
            Unavailable: this replica is still loading.
        """
        if not self.log.loaded:
            raise Unavailable(KAFKA, "the live index is still loading")
        return self.whole

    async def relations(self, viewer_id: str, authors: Iterable[str], needed: Needed = ()) -> Mapping[str, Relation]:
        """How the viewer stands to those of the authors who are live, as far as it matters for their stories.

        Args:
            viewer_id: who looks.
            authors: whose stories.
            needed: kinds of edges that matter besides those that decide who may see the stories.
        """
        live = self.index.live_among(authors)
        others = {author: self._deciding(author).union(needed) for author in live if author != viewer_id}
        known = await self.people.relations(viewer_id, others) if others else {}
        return {**known, **({viewer_id: Relation(own=True)} if viewer_id in live else {})}

    def _deciding(self, author_id: str) -> frozenset[Kind]:
        """The kinds of edges that decide who may see an author's stories."""
        audiences = {story.audience for story in self.index.all_of(author_id)}
        return DECIDING["everyone"].union(*map(DECIDING.__getitem__, audiences))

    async def reels(self, viewer_id: str, authors: Iterable[str]) -> Mapping[str, Sequence[LiveStory]]:
        """What the viewer may see of each author now; authors of whom that is nothing are left out."""
        relations = await self.relations(viewer_id, authors)
        return self.visible_reels(viewer_id, relations)

    def visible_reels(self, viewer_id: str, relations: Mapping[str, Relation]) -> Mapping[str, Sequence[LiveStory]]:
        """What the viewer may see now of authors to whom they stand so; nothing is left out."""
        horizon = self.now() + MIN_REMAINING
        reels: dict[str, Sequence[LiveStory]] = {}
        for author, relation in relations.items():
            reel = [s for s in self.index.all_of(author) if s.expires_at >= horizon and may_see(viewer_id, relation, s)]
            if reel:
                reels[author] = reel
        return reels

    def visible(self, viewer_id: str, author_id: str, relation: Relation) -> Sequence[LiveStory]:
        """What the viewer may see of one author now, in the order of the reel."""
        return self.visible_reels(viewer_id, {author_id: relation}).get(author_id, ())

    async def story_ids(self, viewer_id: str, author_id: str) -> Sequence[str]:
        """The ids of an author's stories that the viewer may see, in the order of the reel."""
        reels = await self.reels(viewer_id, [author_id])
        return [story.story_id for story in reels.get(author_id, ())]

    async def learn_keys(self, stories: Iterable[LiveStory]) -> None:
        """Learn the seen keys of stories. One without has no document yet, and nobody has seen it."""
        unknown = {story.story_id: story for story in stories if story.seen_key is None}
        if unknown:
            for story_id, key in (await self.keys.known_keys(unknown)).items():
                unknown[story_id].seen_key = key

    def must_be_fresh(self, story_ids: Iterable[str]) -> None:
        """Check that the log was heard from in time.

        Raises:
            Unavailable: one of these stories may be gone without our knowing it.
        """
        if any(self.log.stale(story_id) for story_id in story_ids):
            raise Unavailable(KAFKA, "the log has not been heard from in time")


class SeenBy(Protocol):
    """What viewers have seen."""

    async def seen(self, viewer_id: str, now: datetime) -> frozenset[int]:
        """Keys of stories that may still be live."""
        ...
