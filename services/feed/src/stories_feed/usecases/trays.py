"""Who has something new: the tray of those a viewer follows, and rings of anyone asked for."""

import asyncio
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Protocol

from stories_feed.domain.live import Audience, LiveStory
from stories_feed.domain.ttl import TtlPolicy, has_time_left
from stories_feed.domain.visibility import Relation, Ring, ring_of
from stories_feed.usecases.items import Media
from stories_feed.usecases.visible_stories import SeenBy, VisibleStories

MAX_RINGS = 100
FOLLOWS = Relation(follows=True)
# Who these show to depends on more than following.
RESTRICTED = frozenset({"friends", "close_friends"})
Rank = tuple[bool, float, str]


@dataclass(frozen=True, slots=True)
class FollowList:
    """Whom a viewer follows, those apart whom they muted. A block has taken its follow away already."""

    following: Sequence[str]
    muted: frozenset[str]


class Follows(Protocol):
    """Whom viewers follow."""

    async def choices(self, viewer_id: str) -> FollowList:
        """All at once."""
        ...


@dataclass(frozen=True, slots=True)
class Preview:
    """As much of a story's document as a ring shows."""

    revision: int
    poster_key: str
    audience: Audience


class Previews(Protocol):
    """The documents of stories, as much as rings show of them."""

    async def cards(self, stories: Mapping[str, int]) -> Mapping[str, Preview]:
        """The cards of stories whose documents are there, at no older revision than the one given."""
        ...


@dataclass(frozen=True, slots=True)
class TrayEntry:
    """A ring with the poster of its newest story; none while it cannot be told whether that is still there."""

    ring: Ring
    poster_url: str | None
    audience: str = "everyone"


@dataclass(frozen=True, slots=True)
class Tray:
    """A page of rings, the viewer's own beside them, and where the next page begins."""

    entries: Sequence[TrayEntry]
    mine: TrayEntry | None
    next: Rank | None


@dataclass(frozen=True, slots=True)
class ReadTray:
    """The rings of those whom a viewer follows: unseen first, then newest."""

    sight: VisibleStories
    people: Follows
    marks: SeenBy
    stories: Previews
    media: Media
    lives: TtlPolicy

    async def __call__(self, viewer_id: str, after: Rank | None, limit: int) -> Tray:
        """A page of the tray. Muted and blocked authors never appear.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        choices, seen = await asyncio.gather(
            self.people.choices(viewer_id), self.marks.seen(viewer_id, self.sight.now())
        )
        reels = await self._reels(viewer_id, choices)
        if seen:
            await self.sight.learn_keys(story for reel in reels.values() for story in reel)
        rings = {author: ring for author, reel in reels.items() if (ring := ring_of(author, reel, seen))}
        mine = rings.pop(viewer_id, None)
        ranked = sorted((ring.rank, ring) for ring in rings.values())
        if after is not None:
            ranked = ranked[bisect_right(ranked, after, key=itemgetter(0)) :]
        page = [ring for _, ring in ranked[:limit]]
        wanted = {ring.author_id: ring for ring in (*page, *((mine,) if mine else ()))}
        entries = await self._entries(wanted, reels, seen)
        own = entries.pop(viewer_id, None)
        return Tray(list(entries.values()), own, page[-1].rank if len(ranked) > limit else None)

    async def _reels(self, viewer_id: str, choices: FollowList) -> "Reels":
        index = self.sight.index
        authors = index.live_among(choices.following) - choices.muted
        asking = {author for author in authors if any(story.audience in RESTRICTED for story in index.all_of(author))}
        known = await self.sight.relations(viewer_id, asking) if asking else {}
        relations = {**dict.fromkeys(authors, FOLLOWS), **known, viewer_id: Relation(own=True)}
        return self.sight.visible_reels(viewer_id, relations)

    async def _entries(self, rings: Mapping[str, Ring], reels: "Reels", seen: frozenset[int]) -> dict[str, TrayEntry]:
        """The entries of authors, in their order, counting only stories whose documents are there.

        Where the log is not heard from, the index alone decides, and no poster is shown.
        """
        there, cards, now = await with_documents({author: reels[author] for author in rings}, self.sight, self.stories)
        return {
            author: self._entry(ring, cards.get(ring.latest_id), reel[-1], now)
            for author, reel in there.items()
            if (ring := rings[author] if len(reel) == len(reels[author]) else ring_of(author, reel, seen))
        }

    def _entry(self, ring: Ring, card: Preview | None, latest: LiveStory, now: datetime) -> TrayEntry:
        if card is None:
            return TrayEntry(ring, None)
        ttl: timedelta = self.lives.url_ttl(card.audience)
        return TrayEntry(ring, self.media.url(card.poster_key, ttl, latest.expires_at, now).url, card.audience)


@dataclass(frozen=True, slots=True)
class ReadRings:
    """The rings of any authors, as a viewer sees them."""

    sight: VisibleStories
    marks: SeenBy
    stories: Previews

    async def __call__(self, viewer_id: str, authors: Collection[str]) -> Mapping[str, str]:
        """``unseen``, ``seen`` or ``none`` for each author."""
        reels, seen = await asyncio.gather(
            self.sight.reels(viewer_id, authors), self.marks.seen(viewer_id, self.sight.now())
        )
        if seen:
            await self.sight.learn_keys(story for reel in reels.values() for story in reel)
        there, _, _ = await with_documents(reels, self.sight, self.stories)
        rings = {author: ring_of(author, reel, seen) for author, reel in there.items()}
        return {author: ring.state if (ring := rings.get(author)) else "none" for author in authors}


Reels = Mapping[str, Sequence[LiveStory]]


async def with_documents(
    reels: Reels, sight: VisibleStories, stories: Previews
) -> tuple[Reels, Mapping[str, Preview], datetime]:
    """The reels without stories whose documents are not there yet, the cards of the others, and by what moment.

    Stories that the log has not vouched for in time stay, without a card: of those the index alone decides. What came
    to its end while the documents were read is left out.
    """
    stale = {story.story_id for reel in reels.values() for story in reel if sight.log.stale(story.story_id)}
    fresh = {s.story_id: s.revision for reel in reels.values() for s in reel if s.story_id not in stale}
    cards = await stories.cards(fresh) if fresh else {}
    kept, now = stale | cards.keys(), sight.now()
    there = {
        author: [s for s in reel if s.story_id in kept and has_time_left(s.expires_at, now)]
        for author, reel in reels.items()
    }
    return there, cards, now
