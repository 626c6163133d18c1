"""Background tasks: fire due timers, fire overdue ones, republish unconfirmed events, update gauges."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stories_shared.clock import Clock
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.wakeup import Wakeup

from stories_expiry.domain.endings import STORES, Audit, TimerCounts
from stories_expiry.domain.timers import TimerWheel
from stories_expiry.metrics import ExpiryMetrics
from stories_expiry.usecases.endings import ResendUnconfirmed
from stories_expiry.usecases.ports import StoryRepository
from stories_expiry.usecases.timers import Fired, FireDue, FireOverdue

# The longest sleep of the firing loop, so that its heartbeat is at least so frequent.
MAX_SLEEP_S = 1.0


@dataclass(frozen=True, slots=True)
class FiringLoop:
    """Sleeps until the next timer in memory is due, fires it, and wakes the outbox."""

    fire: FireDue
    wheel: TimerWheel
    outbox: Outbox
    metrics: ExpiryMetrics
    now: Clock
    _wakeup: Wakeup = field(default_factory=Wakeup)

    def wake(self) -> None:
        """Recompute the next due time."""
        self._wakeup.set()

    async def __call__(self) -> bool:
        """Sleep until a timer is due, at most a second, and fire what is due. Always true: run again at once."""
        await self._wakeup.wait(self._sleep_s())
        record_fired(await self.fire(), self.outbox, self.metrics)
        return True

    def _sleep_s(self) -> float:
        due = self.wheel.next_at()
        return min(MAX_SLEEP_S, max(0.0, (due - self.now()).total_seconds())) if due else MAX_SLEEP_S


@dataclass(frozen=True, slots=True)
class OverdueSweep:
    """Fires timers that no replica fired in time, and wakes the outbox."""

    fire: FireOverdue
    outbox: Outbox
    metrics: ExpiryMetrics

    async def __call__(self) -> None:
        """One iteration."""
        record_fired(await self.fire(), self.outbox, self.metrics)


def record_fired(fired: list[Fired], outbox: Outbox, metrics: ExpiryMetrics) -> None:
    """Wake the outbox and observe the lateness."""
    if fired:
        outbox.wake()
    for ended in fired:
        metrics.lateness.observe(ended.late_s)


@dataclass(slots=True)
class ResendSweep:
    """Republishes events that were not confirmed in time; at once when a shared dependency has recovered."""

    endings: ResendUnconfirmed
    accounts: ResendUnconfirmed
    metrics: ExpiryMetrics
    impaired: Callable[[], bool]
    """Whether Kafka or MongoDB is down, as seen by this replica."""
    _was_impaired: bool = True
    """At first true: a new lease holder does not know about earlier outages."""

    async def __call__(self) -> bool:
        """Mark due documents of both kinds; true while a recovery still has more to make due."""
        if self.impaired():
            self._was_impaired = True
        elif self._was_impaired:
            self._was_impaired = not all([await self.endings.hasten(), await self.accounts.hasten()])
        self.metrics.endings_republished.inc(await self.endings())
        self.metrics.accounts_republished.inc(await self.accounts())
        return self._was_impaired and not self.impaired()


@dataclass(frozen=True, slots=True)
class Gauges:
    """Sets gauges from counts in MongoDB, on one replica; the others set zero."""

    stories: StoryRepository
    leases: Leases
    metrics: ExpiryMetrics
    now: Clock

    async def __call__(self) -> None:
        """Count once, if this replica holds the lease."""
        counts, audit = TimerCounts(0, 0, 0.0), Audit(dict.fromkeys(STORES, 0), dict.fromkeys(STORES, 0.0))
        if await self.leases.acquire("count"):
            now = self.now()
            counts, audit = await self.stories.count_timers(now), await self.stories.audit(now)
        self.metrics.timers.set(counts.timers)
        self.metrics.timers_overdue.set(counts.overdue)
        self.metrics.oldest_overdue.set(counts.oldest_overdue_s)
        for store, number in audit.open.items():
            self.metrics.receipts_open.labels(store).set(number)
            self.metrics.oldest_receipt.labels(store).set(audit.oldest_s[store])
