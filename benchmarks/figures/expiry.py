"""Timers: how late a story is ended, and how fast overdue ones are, beside a TTL index and an ordered cursor."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from statistics import median
from typing import Any

from pymongo import IndexModel
from stories_expiry.domain.timers import Timer
from stories_expiry.store.stories import document_of
from stories_feed.testing.builders import posted
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryExpired
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Document, Mongo
from stories_shared.testing import eventually

from ..bench import Bench
from ..registry import figure
from ..results import Bound, Result, Sample, compare, median_of, percentiles
from ..services import Running, consuming, insert, publishing, services

PENDING, DUE, OVERDUE = 1_000_000, 1_000, 100_000
AHEAD = timedelta(seconds=3)
END_BATCH = 1_000
DRAINS = 3
TTL_SLEEP_S = 60


@figure("expiry")
async def expiry(bench: Bench) -> Sequence[Result]:
    """A thousand stories due in one second among many pending; then overdue ones after a kill."""
    pending, overdue = bench.plan.many(PENDING), bench.plan.scaled(OVERDUE)
    async with services(bench, "expiry", start=False) as (namespace, running):
        service = running["expiry"]
        tomorrow = system_now() + timedelta(days=1)
        await insert(service.mongo["stories"], timers(pending, tomorrow, timedelta(milliseconds=1)))
        await service.start()
        async with (
            publishing(namespace, "ingest") as publisher,
            consuming(namespace, StoryExpired) as arrived,
            ttl_index(bench, service.mongo) as ttl,
        ):
            rounds = [await lateness(publisher, arrived) for _ in range(bench.plan.rounds + 1)][1:]
            drained = await drains(bench, service, arrived, overdue)
            limit = await ttl
    late = median_of(rounds)
    sleep = TTL_SLEEP_S if bench.plan.scale == 1 else 1
    return [
        Result(
            "expiry-due",
            "stories/s",
            late,
            "MongoDB's TTL index, one round",
            limit,
            rates=tuple((each.rate, limit.rate) for each in rounds),
            note=f"{DUE:,} due in one second, {pending:,} pending; until the event is consumed; TTL every {sleep} s",
        ).within(Bound("lateness p99 ms", late.p99_ms or 0.0, 100.0)),
        drained,
    ]


def timers(number: int, first: datetime, apart: timedelta) -> Iterator[Document]:
    """Timers, each so much later than the one before."""
    for n in range(number):
        at = truncate_to_ms(first + n * apart)
        yield document_of(Timer(new_id(), f"author{n % 1_000}", at - timedelta(days=1), at))


async def lateness(publisher: Publisher, arrived: Sequence[tuple[float, Any]]) -> Sample:
    """Publish stories that are all due in the same second; how late each one's event was."""
    start = system_now() + AHEAD
    apart = timedelta(seconds=1) / DUE
    stories = [posted(f"late{n}", start - timedelta(hours=1) + n * apart, timedelta(hours=1)) for n in range(DUE)]
    due = {story.story_id: story.expires_at.timestamp() for story in stories}
    before = len(arrived)
    await publisher.publish_all([OutgoingEvent(story) for story in stories])
    seen = await ended(arrived, before, due)
    p50, p99 = percentiles([max(0.0, seen[name] - at) for name, at in due.items()])
    return Sample(DUE / (max(seen.values()) - min(due.values())), None, p50, p99)


async def ended(arrived: Sequence[tuple[float, Any]], before: int, wanted: Collection[str]) -> dict[str, float]:
    """When the event of each story arrived."""

    def seen() -> dict[str, float]:
        return {event["story_id"]: at for at, event in reversed(arrived[before:]) if event["story_id"] in wanted}

    return dict(await eventually(seen, 300, accept=lambda found: len(found) == len(wanted)))


async def drains(bench: Bench, service: Running, arrived: Sequence[tuple[float, Any]], number: int) -> Result:
    """End overdue stories after a kill, beside an ordered cursor over the same rows."""
    reloads, published, rounds, stories = list[float](), list[float](), count(), service.mongo["stories"]
    bare = service.mongo["bare"]
    await service.mongo.ensure("bare", IndexModel([("due", 1)], name="due"))

    async def gone(query: Document) -> bool:
        return await stories.find_one(query, {"_id": 1}) is None

    async def measured() -> Sample:
        service.kill()
        first = truncate_to_ms(system_now() - timedelta(hours=1 + next(rounds)))
        span = {"$gte": first, "$lt": first + timedelta(milliseconds=number)}
        await insert(stories, timers(number, first, timedelta(milliseconds=1)))
        head, before, began = await stories.find_one({"due": first}), len(arrived), time.monotonic()
        assert head is not None
        starting = asyncio.create_task(service.start())
        await eventually(lambda: gone({"_id": head["_id"], "due": first}), 300)
        reloads.append(time.monotonic() - began)
        began = time.monotonic()
        await eventually(lambda: gone({"due": span}), 300)
        took = time.monotonic() - began
        await eventually(lambda: len(arrived) >= before + number, 300)
        published.append(time.monotonic() - began)
        await starting
        return Sample(number / took)

    async def cursor() -> Sample:
        await bare.delete_many({})
        await insert(bare, timers(number, system_now() - timedelta(days=1), timedelta(milliseconds=1)))
        now, began, ids = truncate_to_ms(system_now()), time.monotonic(), list[str]()
        change: Document = {"$set": {"ended": "expired", "ended_at": now}, "$unset": {"due": ""}}
        found = bare.find({"due": {"$lte": now}}, {"_id": 1}, sort=[("due", 1)], batch_size=END_BATCH)
        async for document in found:
            ids.append(document["_id"])
            if len(ids) == END_BATCH:
                await bare.update_many({"_id": {"$in": ids}, "due": {"$lte": now}}, change)
                ids = []
        await bare.update_many({"_id": {"$in": ids}, "due": {"$lte": now}}, change)
        return Sample(number / (time.monotonic() - began))

    result = await compare(
        "expiry-overdue",
        "stories/s",
        measured,
        bench.plan,
        peer="a cursor in the order of due times, each thousand ended by one update",
        limit=cursor,
        at_least=1.0,
        rounds=DRAINS,
        warm_up=False,
        note=f"{number:,} overdue",
    )
    return result.within(
        Bound("s from start after a kill to the first ending", median(reloads), 10.0),
        Bound("s until all are published", median(published), 600.0),
    )


@dataclass
class Ttl:
    """Rows that a TTL index deletes, and when each was gone."""

    mongo: Mongo
    due: dict[str, float] = field(default_factory=dict)

    async def watch(self) -> Sample:
        """Insert the rows and wait until all are gone."""
        start = system_now() + AHEAD
        rows: list[Document] = [{"_id": new_id(), "at": start + n * timedelta(seconds=1) / DUE} for n in range(DUE)]
        self.due = {str(row["_id"]): row["at"].timestamp() for row in rows}
        await self.mongo["ttl"].insert_many(rows)
        gone: dict[str, float] = {}

        async def all_gone() -> bool:
            left = {row["_id"] async for row in self.mongo["ttl"].find({}, {"_id": 1})}
            gone.update(dict.fromkeys(self.due.keys() - left - gone.keys(), time.time()))
            return len(gone) == DUE

        await eventually(all_gone, 300, 0.2)
        p50, p99 = percentiles([gone[name] - at for name, at in self.due.items()])
        return Sample(DUE / (max(gone.values()) - min(self.due.values())), None, p50, p99)


@asynccontextmanager
async def ttl_index(bench: Bench, mongo: Mongo) -> AsyncIterator["asyncio.Task[Sample]"]:
    """The same number of rows under a TTL index, meanwhile. A short run does not wait a minute for it."""
    admin = mongo.client["admin"]
    if bench.plan.scale < 1:
        await admin.command({"setParameter": 1, "ttlMonitorSleepSecs": 1})
    await mongo.ensure("ttl", IndexModel([("at", 1)], name="ttl", expireAfterSeconds=0))
    task = asyncio.create_task(Ttl(mongo).watch())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await admin.command({"setParameter": 1, "ttlMonitorSleepSecs": TTL_SLEEP_S})
