"""The part of `init` that every service shares: its collections, indexes and topics, and how long it is retried."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_exponential

from stories_shared.errors import failed_dependency
from stories_shared.kafka.topics import init_topics
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.logging import logger
from stories_shared.runtime.settings import Settings
from stories_shared.tls import refused_certificate

log = logger(__name__)

# Servers that start beside it, or elect a leader, take a minute on a loaded machine; Compose never starts `init` again.
RETRY_FOR = timedelta(minutes=3)
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 10.0


async def provision(
    service: str, settings: Settings, ensure: Callable[[Mongo], Awaitable[None]], *, settle: bool = False
) -> None:
    """Create what a service needs in MongoDB and Kafka and does not exist yet. Idempotent.

    Args:
        service: its name.
        settings: its settings.
        ensure: creates its collections and indexes.
        settle: drop the superseded indexes of an earlier release.
    """
    mongo = Mongo.of(settings)
    mongo.drop_superseded = settle
    try:
        await ensure(mongo)
    finally:
        await mongo.close()
    await init_topics(settings, service)


async def retry_while_unavailable(
    init: Callable[[], Awaitable[None]], *, retry_for: timedelta = RETRY_FOR, first_pause_s: float = FIRST_PAUSE_S
) -> None:
    """Run an idempotent `init` until it succeeds; each failed attempt is one log line.

    Args:
        init: the whole of it, run anew at each attempt.
        retry_for: no attempt begins later than this after the first one.
        first_pause_s: seconds after the first failure; doubled after each further one, up to ten seconds.

    Raises:
        Exception: the last error, once the time is over; any other error, at once.
    """
    attempts = AsyncRetrying(
        retry=retry_if_exception(lambda error: failed_dependency(error) is not None and not refused_certificate(error)),
        stop=stop_after_delay(retry_for),
        wait=wait_exponential(first_pause_s, LAST_PAUSE_S),
        after=log_failure,
        reraise=True,
    )
    async for attempt in attempts:
        with attempt:
            await init()


def log_failure(attempt: RetryCallState) -> None:
    """One line for a failed attempt."""
    error = attempt.outcome.exception() if attempt.outcome else None
    log.warning(
        "init_failed",
        attempt=attempt.attempt_number,
        dependency=failed_dependency(error) if error else None,
        error=type(error).__name__,
        reason=str(error),
    )
