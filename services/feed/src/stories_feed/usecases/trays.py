"""The tray of the authors whom a viewer follows, and rings of any authors."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Literal

import msgspec

from stories_feed.domain.edges import FollowList
from stories_feed.domain.live import LiveStory
from stories_feed.domain.ttl import MIN_REMAINING, TtlPolicy, has_time_left
from stories_feed.domain.visibility import Relation, Ring, ring_of
from stories_feed.usecases.contents import Poster
from stories_feed.usecases.ports import EdgeRepository, Media, SeenRepository, StoryRepository
from stories_feed.usecases.visible_stories import VisibleStories

MAX_RINGS = 100
# Rings kept ready beyond those of live authors, before all are dropped and made again.
SPARE_READY_RINGS = 1_000
FOLLOWS = Relation(follows=True)
# Audiences that a follow alone does not decide.
RESTRICTED = frozenset({"friends", "close_friends"})
Rank = tuple[bool, float, str]
Reels = Mapping[str, Sequence[LiveStory]]

RingState = Literal["unseen", "seen", "none"]
"""Of an author for a viewer."""


class TrayEntry(msgspec.Struct):
    """A ring with the poster of its newest story, or without one while that story's partitions are stale."""

    ring: Ring
    poster_url: str | None
    audience: str = "everyone"
    poster_until: datetime | None = None
    """Until when the URL is used."""
    encoded: tuple[bytes, bytes] | None = None
    """The ring in a response and in its tag, kept by who encodes it first."""


class ReadyRing(msgspec.Struct, frozen=True):
    """A ring that is the same for every follower who has seen none of its stories."""

    reel: Sequence[LiveStory]
    posters: Sequence[Poster | None]
    """Of each story: the ring ends when one of them is dropped or replaced."""
    until: datetime
    seen_keys: frozenset[int] | None
    """None while a key is not loaded: then the ring is ready for viewers who have seen nothing at all."""
    rank: Rank
    entry: TrayEntry


@dataclass(frozen=True, slots=True)
class Tray:
    """A page of rings, the viewer's own ring, and the rank after which the next page begins."""

    entries: Sequence[TrayEntry]
    mine: TrayEntry | None
    next: Rank | None


@dataclass(frozen=True, slots=True)
class ReadTray:
    """The rings of the authors whom a viewer follows: unseen first, then newest."""

    visible_stories: VisibleStories
    edges: EdgeRepository
    marks: SeenRepository
    stories: StoryRepository
    media: Media
    ttl_policy: TtlPolicy
    ready: dict[str, ReadyRing] = field(default_factory=dict, compare=False)

    async def __call__(self, viewer_id: str, after: Rank | None, limit: int) -> Tray:
        """A page of the tray. Muted and blocked authors never appear.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        marks = self.marks.seen(viewer_id, self.visible_stories.now())
        follow_list = await self.edges.follow_list(viewer_id)
        seen = await marks
        index = self.visible_stories.index
        authors = index.live_among(follow_list.following) - follow_list.muted - follow_list.hidden_by
        ready = self._ready_rings(viewer_id, authors, seen)
        reels = await self._reels(viewer_id, authors - ready.keys(), follow_list)
        if seen:
            await self.visible_stories.load_seen_keys(story for reel in reels.values() for story in reel)
        rings = {author: ring for author, reel in reels.items() if (ring := ring_of(author, reel, seen))}
        mine = rings.pop(viewer_id, None)
        ranked = sorted(
            [(ring.rank, author) for author, ring in rings.items()]
            + [(each.rank, author) for author, each in ready.items()]
        )
        if after is not None:
            ranked = ranked[bisect_right(ranked, after, key=itemgetter(0)) :]
        page = [author for _, author in ranked[:limit]]
        on_page = {author: rings[author] for author in page if author in rings}
        if mine:
            on_page[viewer_id] = mine
        entries = await self._entries(viewer_id, on_page, reels, seen) if on_page else {}
        own = entries.pop(viewer_id, None)
        now = self.visible_stories.now()
        entries |= {author: ready[author].entry for author in page if author in ready and now < ready[author].until}
        shown = [entries[author] for author in page if author in entries]
        return Tray(shown, own, ranked[limit - 1][0] if len(ranked) > limit else None)

    def _ready_rings(self, viewer_id: str, authors: set[str], seen: frozenset[int]) -> dict[str, ReadyRing]:
        """The rings among these that need no more work, because nothing about them depends on the viewer."""
        index, now = self.visible_stories.index, self.visible_stories.now()
        stale_among, poster_of = self.visible_stories.stale_among, self.stories.cached_poster
        found: dict[str, ReadyRing] = {}
        for author in authors & self.ready.keys():
            ready = self.ready[author]
            if ready.reel is not index.reel_unfiltered(author) or now >= ready.until:
                del self.ready[author]
            elif (
                author != viewer_id
                and (not seen or (ready.seen_keys is not None and ready.seen_keys.isdisjoint(seen)))
                and not stale_among(ready.reel)
                and ready.posters == [poster_of(story.story_id) for story in ready.reel]
            ):
                found[author] = ready
        return found

    def _keep_ready(
        self, entries: Mapping[str, TrayEntry], reels: Reels, posters: Mapping[str, Poster], viewer_id: str
    ) -> None:
        """Keep the rings that are the same for other followers: of public stories, hidden from nobody, none seen."""
        index = self.visible_stories.index
        if len(self.ready) > 2 * index.live_authors + SPARE_READY_RINGS:
            self.ready.clear()
        for author, entry in entries.items():
            reel, ring = index.reel_unfiltered(author), entry.ring
            public = all(story.audience == "everyone" and not story.hide_from for story in reel)
            whole = ring.stories == len(reel) and list(reel) == list(reels[author])
            unseen = ring.unseen == ring.stories and author != viewer_id
            if not (reel and public and whole and unseen and entry.poster_until):
                continue
            keys = [story.seen_key for story in reel]
            until = min(entry.poster_until, min(story.expires_at for story in reel) - MIN_REMAINING)
            known = frozenset(key for key in keys if key is not None)
            shown = [posters.get(story.story_id) for story in reel]
            self.ready[author] = ReadyRing(
                reel, shown, until, known if len(known) == len(keys) else None, ring.rank, entry
            )

    async def _reels(self, viewer_id: str, authors: Collection[str], follow_list: FollowList) -> Reels:
        index = self.visible_stories.index
        restricted = {
            author for author in authors if any(story.audience in RESTRICTED for story in index.reel_unfiltered(author))
        }
        relations_to = self.visible_stories.relations
        loaded = await relations_to(viewer_id, restricted, follow_list=follow_list) if restricted else {}
        relations = {**dict.fromkeys(authors, FOLLOWS), **loaded, viewer_id: Relation(own=True)}
        return self.visible_stories.visible_reels(viewer_id, relations)

    async def _entries(
        self, viewer_id: str, rings: Mapping[str, Ring], reels: Reels, seen: frozenset[int]
    ) -> dict[str, TrayEntry]:
        """The entries of authors, in their order, counting only stories that have documents.

        Stories of stale partitions count without a document and show no poster.
        """
        documented, posters, now = await with_documents(
            {author: reels[author] for author in rings}, self.visible_stories, self.stories
        )
        entries = {
            author: self._entry(ring, posters.get(ring.latest_id), reel[-1], now)
            for author, reel in documented.items()
            if (ring := rings[author] if len(reel) == len(reels[author]) else ring_of(author, reel, seen))
        }
        self._keep_ready(entries, reels, posters, viewer_id)
        return entries

    def _entry(self, ring: Ring, poster: Poster | None, latest: LiveStory, now: datetime) -> TrayEntry:
        if poster is None:
            return TrayEntry(ring, None)
        ttl = self.ttl_policy.url_ttl(poster.audience)
        url = self.media.url(poster.key, ttl, latest.expires_at, now)
        return TrayEntry(ring, url.url, poster.audience, url.used_until)


@dataclass(frozen=True, slots=True)
class ReadRings:
    """The rings of any authors for a viewer."""

    visible_stories: VisibleStories
    marks: SeenRepository
    stories: StoryRepository

    async def __call__(self, viewer_id: str, authors: Collection[str]) -> Mapping[str, RingState]:
        """``unseen``, ``seen`` or ``none`` for each author."""
        marks = self.marks.seen(viewer_id, self.visible_stories.now())
        reels = await self.visible_stories.reels(viewer_id, authors)
        seen = await marks
        if seen:
            await self.visible_stories.load_seen_keys(story for reel in reels.values() for story in reel)
        documented, _, _ = await with_documents(reels, self.visible_stories, self.stories)
        rings = {author: ring_of(author, reel, seen) for author, reel in documented.items()}
        return {author: ring.state if (ring := rings.get(author)) else "none" for author in authors}


async def with_documents(
    reels: Reels, visible_stories: VisibleStories, stories: StoryRepository
) -> tuple[Reels, Mapping[str, Poster], datetime]:
    """The reels without stories that have no document yet, the posters of the others, and the time of the check.

    Stories of stale partitions are kept, without a poster. Stories that expired while the documents were read are not.
    """
    stale = visible_stories.stale_among(story for reel in reels.values() for story in reel)
    fresh = {s.story_id: s.revision for reel in reels.values() for s in reel if s.story_id not in stale}
    posters = await stories.posters(fresh) if fresh else {}
    shown, now = stale | posters.keys(), visible_stories.now()
    documented = {
        author: [s for s in reel if s.story_id in shown and has_time_left(s.expires_at, now)]
        for author, reel in reels.items()
    }
    return documented, posters, now
