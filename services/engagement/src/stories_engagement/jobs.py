"""Loops: the ear that keeps this replica's standing, and sweeps that finish what was interrupted."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from stories_shared.clock import Clock
from stories_shared.cloudevents import Fact, Forgotten
from stories_shared.events import StoryDeleted, StoryExpired, StoryPosted, UserBlocked, UserErased, UserUnblocked
from stories_shared.kafka import Kafka
from stories_shared.outsiders import may_delete
from stories_shared.tailing import Tail, committed_offsets

from stories_engagement.domain.standing import REMEMBER_ENDED, Edge, Known, Standing
from stories_engagement.usecases.people import edge_of, erased_until
from stories_engagement.usecases.stories import known_of

HEARD = (StoryPosted, StoryDeleted, StoryExpired, UserBlocked, UserUnblocked, UserErased)
"""What decides whether a ticket is good."""


class Standings(Protocol):
    """What the store knows to stand."""

    @property
    def stories(self) -> Iterable[tuple[str, Known]]: ...

    @property
    def ended(self) -> Iterable[tuple[str, datetime]]: ...

    @property
    def erased(self) -> Iterable[tuple[str, datetime]]: ...

    @property
    def blocks(self) -> Iterable[tuple[str, str, Edge]]: ...


class Ear:
    """Reads endings, blocks and access revisions on every replica, into its standing."""

    def __init__(
        self,
        kafka: Kafka,
        standing: Standing,
        snapshot: Callable[[timedelta], Awaitable[Standings]],
        stale_after: timedelta,
        now: Clock,
    ) -> None:
        self._kafka = kafka
        self._standing = standing
        self._snapshot = snapshot
        self._now = now
        self.tail = Tail(kafka, HEARD, self.hear, "engagement-standing", stale_after.total_seconds(), self.start)

    def lost(self, story_id: str, *user_ids: str) -> bool:
        """Whether something about this story or these people may have been said unheard."""
        return self.tail.any_stale() and any(self.tail.stale(key) for key in (story_id, *user_ids))

    def hear(self, fact: Fact[Any] | Forgotten) -> None:
        """Take one fact in. Topics come in any order: endings are for good, the rest has revisions or times."""
        if isinstance(fact, Forgotten):
            return
        event = fact.event
        if isinstance(event, StoryPosted):
            self._standing.post(event.story_id, known_of(event))
        elif isinstance(event, StoryDeleted):
            if may_delete(fact):
                self._standing.end(event.story_id, self._now())
        elif isinstance(event, StoryExpired):
            if event.expires_at <= self._now():
                self._standing.end(event.story_id, self._now())
        elif isinstance(event, UserErased):
            self._standing.erase(event.user_id, erased_until(fact))
        else:
            self._standing.block(event.user_id, event.target_id, edge_of(fact))

    async def start(self) -> Mapping[tuple[str, int], int]:
        """First where the groups stand, then what they have stored by then at least; the log goes on from there."""
        offsets = await committed_offsets(self._kafka, {f"engagement.{event.topic}": event.topic for event in HEARD})
        snapshot = await self._snapshot(REMEMBER_ENDED)
        for story_id, heard_at in snapshot.ended:
            self._standing.end(story_id, heard_at)
        for story_id, known in snapshot.stories:
            self._standing.post(story_id, known)
        for user_id, until in snapshot.erased:
            self._standing.erase(user_id, until)
        for user_id, target_id, edge in snapshot.blocks:
            self._standing.block(user_id, target_id, edge)
        return offsets


class Orphans(Protocol):
    """Finds what was viewed and never posted."""

    async def unheard(self, before: datetime, limit: int) -> list[str]: ...

    async def end(self, story_id: str, how: str, at: datetime) -> None: ...

    async def erase(self, story_id: str) -> None: ...


AT_ONCE = 100
"""Stories per turn of a sweep."""


class ForgetUnheard:
    """Takes away views of stories that nobody ever posted: telemetry can name any id."""

    def __init__(self, stories: Orphans, after: timedelta, now: Clock) -> None:
        self._stories = stories
        self._after = after
        self._now = now

    async def __call__(self) -> bool:
        """One turn; true while there may be more."""
        now = self._now()
        found = await self._stories.unheard(now - self._after, AT_ONCE)
        for story_id in found:
            await self._stories.end(story_id, "unheard", now)
            await self._stories.erase(story_id)
        return len(found) == AT_ONCE
