"""Quotas per author: slots that expire by themselves, so that no counter needs repair after a crash."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stories_ingest.domain.errors import Suspended, TooMany

DAY = timedelta(hours=24)
RESERVATION_TTL = DAY
"""Bounds reservations that a restored backup left behind; every end of processing releases its slot."""


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """Limits per author: drafts, live stories, and stories posted within 24 hours."""

    drafts: int
    live: int
    posted_24h: int


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot of one story (a series has one, by its `series_id`), which counts until `until`."""

    story: str
    until: datetime


Slots = tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Quota:
    """An author's slots, and until when they are suspended (`suspended_at`: since when).

    Only live stories count as posted; a story in processing has a reservation in `held`.
    """

    drafts: Slots = ()
    held: Slots = ()
    live: Slots = ()
    posted: Slots = ()
    suspended_at: datetime | None = None
    suspended_until: datetime | None = None

    def pruned(self, now: datetime) -> "Quota":
        """The quota without expired slots."""
        return replace(
            self,
            drafts=_active(self.drafts, now),
            held=_active(self.held, now),
            live=_active(self.live, now),
            posted=_active(self.posted, now),
        )

    @property
    def slots(self) -> Slots:
        """All slots."""
        return (*self.drafts, *self.held, *self.live, *self.posted)

    def retry_after(self, now: datetime, bounds: QuotaLimits) -> timedelta:
        """How long until one more story may be posted; zero if it may be now."""
        quota = self.pruned(now)
        return max(
            _time_until_below(quota.live + quota.held, bounds.live, now),
            _time_until_below(quota.posted + quota.held, bounds.posted_24h, now),
        )

    def draft(self, story: str, until: datetime, now: datetime, bounds: QuotaLimits) -> "Quota":
        """Add a draft's slot. Raises Suspended, and TooMany when the draft limit or the quota is reached."""
        quota = self.pruned(now)
        quota.require_not_suspended(now)
        if wait := quota.retry_after(now, bounds):
            raise TooMany("quota", wait)
        if wait := _time_until_below(quota.drafts, bounds.drafts, now):
            raise TooMany("drafts", wait)
        return replace(quota, drafts=(*quota.drafts, Slot(story, until)))

    def keep_draft(self, story: str, until: datetime) -> "Quota":
        """Count a scheduled story as a draft until then."""
        quota = self.release(story)
        return replace(quota, drafts=(*quota.drafts, Slot(story, until)))

    def reserve(self, story: str, now: datetime, bounds: QuotaLimits) -> "Quota":
        """Replace a draft's slot by a reservation for processing. Raises Suspended, and TooMany at the quota."""
        quota = self.release(story).pruned(now)
        quota.require_not_suspended(now)
        if wait := quota.retry_after(now, bounds):
            raise TooMany("quota", wait)
        return replace(quota, held=(*quota.held, Slot(story, now + RESERVATION_TTL)))

    def require_not_suspended(self, now: datetime) -> None:
        """Raises Suspended while the author is suspended."""
        if self.suspended_until is not None and self.is_suspended(now):
            raise Suspended(self.suspended_until - now)

    def is_suspended(self, now: datetime) -> bool:
        """Whether the author may not create stories now."""
        return self.suspended_until is not None and self.suspended_until > now

    def suspend(self, at: datetime, until: datetime) -> "Quota":
        """Suspend the author, unless they are suspended for longer."""
        if self.suspended_until is not None and self.suspended_until >= until:
            return self
        return replace(self, suspended_at=at, suspended_until=until)

    def commit(self, story: str, posted_at: datetime, expires_at: datetime) -> "Quota":
        """Count a story that went live until it ends, and as posted for 24 hours."""
        quota = self.release(story).pruned(posted_at)
        return replace(
            quota,
            live=(*quota.live, Slot(story, expires_at)),
            posted=(*quota.posted, Slot(story, posted_at + DAY)),
        )

    def release(self, story: str) -> "Quota":
        """Release every slot of the story except its entry in `posted`."""
        return replace(
            self,
            drafts=_without(self.drafts, story),
            held=_without(self.held, story),
            live=_without(self.live, story),
        )

    def posted_after(self, before: datetime) -> "Quota":
        """The quota after the account was erased: only stories posted and suspensions made after `before` count."""
        quota = replace(self, posted=tuple(slot for slot in self.posted if slot.until - DAY > before))
        if self.suspended_at is not None and self.suspended_at <= before:
            return replace(quota, suspended_at=None, suspended_until=None)
        return quota

    @property
    def empty(self) -> bool:
        """Whether there are no slots and no suspension."""
        return self.suspended_until is None and not self.slots


def _active(slots: Slots, now: datetime) -> Slots:
    return tuple(slot for slot in slots if slot.until > now)


def _without(slots: Slots, story: str) -> Slots:
    return tuple(slot for slot in slots if slot.story != story)


def _time_until_below(slots: Slots, limit: int, now: datetime) -> timedelta:
    """Time until fewer than `limit` of these slots are active."""
    over = len(slots) - limit
    if over < 0:
        return timedelta(0)
    ends = sorted(slot.until for slot in slots)
    return (ends[min(over, len(ends) - 1)] - now) if ends else DAY
