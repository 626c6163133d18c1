"""Lifetimes of media URLs and tickets: at most the story's, and shorter for restricted audiences."""

from dataclasses import dataclass
from datetime import datetime, timedelta

URL_TTL = timedelta(minutes=15)
MIN_REMAINING = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TtlPolicy:
    """The maximum lifetimes of tickets and URLs."""

    ticket: timedelta
    restricted: timedelta
    """Of URLs and tickets of stories whose audience is not everyone."""
    url: timedelta = URL_TTL

    def url_ttl(self, audience: str) -> timedelta:
        """The maximum lifetime of a URL of a story with this audience."""
        return self.url if audience == "everyone" else min(self.url, self.restricted)

    def ticket_ttl(self, audience: str) -> timedelta:
        """The maximum lifetime of a ticket of a story with this audience."""
        return self.ticket if audience == "everyone" else min(self.ticket, self.restricted)

    def cache_window(self, audiences: set[str], now: datetime) -> int:
        """The number of the current cache window, which is half of the shortest URL lifetime for these audiences."""
        ttl = min((self.url_ttl(audience) for audience in audiences), default=self.url)
        return int(now.timestamp() / (ttl.total_seconds() / 2))


def has_time_left(expires_at: datetime, now: datetime) -> bool:
    """Whether at least a second is left: URL lifetimes are whole seconds."""
    return expires_at - now >= MIN_REMAINING
