"""For tests only: waiting with a deadline, a clock that is set by hand, and consumers without a whole service."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from faststream.kafka import KafkaBroker, KafkaRouter

from stories_shared.clock import system_now
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.kafka.subscriber import ConsumerContext
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry

SCHEDULED = Path("/proc")


async def eventually(
    condition: Callable[[], Any | Awaitable[Any]],
    within_s: float = 15.0,
    every_s: float = 0.02,
    accept: Callable[[Any], object] = bool,
) -> Any:
    """Poll until the condition gives something that is accepted (true, by default) and return that.

    Raises:
        AssertionError: it never did; an assertion that failed inside the condition is shown.
    """
    deadline = time.monotonic() + within_s
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if inspect.isawaitable(last):
                last = await last
            if accept(last):
                return last
        except AssertionError as error:
            last = error
        await asyncio.sleep(every_s)
    raise AssertionError(f"not within {within_s} s; last: {last!r}")


def wait_until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    """Poll until the condition is true, where no event loop runs.

    Raises:
        TimeoutError: it never was; names what was waited for.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.02)


class Stopwatch:
    """Seconds since it was made, without those in which who is timed could have run and the machine did not let it.

    What it waits for, a timer or another's answer, and what it computes counts; on a machine that has a processor for
    it, that is all there is. Where the system does not tell, all seconds count.

    Args:
        pids: further processes on the way. What counts is how long the main thread was held up that was so longest.
    """

    def __init__(self, *pids: int) -> None:
        everyone = ("thread-self", *map(str, pids))
        self._began, self._held_up = time.monotonic(), {who: held_up_s(who) for who in everyone}

    def seconds(self) -> float:
        """How many so far."""
        held_up = max(held_up_s(who) - before for who, before in self._held_up.items())
        return time.monotonic() - self._began - held_up


def held_up_s(who: str) -> float:
    """For how long a thread has ever waited for a processor."""
    try:
        return int((SCHEDULED / who / "schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


class HandClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> datetime:
        """Move on by a timedelta's keywords and return the new time."""
        self.at += timedelta(**span)
        return self.at


@asynccontextmanager
async def consuming(
    kafka: Kafka, router: KafkaRouter, service: str = "feed", **options: Any
) -> AsyncIterator[ConsumerContext]:
    """Run a router's subscribers against real Kafka, as a service would, until the block ends.

    ``options`` are further arguments of ``ConsumerContext``.
    """
    publisher = Publisher(kafka, service, system_now)
    consumer_context = ConsumerContext(publisher, CommonMetrics(MetricsRegistry()), system_now, **options)
    broker = KafkaBroker(kafka.bootstrap, allow_auto_create_topics=False, logger=None, graceful_timeout=3)
    broker.context.set_global("consumer_context", consumer_context)
    broker.include_router(router, prefix=kafka.prefix)
    for subscriber in broker.subscribers:
        subscriber_any: Any = subscriber
        subscriber_any.group_id = kafka.topic(subscriber_any.group_id)
    await publisher.start()
    await broker.start()
    try:
        yield consumer_context
    finally:
        consumer_context.stopping.set()
        await broker.stop()
        await publisher.stop()
