"""Stories: stored while they are live, ended once, then erased."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from stories_shared.clock import Clock
from stories_shared.concurrency import gather_limited
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired, StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import is_authorized_deletion
from stories_shared.events.ids import is_id
from stories_shared.events.layers import PollLayer, PromoCodeLayer, QuestionLayer, QuizLayer, layer_of
from stories_shared.events.outgoing import OutgoingEvent

from stories_engagement.domain.access_state import LiveStory
from stories_engagement.domain.answers import AnswerableKind, AnswerableLayer

MAX_CLOCK_SKEW = timedelta(minutes=1)
"""An expiry further in the future than the clock skew we tolerate is rejected."""

WAIT_FOR_CLOCK = timedelta(seconds=5)
"""How long a batch waits for the local clock to reach an expiry; clocks of ready replicas differ by less."""

STEPS_AT_ONCE = 3
"""Steps of an erasure done within the handler. A larger story is erased in the background, so that the endings of
others do not wait for it."""

ERASE_STEPS = 10
"""Steps of an iteration in the background."""

ERASE_FOR = timedelta(seconds=30)
"""The lease of a replica on an erasure. Each iteration renews it."""

SWEEP_BATCH = 100
"""Stories that an iteration of `DeleteOrphanViews` ends."""


class StoryRepository(Protocol):
    """Stores live stories, ended marks and the rows that belong to a story."""

    async def put(self, story: StoryPosted) -> None: ...

    async def end(self, story_ids: Collection[str], how: str) -> None: ...

    async def erase_small(self, story_ids: Collection[str]) -> set[str]:
        """Delete the rows of the stories that have few; the ids of the others."""

    async def erase(self, story_id: str, steps: int) -> bool:
        """Delete the rows of the story in at most `steps` steps; whether none is left."""

    async def erase_later(self, story_id: str, now: datetime) -> None:
        """Leave the rest of an erasure to the background task."""

    async def claim_erasure(self, now: datetime, until: datetime) -> str | None:
        """Lease the oldest pending erasure until `until`."""

    async def erased(self, story_id: str) -> None:
        """Mark the erasure as complete."""

    async def find_orphans(self, before: datetime, limit: int) -> list[str]:
        """Stories that were viewed before a time and never posted."""

    def live(self) -> AsyncIterator[tuple[str, LiveStory]]:
        """All live stories by id."""

    def ended_since(self, since: datetime) -> AsyncIterator[tuple[str, datetime]]:
        """The ids of ended stories, and when this service received each ending."""


ANSWERABLE: Mapping[type, AnswerableKind] = {
    PollLayer: "poll",
    QuizLayer: "quiz",
    QuestionLayer: "question",
    PromoCodeLayer: "promo_code",
}
"""The layers that viewers can answer."""


def answerable_layers(layers: Iterable[Mapping[str, Any]]) -> tuple[AnswerableLayer, ...]:
    """The layers that viewers can answer."""
    return tuple(
        AnswerableLayer(
            layer.id,
            ANSWERABLE[type(layer)],
            len(layer.options) if isinstance(layer, PollLayer | QuizLayer) else 0,
            layer.correct if isinstance(layer, QuizLayer) else None,
        )
        for layer in map(layer_of, layers)
        if layer is not None and type(layer) in ANSWERABLE and isinstance(layer.id, str) and is_id(layer.id)
    )


def live_story_of(story: StoryPosted) -> LiveStory:
    """The part of a posted story that access checks need."""
    return LiveStory(
        author_id=story.author_id,
        expires_at=story.expires_at,
        revision=story.revision,
        access_revision=story.access_revision,
        comments=story.comments,
        reactions=story.reactions,
        sharing=story.sharing,
        view_list=story.view_list,
        layers=answerable_layers(story.layers),
    )


@dataclass(frozen=True, slots=True)
class StoreStories:
    """Store the highest revision of each story, unless the story has ended."""

    stories: StoryRepository

    async def __call__(self, records: Sequence[ReceivedEvent[StoryPosted]]) -> None:
        newest: dict[str, StoryPosted] = {}
        for record in records:
            existing = newest.get(record.event.story_id)
            if existing is None or existing.revision < record.event.revision:
                newest[record.event.story_id] = record.event
        await gather_limited(self.stories.put, newest.values())


@dataclass(frozen=True, slots=True)
class EndStories:
    """End stories, erase their rows, and publish `story-erased` every time, for unknown stories too."""

    stories: StoryRepository
    publish_all: Callable[[Iterable[OutgoingEvent]], Awaitable[None]]
    now: Clock
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def expired(self, records: Sequence[ReceivedEvent[StoryExpired]]) -> None:
        """End expired stories, but none before its expiry by the local clock; those that have expired come first.

        Raises:
            Unavailable: an expiry lies further ahead than `WAIT_FOR_CLOCK`.
            InvalidMessage: an expiry lies further ahead than `MAX_CLOCK_SKEW`.
        """
        now, expires = self.now(), {record.event.story_id: record.event.expires_at for record in records}
        last = max(expires.values())
        if last - now > MAX_CLOCK_SKEW:
            raise InvalidMessage(f"expires only at {last}")
        early = {story_id for story_id, at in expires.items() if at > now}
        await self._end(expires.keys() - early, "expired")
        if early:
            await self._until(last)
            await self._end(early, "expired")

    async def deleted(self, records: Sequence[ReceivedEvent[StoryDeleted]]) -> None:
        """End deleted stories. External producers may delete as admins only (docs/events.md).

        Raises `InvalidMessage` for any other external deletion.
        """
        for record in records:
            if not is_authorized_deletion(record):
                raise InvalidMessage(f"external deletion by {record.event.by}")
        await self._end({record.event.story_id for record in records}, "deleted")

    async def continue_erasing(self) -> bool:
        """Continue a pending erasure for a bounded number of steps; whether there was one."""
        now = self.now()
        story_id = await self.stories.claim_erasure(now, now + ERASE_FOR)
        if story_id is None:
            return False
        if await self.stories.erase(story_id, ERASE_STEPS):
            await self._publish_erased([story_id])
            await self.stories.erased(story_id)
        else:
            await self.stories.erase_later(story_id, self.now())
        return True

    async def _until(self, at: datetime) -> None:
        ahead = at - self.now()
        if ahead > WAIT_FOR_CLOCK:
            raise Unavailable("clock", f"a story lives for another {ahead.total_seconds():.3f} s")
        while (ahead := at - self.now()) > timedelta(0):
            await self.sleep(ahead.total_seconds())

    async def _end(self, story_ids: Set[str], how: Literal["expired", "deleted"]) -> None:
        """End stories, and erase those with many rows after the others."""
        if not story_ids:
            return
        await self.stories.end(story_ids, how)
        large = await self.stories.erase_small(story_ids)
        await self._publish_erased(story_ids - large)
        await gather_limited(self._erase_large, large)

    async def _erase_large(self, story_id: str) -> None:
        if await self.stories.erase(story_id, STEPS_AT_ONCE):
            await self._publish_erased([story_id])
        else:
            await self.stories.erase_later(story_id, self.now())

    async def _publish_erased(self, story_ids: Iterable[str]) -> None:
        at = self.now()
        erased = [StoryErased(story_id=story_id, store="engagement", erased_at=at) for story_id in story_ids]
        await self.publish_all(OutgoingEvent(event) for event in erased)


@dataclass(frozen=True, slots=True)
class DeleteOrphanViews:
    """Delete the views of stories that were not posted `after` their first view: telemetry can name any id."""

    stories: StoryRepository
    after: timedelta
    now: Clock

    async def __call__(self) -> bool:
        """One iteration; true while there may be more."""
        now = self.now()
        found = await self.stories.find_orphans(now - self.after, SWEEP_BATCH)
        if found:
            await self.stories.end(found, "orphaned")
        for story_id in found:
            await self.stories.erase_later(story_id, now)
        return len(found) == SWEEP_BATCH
