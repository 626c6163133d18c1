"""People: blocks between them, what they want of privacy, and forgetting them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import UserBlocked, UserDataErased, UserErased, UserUnblocked
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, receipt_id_of

from stories_engagement.domain.access_state import BlockState
from stories_engagement.domain.hidden_words import contains_hidden_word, normalize


class Blocks(Protocol):
    """Keeps the newest word about each block."""

    async def put(self, user_id: str, target_id: str, edge: BlockState) -> None: ...


def edge_of(fact: ReceivedEvent[UserBlocked] | ReceivedEvent[UserUnblocked]) -> BlockState:
    """The block as it counts: an outsider's time ahead of the log's is the log's (docs/events.md)."""
    return BlockState(on=isinstance(fact.event, UserBlocked), at=clamp_to_append_time(fact, fact.event.at))


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """Keep a block or its lifting, unless a newer word is kept."""

    blocks: Blocks

    async def __call__(self, fact: ReceivedEvent[UserBlocked] | ReceivedEvent[UserUnblocked]) -> None:
        await self.blocks.put(fact.event.user_id, fact.event.target_id, edge_of(fact))


Hides = Callable[[Sequence[str], str], bool]
"""Whether one of the words stands in a text."""


class People(Protocol):
    """Keeps marks of erased people and takes away what was theirs."""

    async def mark_erased(self, user_id: str, at: datetime, again_at: datetime) -> datetime: ...

    async def forget(self, user_id: str, until: datetime) -> None: ...

    async def to_look_at_again(self, now: datetime, limit: int) -> Sequence[tuple[str, datetime]]: ...

    async def looked_again(self, user_id: str, at: datetime) -> None: ...


class DataErasures(Protocol):
    """Says that a user is forgotten here."""

    async def say_data_erased(self, event: UserDataErased) -> None: ...


def erased_until(fact: ReceivedEvent[UserErased]) -> datetime:
    """Up to when everything of the user is nobody's; an outsider's time ahead of the log's is the log's."""
    return clamp_to_append_time(fact, fact.event.at)


RECHECK_AFTER = timedelta(seconds=65)
"""Longer than any transaction or request that began before the mark can live (MongoDB ends transactions at 60 s)."""

AT_ONCE = 100
"""People per turn of the second look."""


@dataclass(frozen=True, slots=True)
class EraseUser:
    """Forget a user's views, comments, reactions, shares and settings up to a time, and say so, every time.

    What a user did with live stories leaves the counts with it, so that a count stays equal to its list.
    """

    people: People
    erasures: DataErasures
    now: Clock

    async def __call__(self, fact: ReceivedEvent[UserErased]) -> None:
        event, at = fact.event, erased_until(fact)
        until = await self.people.mark_erased(event.user_id, at, self.now() + RECHECK_AFTER)
        await self.people.forget(event.user_id, until)
        receipt_id = receipt_id_of(fact)
        await self.erasures.say_data_erased(
            UserDataErased(
                receipt_id=receipt_id, user_id=event.user_id, service="engagement", erased_at=truncate_to_ms(self.now())
            )
        )

    async def look_again(self) -> int:
        """Forget what was being written while users were erased; returns how many users were looked at."""
        waiting = await self.people.to_look_at_again(self.now(), AT_ONCE)
        for user_id, at in waiting:
            await self.people.forget(user_id, at)
            await self.people.looked_again(user_id, at)
        return len(waiting)


class Privacy(Protocol):
    """Keeps whether people's views are listed."""

    async def listed(self, user_id: str) -> bool: ...

    async def set_listed(self, user_id: str, listed: bool, at: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class ReadPrivacy:
    """Whether one's views are listed from now on."""

    privacy: Privacy

    async def __call__(self, user_id: str) -> bool:
        return await self.privacy.listed(user_id)


class Unlisting(Protocol):
    """Takes people off the lists they are on."""

    async def unlist(self, user_id: str, until: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class SetPrivacy:
    """Turn one's view history on or off. Off unlists at once, from every live story and for good."""

    privacy: Privacy
    unlisting: Unlisting
    now: Clock

    async def __call__(self, user_id: str, listed: bool) -> None:
        now = truncate_to_ms(self.now())
        await self.privacy.set_listed(user_id, listed, now)
        if not listed:
            await self.unlisting.unlist(user_id, now)


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
