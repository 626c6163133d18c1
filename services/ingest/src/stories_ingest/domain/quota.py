"""How much an author may have: slots that lapse by time, so that nothing has to be counted back after a crash."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stories_ingest.domain.errors import TooMany

DAY = timedelta(hours=24)
RESERVATION_TTL = DAY
"""Every way out of processing gives the held slot back; this bounds what a restored backup may leave behind."""


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """What one author may have at a time: drafts, live stories, and stories posted within 24 hours."""

    drafts: int
    live: int
    posted_24h: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One story's place (a series takes one, by its `series_id`), counting until it lapses."""

    story: str
    until: datetime


Slots = tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Quota:
    """An author's slots. Only what went live counts as posted; what is being processed holds a place meanwhile."""

    drafts: Slots = ()
    held: Slots = ()
    live: Slots = ()
    posted: Slots = ()

    def pruned(self, now: datetime) -> "Quota":
        """The same quota without what has lapsed."""
        kept = {name: _active(slots, now) for name, slots in self.by_kind()}
        return Quota(**kept)

    def by_kind(self) -> tuple[tuple[str, Slots], ...]:
        """Each kind of slot with its name, for storing."""
        return (("drafts", self.drafts), ("held", self.held), ("live", self.live), ("posted", self.posted))

    def retry_after(self, now: datetime, bounds: QuotaLimits) -> timedelta:
        """How long until one more story could be posted; zero when it can be now."""
        quota = self.pruned(now)
        return max(
            _time_until_below(quota.live + quota.held, bounds.live, now),
            _time_until_below(quota.posted + quota.held, bounds.posted_24h, now),
        )

    def draft(self, story: str, until: datetime, now: datetime, bounds: QuotaLimits) -> "Quota":
        """Take a place for a new draft. Raises TooMany for the tenth-and-one draft or an exhausted quota."""
        quota = self.pruned(now)
        if wait := quota.retry_after(now, bounds):
            raise TooMany("quota", wait)
        if wait := _time_until_below(quota.drafts, bounds.drafts, now):
            raise TooMany("drafts", wait)
        return replace(quota, drafts=(*quota.drafts, Slot(story, until)))

    def reserve(self, story: str, now: datetime, bounds: QuotaLimits) -> "Quota":
        """Turn a draft's place into that of a story being processed. Raises TooMany when the quota is exhausted."""
        quota = self.release(story).pruned(now)
        if wait := quota.retry_after(now, bounds):
            raise TooMany("quota", wait)
        return replace(quota, held=(*quota.held, Slot(story, now + RESERVATION_TTL)))

    def commit(self, story: str, posted_at: datetime, expires_at: datetime) -> "Quota":
        """The story went live: it counts until it ends, and as posted for 24 hours."""
        quota = self.release(story).pruned(posted_at)
        return replace(
            quota,
            live=(*quota.live, Slot(story, expires_at)),
            posted=(*quota.posted, Slot(story, posted_at + DAY)),
        )

    def release(self, story: str) -> "Quota":
        """Give back whatever place the story has, but that it was posted."""
        return replace(
            self,
            drafts=_without(self.drafts, story),
            held=_without(self.held, story),
            live=_without(self.live, story),
        )

    def forget(self, before: datetime) -> "Quota":
        """The quota of the new, empty user that an erased account leaves: only what was posted later counts."""
        return replace(self, posted=tuple(slot for slot in self.posted if slot.until - DAY > before))

    @property
    def empty(self) -> bool:
        """Whether nothing is left that is worth storing."""
        return not any(slots for _, slots in self.by_kind())


def _active(slots: Slots, now: datetime) -> Slots:
    return tuple(slot for slot in slots if slot.until > now)


def _without(slots: Slots, story: str) -> Slots:
    return tuple(slot for slot in slots if slot.story != story)


def _time_until_below(slots: Slots, limit: int, now: datetime) -> timedelta:
    """Until fewer than `most` of these slots stand."""
    over = len(slots) - limit
    if over < 0:
        return timedelta(0)
    ends = sorted(slot.until for slot in slots)
    return (ends[min(over, len(ends) - 1)] - now) if ends else DAY
