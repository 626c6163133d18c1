"""Hold a timer for every live story and end each when its time has come.

Timers have no owner. Every replica holds what is due soon, fires what it prefers at once, and looks for whatever is
overdue. Firing is one conditional update in the store, so it does not matter who comes first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.events import StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent

from stories_expiry.domain.timers import Due, LiveReplicas, Timer, TimerWheel

# What the wheel holds: the next minute, and what a refill every LOAD_EVERY may be late by.
AHEAD = timedelta(seconds=75)
LOAD_EVERY = timedelta(seconds=15)
# An arrival may be due before the other replicas read it: who heard of it then fires it itself.
LOCAL_AHEAD = AHEAD + LOAD_EVERY
# A replica is given one second to fire what it prefers; then anyone does.
GRACE = timedelta(seconds=1)

POP_BATCH = 10_000
"""Timers that leave the wheel at a time: naming them holds the event loop up for some hundredths of a second."""
FIRE_BATCH = 1_000
"""Stories ended by one command to the store: large enough to be fast, small enough to answer within its time-out."""
OVERDUE_BATCH = 4_000
"""Overdue timers read at a time: four commands' worth."""
FIRE_LIMIT = 40_000
"""The most that one look for the overdue fires before it lets others run."""


class Timers(Protocol):
    """One timer for every live story."""

    async def arm(self, timers: Sequence[Timer]) -> set[str]:
        """Set or move timers, none of ended stories or older revisions; the ids of those that run now."""
        ...


class DueTimers(Protocol):
    """The timers by when they are due."""

    async def due(self, since: datetime, before: datetime, limit: int) -> list[Due]:
        """Those due from ``since`` on and before ``before``, earliest first."""
        ...


class Firing(DueTimers, Protocol):
    """Ends stories."""

    async def fire(self, story_ids: Sequence[str], now: datetime) -> set[str]:
        """End those whose timers are due by now, each with the mark to say so; the ids that this call ended."""
        ...


class CurrentReplicas(Protocol):
    """Who shares the firing right now."""

    def __call__(self) -> LiveReplicas: ...


class ReplicaRegistry(Protocol):
    """The replicas that show signs of life."""

    async def beat(self, me: str, now: datetime) -> tuple[str, ...]:
        """Show a sign of life and return the names of all that lately did."""
        ...


@dataclass(frozen=True, slots=True)
class Fired:
    """A story that was ended here, and how late, in seconds."""

    story_id: str
    late_s: float


@dataclass(slots=True)
class Heartbeat:
    """Keeps the crew: who else fires. A replica that does not know of another only fires more than its share."""

    registry: ReplicaRegistry
    me: str
    now: Clock
    replicas: LiveReplicas = field(init=False)

    def __post_init__(self) -> None:
        self.replicas = LiveReplicas(self.me, (self.me,))

    async def __call__(self) -> None:
        """Show a sign of life and see who else does."""
        self.replicas = LiveReplicas(self.me, await self.registry.beat(self.me, self.now()))

    def current(self) -> LiveReplicas:
        """The crew as of the last call."""
        return self.replicas


@dataclass(frozen=True, slots=True)
class ArmTimers:
    """A posted story gets its timer. ``woken`` is called when something is due so soon that it is held here."""

    timers: Timers
    wheel: TimerWheel
    now: Clock
    notify: Callable[[], None]

    async def __call__(self, records: Sequence[ReceivedEvent[StoryPosted]]) -> None:
        """Set timers; those due soon, or already over, are held here, too."""
        stories = [record.event for record in records]
        armed = await self.timers.arm([timer_of(story) for story in stories])
        soon = self.now() + LOCAL_AHEAD
        held = [
            self.wheel.add(story.story_id, story.expires_at, local_only=True)
            for story in stories
            if story.story_id in armed and story.expires_at < soon
        ]
        if held:
            self.notify()


def timer_of(story: StoryPosted) -> Timer:
    """The timer that a posted story asks for."""
    return Timer(story.story_id, story.author_id, story.posted_at, story.expires_at, story.revision)


@dataclass(slots=True)
class LoadAhead:
    """Reads the next minute into the wheel. What does not fit is read when there is room, or found overdue."""

    timers: DueTimers
    wheel: TimerWheel
    now: Clock
    loaded_until: datetime | None = None

    async def __call__(self) -> int:
        """Read what has come within reach since the last turn; how many that was."""
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
    """Ends the stories that are due by now and that this replica prefers or alone knows of."""

    timers: Firing
    wheel: TimerWheel
    replicas: CurrentReplicas
    now: Clock

    async def __call__(self) -> list[Fired]:
        """Those ended here, of a bounded part. What a failure leaves unfired is found by the look for the overdue."""
        dues = self.replicas().own_share(self.wheel.pop_due(self.now(), POP_BATCH))
        return await fire(self.timers, dues, self.now)


@dataclass(frozen=True, slots=True)
class FireOverdue:
    """Ends whatever is overdue by a second, one's own share first."""

    timers: Firing
    replicas: CurrentReplicas
    now: Clock

    async def __call__(self) -> list[Fired]:
        """Those ended here, at most ``FIRE_PER_TURN`` and one look more."""
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


async def fire(timers: Firing, dues: Sequence[Due], now: Clock) -> list[Fired]:
    """End the stories, many at a time, and tell how late each was."""
    fired: list[Fired] = []
    for start in range(0, len(dues), FIRE_BATCH):
        part = dues[start : start + FIRE_BATCH]
        at = now()
        ended = await timers.fire([due.story_id for due in part], at)
        fired.extend(Fired(due.story_id, (at - due.at).total_seconds()) for due in part if due.story_id in ended)
    return fired
