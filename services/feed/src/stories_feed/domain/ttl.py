"""How long media URLs and tickets live: never longer than the story, and shorter where fewer may see it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

URL_TTL = timedelta(minutes=15)
MIN_REMAINING = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TtlPolicy:
    """The longest lives of what is handed out.

    Args:
        ticket: of a ticket.
        restricted: of URLs and tickets of stories that not everyone may see.
        url: of a URL.
    """

    ticket: timedelta
    restricted: timedelta
    url: timedelta = URL_TTL

    def url_ttl(self, audience: str) -> timedelta:
        """The longest life of a URL of such a story."""
        return self.url if audience == "everyone" else min(self.url, self.restricted)

    def ticket_end(self, audience: str, expires_at: datetime, now: datetime) -> datetime:
        """When a ticket made now ends."""
        life = self.ticket if audience == "everyone" else min(self.ticket, self.restricted)
        return min(now + life, expires_at)

    def window(self, audiences: set[str], now: datetime) -> int:
        """The number of the window of time of an answer with such stories: half of the shortest life of its URLs."""
        ttl = min((self.url_ttl(audience) for audience in audiences), default=self.url)
        return int(now.timestamp() / (ttl.total_seconds() / 2))


def has_time_left(expires_at: datetime, now: datetime) -> bool:
    """Whether there is time enough left to hand a story out: a URL lives for whole seconds."""
    return expires_at - now >= MIN_REMAINING
