"""Benchmark of views against minimal baselines: counted, redelivered, reported over HTTP. Run by hand, not by pytest.

python services/engagement/benchmarks/views.py [VIEWS] [ROUNDS]

It starts servers of its own in a temporary folder. Ratios are medians over alternating rounds of the wall time and, in
brackets, of this process's processor time, which a busy machine does not change much.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
from stories_embedded.testing import Realm, Servers
from stories_engagement.domain.recent_plays import RecentPlays
from stories_engagement.handlers import VIEWS_BATCH
from stories_engagement.routes.views import ViewsRequest, ViewsResponse
from stories_engagement.store.schema import ensure_schema, row_id
from stories_engagement.store.views import MongoViews
from stories_engagement.testing.builders import a_record, a_ticket
from stories_engagement.testing.harness import ServiceHarness, running
from stories_engagement.usecases.views import CountViews
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryViewed
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.garbage_collection import tune_garbage_collection

REPORT_BATCH, CLIENTS = 50, 8
failed: Counter[int] = Counter()


class Timed:
    """Wall and processor seconds by name."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = {}
        self.processor: dict[str, list[float]] = {}

    async def measure(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run once."""
        wall, processor = time.perf_counter(), time.process_time()
        await work()
        self.wall.setdefault(name, []).append(time.perf_counter() - wall)
        self.processor.setdefault(name, []).append(time.process_time() - processor)

    def report(self, name: str, number: int, beside: str, beside_number: int) -> None:
        """Print the rate, and the ratio to another one."""
        rate, bare = number / statistics.median(self.wall[name]), beside_number / statistics.median(self.wall[beside])
        own = number / statistics.median(self.processor[name])
        bare_own = beside_number / statistics.median(self.processor[beside])
        print(
            f"{name:36} {rate:9,.0f}/s, {own:9,.0f} a processor second: "
            f"{rate / bare:.2f} ({own / bare_own:.2f}) of {beside}"
        )


def views_of(stories: Sequence[str], number: int) -> list[ReceivedEvent[StoryViewed]]:
    """Views of these stories in turn, each of another viewer."""
    at = truncate_to_ms(system_now())
    return [
        a_record(
            StoryViewed(
                story_id=stories[n % len(stories)],
                author_id="ann",
                viewer_id=f"viewer-{new_id()}",
                play_id=new_id(),
                viewed_at=at,
                watched_ms=900,
            )
        )
        for n in range(number)
    ]


def rows_of(records: Sequence[ReceivedEvent[StoryViewed]]) -> list[dict[str, Any]]:
    """The rows that count these views."""
    return [
        {
            "_id": row_id(record.event.story_id, record.event.viewer_id),
            "story_id": record.event.story_id,
            "viewer_id": record.event.viewer_id,
            "at": record.event.viewed_at,
            "listed": True,
            "count": 1,
            "plays": {str(record.event.play_id): [record.event.viewed_at, 900, False, 0, 0, 0]},
        }
        for record in records
    ]


async def in_batches(
    items: Sequence[Any], operation: Callable[[Sequence[Any]], Awaitable[object]], size: int = VIEWS_BATCH
) -> None:
    for start in range(0, len(items), size):
        await operation(items[start : start + size])


async def counted(realm: Realm, number: int, rounds: int, timed: Timed) -> None:
    """Counting from records, against `insert_many` of the same rows."""
    mongo = Mongo.connect(realm["MONGO_URL"], realm["MONGO_DATABASE"])
    await ensure_schema(mongo)
    await mongo.ensure("bare")
    view_store = MongoViews(mongo, system_now)
    for round_ in range(rounds + 1):
        into = timed if round_ else Timed()  # the first one warms up
        rows = rows_of(views_of([new_id()], number))
        await into.measure("bare insert_many", lambda rows=rows: in_batches(rows, mongo["bare"].insert_many, 1_000))
        for name, stories in (("one hot story", 1), ("1,000 stories", 1000)):
            records = views_of([new_id() for _ in range(stories)], number)
            count = CountViews(view_store, RecentPlays(), system_now)
            await into.measure(f"counted, {name}", lambda count=count, records=records: in_batches(records, count))
            await into.measure(f"same process again, {name}", lambda c=count, f=records: in_batches(f, c))
            other = CountViews(view_store, RecentPlays(), system_now)
            await into.measure(f"other process again, {name}", lambda c=other, f=records: in_batches(f, c))
    await mongo.close()


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The least cost of the endpoint: decode the body, encode a response."""
    assert scope["type"] == "http"
    body = (await receive())["body"]
    given = msgspec.json.decode(body, type=ViewsRequest)
    answer = msgspec.json.encode(ViewsResponse(len(given.views), []))
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": answer})


async def reported(service: ServiceHarness, number: int, rounds: int, timed: Timed) -> list[float]:
    """`POST /v1/views` of 50 by several clients, against the bare endpoint; seconds of each request."""
    story, headers = await service.post(), [service.token(f"viewer{n}") for n in range(CLIENTS)]
    tickets = [service.tickets.sign(a_ticket(story, f"viewer{n}")) for n in range(CLIENTS)]
    lasted: list[float] = []

    async def request(client: httpx.AsyncClient, n: int, requests: int) -> None:
        for _ in range(requests):
            views = [{"ticket": tickets[n], "play_id": new_id(), "watched_ms": 900} for _ in range(REPORT_BATCH)]
            body = msgspec.json.encode({"views": views})
            json = {"Content-Type": "application/json"}
            began = time.perf_counter()
            answer = await client.post("/v1/views", headers=headers[n] | json, content=body)
            lasted.append(time.perf_counter() - began)
            failed[answer.status_code] += 1

    each = number // (CLIENTS * REPORT_BATCH)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=bare), base_url="http://bare") as other:
        for round_ in range(rounds + 1):
            into = timed if round_ else Timed()
            for name, client in (("bare endpoint", other), ("taken", service.client)):
                lasted.clear()
                await into.measure(
                    name, lambda client=client: asyncio.gather(*(request(client, n, each) for n in range(CLIENTS)))
                )
    return lasted


async def main(number: int, rounds: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder))
        servers.start_all()
        try:
            tune_garbage_collection()  # as a service does
            realm, timed = Realm(servers), Timed()
            await counted(realm, number, rounds, timed)
            for name in timed.wall:
                timed.report(name, number, "bare insert_many", number)
            async with running(realm, limit_views=100_000_000) as service:
                lasted = await reported(service, number, rounds, timed)
            timed.report("taken", number, "bare endpoint", number)
            print(f"answers: {dict(failed)}")
            print(f"{'taken, 99th percentile':40} {statistics.quantiles(lasted, n=100)[98] * 1000:10,.0f} ms")
        finally:
            servers.stop_all()


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(given + [20_000, 3][len(given) :])))
