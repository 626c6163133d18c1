"""Reactions, shares and counts: what viewers do besides watching, each at most once per viewer and story."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_engagement.domain.errors import AccessDenied, FeatureDisabled
from stories_engagement.usecases.access import CheckAccess, StoryAccess


class Reactions(Protocol):
    """Keeps one reaction per viewer and story, and how many there are of each."""

    async def put(self, access: StoryAccess, emoji: str, at: datetime) -> None: ...

    async def withdraw(self, story_id: str, user_id: str, at: datetime) -> bool: ...

    async def counts(self, story_id: str) -> Mapping[str, int]: ...

    async def mine(self, story_id: str, user_id: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class React:
    """Set one's reaction to a story, in place of an earlier one."""

    reactions: Reactions
    now: Clock

    async def __call__(self, access: StoryAccess, emoji: str) -> None:
        """Raises `FeatureDisabled` where the author wants none, `Gone` where the story ended just now."""
        if not access.reactions:
            raise FeatureDisabled("reactions")
        await self.reactions.put(access, emoji, truncate_to_ms(self.now()))


@dataclass(frozen=True, slots=True)
class WithdrawReaction:
    """Take one's reaction back. It needs no ticket, for it may be all that is left between the two."""

    reactions: Reactions
    check_access: CheckAccess
    now: Clock

    async def __call__(self, user_id: str, story_id: str, ticket: str | None) -> None:
        """Done as well where there is none any more. Raises `AccessDenied` for who never reacted and has no ticket."""
        if self.check_access.access_state.has_ended(story_id, self.now()):
            raise AccessDenied("ended")
        if not await self.reactions.withdraw(story_id, user_id, truncate_to_ms(self.now())):
            await self.check_access(user_id, story_id, ticket)


@dataclass(frozen=True, slots=True)
class ReadReactions:
    """How many reactions of each kind a story has, and one's own."""

    reactions: Reactions

    async def __call__(self, access: StoryAccess) -> tuple[Mapping[str, int], str | None]:
        counts = await self.reactions.counts(access.story_id)
        return counts, await self.reactions.mine(access.story_id, access.user_id)


class Shares(Protocol):
    """Keeps who shared a story."""

    async def put(self, access: StoryAccess, at: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Share:
    """Share a story: a link that grants nothing, counted once per viewer."""

    shares: Shares
    url: str
    """The setting `SHARE_URL`, with `{id}` in it."""
    now: Clock

    async def __call__(self, access: StoryAccess) -> str:
        """The link. Raises `FeatureDisabled` where sharing is off, `NotFound` where the story ended just now."""
        if not access.sharing:
            raise FeatureDisabled("sharing")
        await self.shares.put(access, truncate_to_ms(self.now()))
        return self.link(access.story_id)

    def link(self, story_id: str) -> str:
        return self.url.replace("{id}", story_id)


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything that is counted of one story. `views` are plays; `comments` count replies and no hidden ones."""

    views: int = 0
    viewers: int = 0
    reactions: int = 0
    comments: int = 0
    shares: int = 0


class Counters(Protocol):
    """Reads the counts of a story."""

    async def counts(self, story_id: str) -> Counts: ...


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """The exact counts of a story."""

    counters: Counters

    async def __call__(self, access: StoryAccess) -> Counts:
        return await self.counters.counts(access.story_id)
