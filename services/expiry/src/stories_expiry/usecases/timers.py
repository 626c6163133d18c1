"""One timer for every live story; firing it ends the story.

Timers have no owner. Every replica loads what is due soon, fires its own share at once, and sweeps for overdue timers.
Firing is one conditional update, so it does not matter which replica comes first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stories_shared.clock import Clock
from stories_shared.events import StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent

from stories_expiry.domain.timers import Due, LiveReplicas, Timer, TimerWheel
from stories_expiry.usecases.ports import StoryRepository

# The wheel contains the next minute, and a margin for a late refill every LOAD_EVERY.
AHEAD = timedelta(seconds=75)
LOAD_EVERY = timedelta(seconds=15)
# A new timer may be due before other replicas load it: the consuming replica then fires it itself.
LOCAL_AHEAD = AHEAD + LOAD_EVERY
# A replica has one second to fire its share; then any replica does.
GRACE = timedelta(seconds=1)

POP_BATCH = 10_000
"""Timers popped at a time: decoding them blocks the event loop for some hundredths of a second."""
FIRE_BATCH = 1_000
"""Stories ended by one command: large enough to be fast, small enough for its timeout."""
FIRED_AT_ONCE = 2
"""Commands under way: MongoDB carries out two of them faster than one after the other."""
OVERDUE_BATCH = 4_000
"""Overdue timers read at a time: four commands."""
FIRE_LIMIT = 40_000
"""The most that one iteration of the overdue sweep fires."""


@dataclass(frozen=True, slots=True)
class Fired:
    """A story ended by this replica, and its lateness in seconds."""

    story_id: str
    late_s: float


@dataclass(slots=True)
class Heartbeat:
    """Sends heartbeats and tracks live replicas. A replica that misses another one only fires more than its share.

    `heartbeat` records one of this replica and returns the names of all replicas with a recent one.
    """

    heartbeat: Callable[[str, datetime], Awaitable[tuple[str, ...]]]
    me: str
    now: Clock
    replicas: LiveReplicas = field(init=False)

    def __post_init__(self) -> None:
        self.replicas = LiveReplicas(self.me, (self.me,))

    async def __call__(self) -> None:
        """Send a heartbeat and update the live replicas."""
        self.replicas = LiveReplicas(self.me, await self.heartbeat(self.me, self.now()))

    def current(self) -> LiveReplicas:
        """The live replicas as of the last call."""
        return self.replicas


@dataclass(frozen=True, slots=True)
class ArmTimers:
    """Set timers of posted stories. `notify` is called when one is due soon and was added to the wheel."""

    timers: StoryRepository
    wheel: TimerWheel
    now: Clock
    notify: Callable[[], None]

    async def __call__(self, records: Sequence[ReceivedEvent[StoryPosted]]) -> None:
        """Set timers; add those due soon, or overdue, to the wheel."""
        stories = [record.event for record in records]
        armed = await self.timers.arm([timer_of(story) for story in stories])
        soon = self.now() + LOCAL_AHEAD
        added = [
            self.wheel.add(story.story_id, story.expires_at, local_only=True)
            for story in stories
            if story.story_id in armed and story.expires_at < soon
        ]
        if added:
            self.notify()


def timer_of(story: StoryPosted) -> Timer:
    """The timer of a posted story."""
    return Timer(story.story_id, story.author_id, story.posted_at, story.expires_at, story.revision)


@dataclass(slots=True)
class LoadAhead:
    """Loads the next minute into the wheel. What does not fit is loaded later, or fired by the overdue sweep."""

    timers: StoryRepository
    wheel: TimerWheel
    now: Clock
    loaded_until: datetime | None = None

    async def __call__(self) -> int:
        """Load timers that are due soon and not loaded yet; how many."""
        now = self.now()
        since = max(self.loaded_until or now - GRACE, now - GRACE)
        until = now + AHEAD
        room = self.wheel.capacity - len(self.wheel)
        if room <= 0 or since >= until:
            return 0
        dues = await self.timers.due(since, until, room)
        for due in dues:
            self.wheel.add(due.story_id, due.at, local_only=False)
        self.loaded_until = dues[-1].at if len(dues) == room else until
        return len(dues)


@dataclass(frozen=True, slots=True)
class FireDue:
    """Ends due stories of this replica's share, and local ones."""

    timers: StoryRepository
    wheel: TimerWheel
    replicas: Callable[[], LiveReplicas]
    now: Clock

    async def __call__(self) -> list[Fired]:
        """Fire a bounded number; those ended here. The overdue sweep fires what a failure leaves."""
        dues = self.replicas().own_share(self.wheel.pop_due(self.now(), POP_BATCH))
        return await fire(self.timers, dues, self.now)


@dataclass(frozen=True, slots=True)
class FireOverdue:
    """Ends stories that are overdue by a second, the own share first."""

    timers: StoryRepository
    replicas: Callable[[], LiveReplicas]
    now: Clock

    async def __call__(self) -> list[Fired]:
        """Those ended here, at most `FIRE_LIMIT` and one batch more."""
        fired: list[Fired] = []
        since = self.now() - timedelta(days=36_500)
        while len(fired) < FIRE_LIMIT:
            overdue = await self.timers.due(since, self.now() - GRACE, OVERDUE_BATCH)
            if not overdue:
                break
            ended = await fire(self.timers, self.replicas().own_share(overdue) or overdue, self.now)
            fired.extend(ended)
            if not ended and len(overdue) < OVERDUE_BATCH:
                break
        return fired


async def fire(timers: StoryRepository, dues: Sequence[Due], now: Clock) -> list[Fired]:
    """End the stories in batches; those ended here and their lateness."""
    parts = [dues[start : start + FIRE_BATCH] for start in range(0, len(dues), FIRE_BATCH)]
    fired: list[Fired] = []
    for start in range(0, len(parts), FIRED_AT_ONCE):
        outcomes = await asyncio.gather(
            *(fire_part(timers, part, now()) for part in parts[start : start + FIRED_AT_ONCE]), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            fired += outcome
    return fired


async def fire_part(timers: StoryRepository, dues: Sequence[Due], at: datetime) -> list[Fired]:
    """End stories by one command; those ended here and their lateness."""
    ended = await timers.fire([due.story_id for due in dues], at)
    return [Fired(due.story_id, (at - due.at).total_seconds()) for due in dues if due.story_id in ended]
