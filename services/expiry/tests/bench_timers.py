"""A million pending timers on a real mongod: set, reload, drain. Run by hand, not by pytest.

python services/expiry/tests/bench_timers.py MONGO_URL [TIMERS]
"""

# ruff: noqa: T201  (it prints figures)

import asyncio
import resource
import sys
import time
from datetime import datetime, timedelta

from stories_expiry import store
from stories_expiry.domain.timers import LiveReplicas, Timer, TimerWheel
from stories_expiry.usecases.timers import FireOverdue, LoadAhead
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

BATCH = 1_000
SIDE_BY_SIDE = 2


async def main(url: str, number: int) -> None:
    """Print seconds and rates."""
    mongo = Mongo.connect(url, "bench_expiry")
    await mongo.client.drop_database("bench_expiry")
    await store.ensure(mongo)
    stories = store.MongoStories(mongo, timedelta(days=90))
    now = truncate_to_ms(system_now())
    print(f"wheel: {wheel_rate(number):,.0f} added and popped a second")
    began = time.perf_counter()
    for start in range(0, number, BATCH * SIDE_BY_SIDE):
        parts = [range(start + BATCH * n, min(start + BATCH * (n + 1), number)) for n in range(SIDE_BY_SIDE)]
        await asyncio.gather(*(stories.arm([timer(i, number, now) for i in part]) for part in parts if part))
    report("set", number, began)
    began = time.perf_counter()
    counts = await stories.count_timers(now)
    report(f"counted {counts.timers:,}", number, began)
    began = time.perf_counter()
    loaded = await LoadAhead(stories, TimerWheel(), lambda: now + timedelta(hours=12))()
    report("read the next minute", loaded, began)
    began = time.perf_counter()
    after_all = now + timedelta(days=2)
    fire, fired = FireOverdue(stories, lambda: LiveReplicas("a", ("a",)), lambda: after_all), 0
    while part := await fire():
        fired += len(part)
    report(f"fired {fired:,}", fired, began)
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most")
    await mongo.client.drop_database("bench_expiry")
    await mongo.close()


def timer(index: int, number: int, now: datetime) -> Timer:
    """One of many timers, spread evenly over a day."""
    return Timer(new_id(), f"u{index % 100_000}", now, now + timedelta(days=1) * (index / number))


def wheel_rate(number: int) -> float:
    """Add and pop timers; timers a second."""
    wheel, now, ids = TimerWheel(capacity=number), system_now(), [new_id() for _ in range(1_000)]
    began = time.perf_counter()
    for index in range(number):
        wheel.add(ids[index % 1_000], now + timedelta(milliseconds=index % 60_000), local_only=False)
    wheel.pop_due(now + timedelta(minutes=2), limit=number)
    return number / (time.perf_counter() - began)


def report(what: str, number: int, began: float) -> None:
    """Print one figure."""
    took = time.perf_counter() - began
    print(f"{what}: {took:.2f} s, {number / took:,.0f} a second")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000))
