"""Test helpers: waiting with a deadline, a fake clock, and consumers without a whole service."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from faststream.kafka import KafkaBroker, KafkaRouter

from stories_shared.clock import system_now
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.consumer_context import ConsumerContext
from stories_shared.kafka.publisher import Publisher
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry

PROC = Path("/proc")


async def eventually(
    condition: Callable[[], Any | Awaitable[Any]],
    within_s: float = 15.0,
    every_s: float = 0.02,
    accept: Callable[[Any], object] = bool,
) -> Any:
    """Poll until the condition returns an accepted value (true, by default) and return that.

    Raises:
        AssertionError: it never did; shows an assertion that failed inside the condition.
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


async def resumed(app: Any) -> None:
    """Wait until a service that shares the tests' event loop has read the log since the loop runs again.

    The loop stands still between two tests. After two seconds of that every answer that depends on the log is 503.
    """
    tails = app.state.runtime.consumer_monitor.tails
    await eventually(lambda: all(tail.age() < 0.5 for tail in tails))


def wait_until(condition: Callable[[], object], what: str, within_s: float = 60.0, every_s: float = 0.02) -> None:
    """Poll until the condition is true, without an event loop.

    Raises:
        TimeoutError: it never was; names what was waited for.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        time.sleep(every_s)


class Stopwatch:
    """Elapsed seconds, without the time in which a measured thread was runnable but had no CPU.

    Waiting for timers or responses and computing both count. Without Linux' scheduler statistics, all seconds count.

    Args:
        pids: further processes of the measured path. The longest CPU wait of their main threads is subtracted.
    """

    def __init__(self, *pids: int) -> None:
        tasks = ("thread-self", *map(str, pids))
        self._began, self._cpu_wait = time.monotonic(), {task: cpu_wait_s(task) for task in tasks}

    def seconds(self) -> float:
        """The measured seconds so far."""
        cpu_wait = max(cpu_wait_s(task) - before for task, before in self._cpu_wait.items())
        return time.monotonic() - self._began - cpu_wait


def cpu_wait_s(task: str) -> float:
    """The total time in seconds that a thread has waited for a CPU."""
    try:
        return int((PROC / task / "schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


class FakeClock:
    """A clock that tests advance."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> datetime:
        """Advance by a timedelta's keywords and return the new time."""
        self.at += timedelta(**span)
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Advance instead of sleeping."""
        self.forward(seconds=seconds)


async def records_of(kafka: Kafka, topic: str) -> list[ConsumerRecord]:
    """Every record that a topic has now, each partition in order."""
    name, reader = kafka.topic(topic), kafka.reader(auto_offset_reset="earliest")
    await reader.start()
    try:
        cluster = await reader._client.fetch_all_metadata()  # noqa: SLF001  (partitions are added without notice)
        partitions = [TopicPartition(name, number) for number in cluster.partitions_for_topic(name) or ()]
        ends = await reader.end_offsets(partitions)
        reader.assign(partitions)
        await reader.seek_to_beginning()
        found: list[ConsumerRecord] = []
        while any([await reader.position(partition) < ends[partition] for partition in partitions]):
            for records in (await reader.getmany(timeout_ms=100)).values():
                found += records
        return found
    finally:
        await reader.stop()


@asynccontextmanager
async def consuming(
    kafka: Kafka, router: KafkaRouter, service: str = "feed", **options: Any
) -> AsyncIterator[ConsumerContext]:
    """Run a router's subscribers against a real Kafka, as a service would, until the block ends.

    ``options`` are further arguments of ``ConsumerContext``.
    """
    publisher = Publisher(kafka, service, system_now)
    consumer_context = ConsumerContext(publisher, CommonMetrics(MetricsRegistry()), system_now, **options)
    broker = KafkaBroker(kafka.brokers, allow_auto_create_topics=False, logger=None, graceful_timeout=3)
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
