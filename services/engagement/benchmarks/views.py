"""Views beside their bare limits, in one run: counted, redelivered, and taken over HTTP. Run by hand, not by pytest.

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
from stories_engagement.handlers import VIEWS_AT_ONCE
from stories_engagement.routes.views import ViewsRequest, ViewsResponse
from stories_engagement.store.schema import ensure_schema, row_id
from stories_engagement.store.views import MongoViews
from stories_engagement.testing.builders import a_fact, a_ticket
from stories_engagement.testing.harness import ServiceHarness, running
from stories_engagement.usecases.views import CountViews
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryViewed
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.garbage_collection import tune_garbage_collection

TAKEN_AT_ONCE, CLIENTS = 50, 8
failed: Counter[int] = Counter()


class Timed:
    """Wall and processor seconds of what was measured under each name."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = {}
        self.processor: dict[str, list[float]] = {}

    async def measure(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do it once."""
        wall, processor = time.perf_counter(), time.process_time()
        await work()
        self.wall.setdefault(name, []).append(time.perf_counter() - wall)
        self.processor.setdefault(name, []).append(time.process_time() - processor)

    def tell(self, name: str, number: int, beside: str, beside_number: int) -> None:
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
        a_fact(
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


def rows_of(facts: Sequence[ReceivedEvent[StoryViewed]]) -> list[dict[str, Any]]:
    """The rows that count these views."""
    return [
        {
            "_id": row_id(fact.event.story_id, fact.event.viewer_id),
            "story_id": fact.event.story_id,
            "viewer_id": fact.event.viewer_id,
            "at": fact.event.viewed_at,
            "listed": True,
            "count": 1,
            "plays": {str(fact.event.play_id): [fact.event.viewed_at, 900, False, 0, 0, 0]},
        }
        for fact in facts
    ]


async def in_batches(
    items: Sequence[Any], verb: Callable[[Sequence[Any]], Awaitable[object]], size: int = VIEWS_AT_ONCE
) -> None:
    for start in range(0, len(items), size):
        await verb(items[start : start + size])


async def counted(realm: Realm, number: int, rounds: int, timed: Timed) -> None:
    """Counting straight from facts, beside `insert_many` of the same rows."""
    mongo = Mongo.connect(realm["MONGO_URL"], realm["MONGO_DATABASE"])
    await ensure_schema(mongo)
    await mongo.ensure("bare")
    ledger = MongoViews(mongo, system_now)
    for turn in range(rounds + 1):
        into = timed if turn else Timed()  # the first one warms up
        rows = rows_of(views_of([new_id()], number))
        await into.measure("bare insert_many", lambda rows=rows: in_batches(rows, mongo["bare"].insert_many, 1_000))
        for name, stories in (("one hot story", 1), ("1,000 stories", 1000)):
            facts = views_of([new_id() for _ in range(stories)], number)
            count = CountViews(ledger, RecentPlays(), system_now)
            await into.measure(f"counted, {name}", lambda count=count, facts=facts: in_batches(facts, count))
            await into.measure(f"same process again, {name}", lambda c=count, f=facts: in_batches(f, c))
            other = CountViews(ledger, RecentPlays(), system_now)
            await into.measure(f"other process again, {name}", lambda c=other, f=facts: in_batches(f, c))
    await mongo.close()


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """What taking views costs at least: the body decoded, an answer encoded."""
    assert scope["type"] == "http"
    body = (await receive())["body"]
    given = msgspec.json.decode(body, type=ViewsRequest)
    answer = msgspec.json.encode(ViewsResponse(len(given.views), []))
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": answer})


async def taken(house: ServiceHarness, number: int, rounds: int, timed: Timed) -> list[float]:
    """`POST /v1/views` of 50 by several clients, beside the bare endpoint; seconds of each request."""
    story, headers = await house.post(), [house.token(f"viewer{n}") for n in range(CLIENTS)]
    tickets = [house.tickets.sign(a_ticket(story, f"viewer{n}")) for n in range(CLIENTS)]
    lasted: list[float] = []

    async def ask(client: httpx.AsyncClient, n: int, requests: int) -> None:
        for _ in range(requests):
            views = [{"ticket": tickets[n], "play_id": new_id(), "watched_ms": 900} for _ in range(TAKEN_AT_ONCE)]
            body = msgspec.json.encode({"views": views})
            json = {"Content-Type": "application/json"}
            began = time.perf_counter()
            answer = await client.post("/v1/views", headers=headers[n] | json, content=body)
            lasted.append(time.perf_counter() - began)
            failed[answer.status_code] += 1

    each = number // (CLIENTS * TAKEN_AT_ONCE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=bare), base_url="http://bare") as other:
        for turn in range(rounds + 1):
            into = timed if turn else Timed()
            for name, client in (("bare endpoint", other), ("taken", house.client)):
                lasted.clear()
                await into.measure(
                    name, lambda client=client: asyncio.gather(*(ask(client, n, each) for n in range(CLIENTS)))
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
                timed.tell(name, number, "bare insert_many", number)
            async with running(realm, limit_views=100_000_000) as house:
                lasted = await taken(house, number, rounds, timed)
            timed.tell("taken", number, "bare endpoint", number)
            print(f"answers: {dict(failed)}")
            print(f"{'taken, 99th percentile':40} {statistics.quantiles(lasted, n=100)[98] * 1000:10,.0f} ms")
        finally:
            servers.stop_all()


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(given + [20_000, 3][len(given) :])))
