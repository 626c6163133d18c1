"""The loops: fire what is due, look for what is overdue, say again what was not answered, count."""

from collections.abc import Callable

from stories_shared.clock import Clock
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.wakeup import Wakeup

from stories_expiry.domain.endings import STORES, Audit, TimerCounts
from stories_expiry.domain.timers import TimerWheel
from stories_expiry.metrics import ExpiryMetrics
from stories_expiry.usecases.endings import ResendUnanswered
from stories_expiry.usecases.receipts import AuditErasure, CountTimers
from stories_expiry.usecases.timers import Fired, FireDue, FireOverdue

# The longest nap of the firing loop: it shows that it is alive at least so often.
MAX_SLEEP_S = 1.0


class FiringLoop:
    """Sleeps until the next held timer is due, fires, and wakes the outbox."""

    def __init__(self, fire: FireDue, wheel: TimerWheel, outbox: Outbox, metrics: ExpiryMetrics, now: Clock) -> None:
        self.fire = fire
        self.wheel = wheel
        self.outbox = outbox
        self.metrics = metrics
        self.now = now
        self._wakeup = Wakeup()

    def wake(self) -> None:
        """Something may be due sooner than it was."""
        self._wakeup.set()

    async def run_once(self) -> bool:
        """Nap until something is due, at most a second, and fire it; there is always a next turn at once."""
        await self._wakeup.wait(self._sleep_s())
        record_fired(await self.fire(), self.outbox, self.metrics)
        return True

    def _sleep_s(self) -> float:
        due = self.wheel.next_at()
        return min(MAX_SLEEP_S, max(0.0, (due - self.now()).total_seconds())) if due else MAX_SLEEP_S


class OverdueSweep:
    """Ends what nobody ended in time, and wakes the outbox."""

    def __init__(self, fire: FireOverdue, outbox: Outbox, metrics: ExpiryMetrics) -> None:
        self.fire = fire
        self.outbox = outbox
        self.metrics = metrics

    async def run_once(self) -> None:
        """One look."""
        record_fired(await self.fire(), self.outbox, self.metrics)


def record_fired(fired: list[Fired], outbox: Outbox, metrics: ExpiryMetrics) -> None:
    """Tell the outbox and the metrics what was fired."""
    if fired:
        outbox.wake()
    for ended in fired:
        metrics.lateness.observe(ended.late_s)


class ResendSweep:
    """Says again what was not answered in time, and sooner once a dependency of everybody's is back.

    Args:
        endings: of stories.
        accounts: of erased users.
        metrics: count both.
        impaired: whether Kafka or MongoDB is away, as far as this replica can tell.
    """

    def __init__(
        self,
        endings: ResendUnanswered,
        accounts: ResendUnanswered,
        metrics: ExpiryMetrics,
        impaired: Callable[[], bool],
    ) -> None:
        self.endings = endings
        self.accounts = accounts
        self.metrics = metrics
        self.impaired = impaired
        # Whoever begins to do this does not know what happened before.
        self._was_impaired = True

    async def run_once(self) -> bool:
        """Mark what is due, of both kinds; true while there is more to make due."""
        if self.impaired():
            self._was_impaired = True
        elif self._was_impaired:
            self._was_impaired = not all([await self.endings.hasten(), await self.accounts.hasten()])
        self.metrics.endings_republished.inc(await self.endings())
        self.metrics.accounts_republished.inc(await self.accounts())
        return self._was_impaired and not self.impaired()


class Gauges:
    """Counts what is in the store for those who watch, on one replica; the others say nothing is there."""

    def __init__(self, timers: CountTimers, audit: AuditErasure, leases: Leases, metrics: ExpiryMetrics) -> None:
        self.timers = timers
        self.audit = audit
        self.leases = leases
        self.metrics = metrics

    async def run_once(self) -> None:
        """Count once, where this replica is the one that does."""
        counts, audit = TimerCounts(0, 0, 0.0), Audit(dict.fromkeys(STORES, 0), dict.fromkeys(STORES, 0.0))
        if await self.leases.acquire("count"):
            counts, audit = await self.timers(), await self.audit()
        self.metrics.timers.set(counts.timers)
        self.metrics.timers_overdue.set(counts.overdue)
        self.metrics.oldest_overdue.set(counts.oldest_overdue_s)
        for store, number in audit.open.items():
            self.metrics.receipts_open.labels(store).set(number)
            self.metrics.oldest_receipt.labels(store).set(audit.oldest_s[store])
