"""Reactions, shares and counts; at most one reaction and one share per viewer and story."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_engagement.domain.errors import AccessDenied, FeatureDisabled
from stories_engagement.usecases.access import CheckAccess, StoryAccess


class ReactionRepository(Protocol):
    """Stores one reaction per viewer and story, and counts them by emoji."""

    async def put(self, access: StoryAccess, emoji: str, at: datetime) -> None: ...

    async def withdraw(self, story_id: str, user_id: str, at: datetime) -> bool: ...

    async def counts(self, story_id: str) -> Mapping[str, int]: ...

    async def mine(self, story_id: str, user_id: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class React:
    """Set the caller's reaction to a story, replacing an earlier one."""

    reactions: ReactionRepository
    now: Clock

    async def __call__(self, access: StoryAccess, emoji: str) -> None:
        """Raises `FeatureDisabled` where reactions are off, `NotFound` where the story has just ended."""
        if not access.reactions:
            raise FeatureDisabled("reactions")
        await self.reactions.put(access, emoji, truncate_to_ms(self.now()))


@dataclass(frozen=True, slots=True)
class WithdrawReaction:
    """Withdraw the caller's reaction. No ticket needed: the viewer may have lost access since reacting."""

    reactions: ReactionRepository
    check_access: CheckAccess
    now: Clock

    async def __call__(self, user_id: str, story_id: str, ticket: str | None) -> None:
        """Idempotent. Raises `AccessDenied` where the caller never reacted and has no ticket."""
        if self.check_access.access_state.has_ended(story_id, self.now()):
            raise AccessDenied("ended")
        if not await self.reactions.withdraw(story_id, user_id, truncate_to_ms(self.now())):
            await self.check_access(user_id, story_id, ticket)


@dataclass(frozen=True, slots=True)
class Share:
    """Share a story: a link that grants nothing, counted once per viewer."""

    store_share: Callable[[StoryAccess, datetime], Awaitable[None]]
    url: str
    """The setting `SHARE_URL`, with `{id}` in it."""
    now: Clock

    async def __call__(self, access: StoryAccess) -> str:
        """The link. Raises `FeatureDisabled` where sharing is off, `NotFound` where the story has just ended."""
        if not access.sharing:
            raise FeatureDisabled("sharing")
        await self.store_share(access, truncate_to_ms(self.now()))
        return self.url.replace("{id}", access.story_id)


@dataclass(frozen=True, slots=True)
class Counts:
    """All counts of one story. `views` are plays; `comments` include replies and no hidden ones."""

    views: int = 0
    viewers: int = 0
    reactions: int = 0
    comments: int = 0
    shares: int = 0


ReadCounts = Callable[[str], Awaitable[Counts]]
"""The exact counts of a story by its id."""
