"""Privacy: whether a user's views are listed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms


class Privacy(Protocol):
    """Stores whether a user's views are listed."""

    async def listed(self, user_id: str) -> bool: ...

    async def set_listed(self, user_id: str, listed: bool, at: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class ReadPrivacy:
    """Whether the caller's views are listed from now on."""

    privacy: Privacy

    async def __call__(self, user_id: str) -> bool:
        return await self.privacy.listed(user_id)


class Unlisting(Protocol):
    """Removes a user from all lists of viewers."""

    async def unlist(self, user_id: str, until: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class SetPrivacy:
    """Turn the caller's view history on or off. Off removes them from every list at once and for good."""

    privacy: Privacy
    unlisting: Unlisting
    now: Clock

    async def __call__(self, user_id: str, listed: bool) -> None:
        now = truncate_to_ms(self.now())
        await self.privacy.set_listed(user_id, listed, now)
        if not listed:
            await self.unlisting.unlist(user_id, now)
