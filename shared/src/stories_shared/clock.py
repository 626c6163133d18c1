"""Time as an argument. The system clock is read only here."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

Clock = Callable[[], datetime]
"""Returns the current time: aware, UTC."""


def system_now() -> datetime:
    """The system time, aware, UTC."""
    return datetime.now(UTC)


def truncate_to_ms(at: datetime) -> datetime:
    """The time truncated to milliseconds, the precision of MongoDB and HTTP."""
    more = at.microsecond % 1000
    return at.replace(microsecond=at.microsecond - more) if more else at


@lru_cache(maxsize=16_384)
def rfc3339(at: datetime) -> str:
    """The time as RFC 3339, UTC, with milliseconds and ``Z``: ``2026-11-22T00:00:00.123Z``."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def epoch_ms(at: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return (at - EPOCH) // MILLISECOND


def from_epoch_ms(value: int) -> datetime:
    """The aware UTC time of milliseconds since 1970-01-01 UTC."""
    return EPOCH + value * MILLISECOND
