"""Who may create stories: the rollout policy, and its switch that pauses by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.rollout import Pause, Policy, Reason

from stories_ingest.domain.errors import NotInRollout

MIN_JOBS = 5
"""Fewer media jobs than this say nothing about a share of failures."""


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What a user may do; `reason` is why not, of `create` first."""

    create: bool
    view: bool
    reason: Reason | None


@dataclass(slots=True)
class Rollout:
    """The policy in force and whether `create` is paused."""

    policy: Callable[[], Policy]
    paused: bool = False

    def eligibility(self, user_id: str, country: str | None) -> Eligibility:
        """What the user may do now."""
        policy = self.policy()
        against_create = policy.may_create(user_id, country) or ("paused" if self.paused else None)
        against_view = policy.may_view(user_id, country)
        return Eligibility(against_create is None, against_view is None, against_create or against_view)

    def require_create(self, user_id: str, country: str | None) -> None:
        """Raises NotInRollout if the user may not create stories now."""
        eligibility = self.eligibility(user_id, country)
        if not eligibility.create:
            raise NotInRollout(eligibility.reason or "denied")


class Signals(Protocol):
    """What may pause `create`, the same for all replicas."""

    async def media_jobs(self, since: datetime) -> tuple[int, int]:
        """How many media jobs ended since a time, and how many of them failed."""

    async def oldest_overdue(self, now: datetime) -> datetime | None:
        """The earliest end of a live story that has passed but was not handled yet."""

    async def record_cause(self, at: datetime) -> None:
        """Record that there is a cause to pause."""

    async def last_cause(self) -> datetime | None:
        """When there was a cause the last time."""


@dataclass(slots=True)
class WatchPause:
    """Pauses `create` while the policy names a cause, and until that has been away for `for_s`."""

    rollout: Rollout
    signals: Signals
    now: Clock
    causes: tuple[str, ...] = ()

    async def __call__(self) -> None:
        """Look once. Without a pause policy nothing is read."""
        pause, now = self.rollout.policy().pause, truncate_to_ms(self.now())
        if pause.publish_failures is None and pause.expiry_lateness_s is None:
            self.rollout.paused, self.causes = False, ()
            return
        self.causes = await self._causes(pause, now)
        if self.causes:
            await self.signals.record_cause(now)
        last = now if self.causes else await self.signals.last_cause()
        self.rollout.paused = last is not None and now - last < timedelta(seconds=pause.for_s)

    async def _causes(self, pause: Pause, now: datetime) -> tuple[str, ...]:
        causes = []
        if pause.publish_failures is not None:
            ended, failed = await self.signals.media_jobs(now - timedelta(seconds=pause.for_s))
            if ended >= MIN_JOBS and failed / ended >= pause.publish_failures:
                causes.append("publish_failures")
        if pause.expiry_lateness_s is not None:
            overdue = await self.signals.oldest_overdue(now)
            if overdue is not None and (now - overdue).total_seconds() > pause.expiry_lateness_s:
                causes.append("expiry_lateness_s")
        return tuple(causes)
