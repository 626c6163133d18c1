"""Hidden words: kept per author, applied to comments in the background."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_engagement.domain.hidden_words import contains_hidden_word, normalize

Hides = Callable[[Sequence[str], str], bool]
"""Whether one of the words stands in a text."""


@dataclass(frozen=True, slots=True)
class Rehiding:
    """A change of an author's words, and how far it is applied to the comments under their stories.

    `change` names it, so that whoever applies an older one notices. `story_id` and `comment_id` are the last ones done.
    """

    author_id: str
    change: str
    words: tuple[str, ...]
    story_id: str | None = None
    comment_id: str | None = None


class HiddenWords(Protocol):
    """Keeps which words authors do not want to see under their stories, and hides comments by them."""

    async def words(self, author_id: str) -> tuple[str, ...]: ...

    async def set_words(self, author_id: str, words: Sequence[str], at: datetime) -> None: ...

    async def claim(self, now: datetime, until: datetime) -> Rehiding | None:
        """The change that has waited longest, for this replica alone until then."""
        ...

    async def apply_some(self, work: Rehiding, hides: Hides, until: datetime) -> Rehiding | None:
        """One step of it, kept together with how far it is and until when it is ours; None: nothing is left to do."""
        ...

    async def give_back(self, work: Rehiding, now: datetime) -> None:
        """Let whoever has waited longest come first."""
        ...


@dataclass(frozen=True, slots=True)
class ReadHiddenWords:
    """One's hidden words, as one wrote them."""

    hidden: HiddenWords

    async def __call__(self, author_id: str) -> tuple[str, ...]:
        return await self.hidden.words(author_id)


@dataclass(frozen=True, slots=True)
class SetHiddenWords:
    """Change an author's hidden words; comments that are there already are hidden or shown by them in background."""

    hidden: HiddenWords
    now: Clock
    changed: Callable[[], None]

    async def __call__(self, author_id: str, words: Sequence[str]) -> tuple[str, ...]:
        """The words as they are kept: each once, however it was written."""
        once: dict[str, str] = {}
        for word in words:
            once.setdefault(normalize(word), word)
        kept = tuple(once.values())
        await self.hidden.set_words(author_id, kept, truncate_to_ms(self.now()))
        self.changed()
        return kept


REHIDE_FOR = timedelta(seconds=30)
"""How long a replica that does not go on keeps others from going on. Each step takes it anew."""

REHIDE_STEPS = 20
"""Steps for one author before another one's turn."""


@dataclass(frozen=True, slots=True)
class ApplyHiddenWords:
    """Goes through the comments under an author's live stories after their words have changed."""

    hidden: HiddenWords
    now: Clock

    async def __call__(self) -> bool:
        """Go on with one author's change, for a bounded number of steps; whether there was one."""
        now = self.now()
        work = await self.hidden.claim(now, now + REHIDE_FOR)
        if work is None:
            return False
        for _ in range(REHIDE_STEPS):
            work = await self.hidden.apply_some(work, contains_hidden_word, self.now() + REHIDE_FOR)
            if work is None:
                return True
        await self.hidden.give_back(work, self.now())
        return True
