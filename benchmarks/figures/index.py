"""The index and idle background work at many live stories, beside few."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from stories_ingest.store.documents import story_document
from stories_ingest.testing.builders import live
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events.cloudevents import SERVICES
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Document, Mongo

from ..bench import RINGS, VIEWERS, Bench
from ..load import get_load
from ..registry import figure
from ..results import Bound, Result, Sample, compare
from ..services import Running, follow_list, insert, services
from .expiry import timers
from .ranking import FEW, live_stories

MANY = 1_000_000
FOLLOWS = 200
IDLE_S, SETTLE_S = 20.0, 5.0
ENOUGH = 100_000
"""Stories from which the growth of the process is theirs, not that of its buffers."""
NOTE = "stories written straight into MongoDB"


@figure("index")
async def index(bench: Bench) -> Sequence[Result]:
    """Trays, memory and loading of the index at many live stories, beside few."""
    many = bench.plan.many(MANY, 5 * FEW)
    tokens = [bench.servers.token(f"viewer{n}") for n in range(VIEWERS)]
    async with (
        services(bench, "feed", start=False) as (_, large),
        services(bench, "feed", start=False) as (_, small),
    ):
        took: dict[int, float] = {}
        for feed, number in ((small["feed"], FEW), (large["feed"], many)):
            await live_stories(feed.mongo["stories"], number)
            await insert(feed.mongo["choices"], follow_lists())
            began = time.monotonic()
            await feed.start()
            took[number] = time.monotonic() - began
        grown = large["feed"].process.memory_mb() - small["feed"].process.memory_mb()
        result = await compare(
            f"index-{many}-live",
            "requests/s",
            lambda: get_load(large["feed"].process, "/v1/tray", tokens, bench.plan.seconds),
            bench.plan,
            peer=f"the same tray at {FEW:,} live stories",
            limit=lambda: get_load(small["feed"].process, "/v1/tray", tokens, bench.plan.seconds),
            note=f"a tray of {RINGS} rings; {NOTE}; ready after {took[FEW]:.1f} s with {FEW:,}",
        )
    memory = Bound("kB of memory a story", grown * 1024 / (many - FEW), 0.7)
    return [
        result.within(
            *((memory,) if many >= ENOUGH else ()),
            Bound("s from start to ready", took[many], 30.0),
            Bound(f"p50 beside that at {FEW:,}", result.p50_ratio, 1.3),
        )
    ]


def follow_lists() -> Iterator[Document]:
    """Viewers who follow ten of the live authors and many others."""
    for n in range(VIEWERS):
        following = [*(f"author{a}" for a in range(RINGS)), *(f"other{a}" for a in range(FOLLOWS - RINGS))]
        yield follow_list(f"viewer{n}", following)


@figure("sweeps")
async def sweeps(bench: Bench) -> Sequence[Result]:
    """Idle background work of all services at many live stories, beside none; and its collection scans."""
    many = bench.plan.many(MANY, 5 * FEW)
    seconds = IDLE_S if bench.plan.scale == 1 else 5.0
    async with services(bench, *SERVICES) as (_, running):
        none = [await idle(running, seconds) for _ in range(2)]
        for service in running.values():
            service.process.stop()
        await fill(running, many)
        await asyncio.gather(*(service.start() for service in running.values()))
        for service in running.values():
            await profile(service.mongo, many // 2)
        used = [await idle(running, seconds) for _ in range(2)]
        scans = [await scanned(service.mongo) for service in running.values()]
    more = (median(used) - median(none)) * 100
    found = sum(len(each) for each in scans)
    return [
        Result(
            f"sweeps-{many}-live",
            "% of a core",
            Sample(median(used) * 100),
            "the same without stories",
            Sample(median(none) * 100),
            rates=tuple(zip(used, none, strict=True)),
            note=f"four services and MongoDB; {NOTE}, no objects"
            + "".join(f"; scanned: {each}" for each in {str(query) for some in scans for query in some}),
        ).within(Bound("% of a core more than without", more, 5.0), Bound("collection scans", found, 0))
    ]


async def idle(running: Mapping[str, Running], seconds: float) -> float:
    """The share of a core that the services and MongoDB use."""
    processes = [*(service.process for service in running.values()), next(iter(running.values())).mongod]
    await asyncio.sleep(SETTLE_S)
    before = sum(process.cpu_s() for process in processes)
    await asyncio.sleep(seconds)
    return (sum(process.cpu_s() for process in processes) - before) / seconds


async def fill(running: Mapping[str, Running], number: int) -> None:
    """As many live stories in every service."""
    now = truncate_to_ms(system_now())
    await live_stories(running["feed"].mongo["stories"], number)
    await insert(running["ingest"].mongo["stories"], ingested(number, now))
    await insert(
        running["expiry"].mongo["stories"], timers(number, now + timedelta(hours=2), timedelta(milliseconds=60))
    )
    await insert(running["engagement"].mongo["stories"], engaged(number, now))
    await insert(running["engagement"].mongo["views"], counters(number, now))


def ingested(number: int, now: datetime) -> Iterator[Document]:
    """Live stories of ingest."""
    document = story_document(live("author", now))
    for n in range(number):
        yield {"_id": new_id(), **document, "author_id": f"author{n // 3}"}


def engaged(number: int, now: datetime) -> Iterator[Document]:
    """Live stories of engagement."""
    rights = {"comments": "everyone", "reactions": True, "sharing": True, "view_list": True, "layers": []}
    fields = {"revision": 1, "access_revision": 1, "posted_at": now, "series_id": None, "part": 1, "parts": 1}
    for n in range(number):
        own = {"_id": new_id(), "author_id": f"author{n // 3}", "expires_at": now + timedelta(hours=20)}
        yield {**own, **rights, **fields, "event": b"x" * 500}


def counters(number: int, now: datetime) -> Iterator[Document]:
    """Counters of views."""
    for n in range(number):
        own = {"_id": new_id(), "author_id": f"author{n // 3}", "expires_at": now + timedelta(hours=20)}
        yield {**own, "viewers": 0, "plays": 0, "ended": None, "since": now}


async def profile(mongo: Mongo, least: int) -> None:
    """Have MongoDB record what scans a collection of at least so many documents."""
    scan = {"planSummary": "COLLSCAN", "docsExamined": {"$gte": least}}
    await mongo.database.command("profile", 1, filter=scan)


async def scanned(mongo: Mongo) -> Sequence[Document]:
    """The recorded scans: collection and command."""
    await mongo.database.command("profile", 0)
    found = mongo.database["system.profile"].find({}, {"ns": 1, "op": 1, "command": 1})
    return [
        {"ns": each["ns"], "op": each["op"], "filter": each.get("command", {}).get("filter")} async for each in found
    ]
