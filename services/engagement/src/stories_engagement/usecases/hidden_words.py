"""Hidden words: kept per author, applied to comments in the background."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_engagement.domain.hidden_words import normalize


@dataclass(frozen=True, slots=True)
class Rehiding:
    """A change of an author's words, and the progress of applying it to the comments on their stories.

    `change` is its id, so that a replica that applies an older change stops. `story_id` and `comment_id` are the last
    ones done.
    """

    author_id: str
    change: str
    words: tuple[str, ...]
    story_id: str | None = None
    comment_id: str | None = None


class HiddenWordsRepository(Protocol):
    """Stores the hidden words of authors, and hides comments by them."""

    async def words(self, author_id: str) -> tuple[str, ...]: ...

    async def set_words(self, author_id: str, words: Sequence[str], at: datetime) -> None: ...

    async def unapplied(self, author_id: str) -> Sequence[str] | None:
        """The words while they are not applied to every comment yet, else None."""

    async def claim(self, now: datetime, until: datetime) -> Rehiding | None:
        """Lease the oldest unapplied change until `until`."""

    async def apply_some(self, work: Rehiding, until: datetime) -> Rehiding | None:
        """Apply one step and store the progress and the lease; None: the change is applied or outdated."""

    async def give_back(self, work: Rehiding, now: datetime) -> None:
        """Release the lease, behind the other changes."""


@dataclass(frozen=True, slots=True)
class SetHiddenWords:
    """Change an author's hidden words. Existing comments are hidden or shown in the background."""

    hidden: HiddenWordsRepository
    now: Clock
    changed: Callable[[], None]

    async def __call__(self, author_id: str, words: Sequence[str]) -> tuple[str, ...]:
        """The stored words, without duplicates under normalization."""
        once: dict[str, str] = {}
        for word in words:
            once.setdefault(normalize(word), word)
        kept = tuple(once.values())
        await self.hidden.set_words(author_id, kept, truncate_to_ms(self.now()))
        self.changed()
        return kept


REHIDE_FOR = timedelta(seconds=30)
"""The lease of a replica on a change. Each step renews it."""

REHIDE_STEPS = 20
"""Steps for one author before the next author."""


@dataclass(frozen=True, slots=True)
class ApplyHiddenWords:
    """Applies changed words to the comments on an author's live stories."""

    hidden: HiddenWordsRepository
    now: Clock

    async def __call__(self) -> bool:
        """Apply one author's change for a bounded number of steps; whether there was one."""
        now = self.now()
        work = await self.hidden.claim(now, now + REHIDE_FOR)
        if work is None:
            return False
        for _ in range(REHIDE_STEPS):
            work = await self.hidden.apply_some(work, self.now() + REHIDE_FOR)
            if work is None:
                return True
        await self.hidden.give_back(work, self.now())
        return True
