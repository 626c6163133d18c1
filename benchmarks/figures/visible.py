"""From a story's event to the trays of the author's followers."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from urllib.parse import urlsplit

from stories_feed.testing.builders import posted
from stories_shared.clock import rfc3339, system_now, truncate_to_ms
from stories_shared.events import StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Document

from ..bench import VIEWERS, Bench
from ..load import request, under_load
from ..processes import Process
from ..registry import figure
from ..results import Bound, Result, Sample, percentiles
from ..services import follow_edge, follow_list, insert, publishing, services

FOLLOWERS = (1_000, 100_000, 1_000_000)
SAMPLED, TRAYS, WATCHERS = 100, 500, 4
STORIES_A_ROUND = 4
ROWS, AT_ONCE = 20_000, 1_000
NOTE = "100 followers polled over four connections, reading them included; follows written straight into MongoDB"


@figure("visible")
async def visible(bench: Bench) -> Sequence[Result]:
    """A story from its event in Kafka to its followers' trays, while 500 trays/s are read; beside a row for each."""
    sizes = {f"star{number}": bench.plan.scaled(number, SAMPLED) for number in FOLLOWERS}
    at = truncate_to_ms(system_now())
    async with services(bench, "feed") as (namespace, running), publishing(namespace, "ingest") as publisher:
        feed = running["feed"]
        for author, size in sizes.items():
            followers = [f"{author}-{n}" for n in range(size)]
            await insert(feed.mongo["choices"], (follow_list(each, [author]) for each in followers))
            await insert(feed.mongo["edges"], (follow_edge(each, author, at) for each in followers))
        await feed.mongo.ensure("bare")
        tokens = [bench.servers.token(f"star{FOLLOWERS[0]}-{n}") for n in range(VIEWERS)]
        readers = [request(feed.process, "GET", "/v1/tray", token) for token in tokens]
        times: dict[str, list[float]] = {author: [] for author in sizes}
        rates: list[float] = []
        async with under_load(feed.process, readers, TRAYS), watching(feed.process) as watch:
            for number in range(bench.plan.rounds * STORIES_A_ROUND + 1):
                for author, size in sizes.items():
                    sample = (f"{author}-{n * size // SAMPLED}" for n in range(SAMPLED))
                    story = posted(author, system_now())
                    took = await watch(publisher, story, [bench.servers.token(user) for user in sample])
                    if number:  # the first warms up
                        times[author] += took
        for _ in range(bench.plan.rounds):
            rows, began = rows_of(bench.plan.scaled(ROWS, AT_ONCE)), time.monotonic()
            for first in range(0, len(rows), AT_ONCE):
                await feed.mongo["bare"].insert_many(rows[first : first + AT_ONCE])
            rates.append(len(rows) / (time.monotonic() - began))
    return results(sizes, times, Sample(median(rates)), bench.plan.rounds * STORIES_A_ROUND)


def results(sizes: dict[str, int], times: dict[str, list[float]], rows: Sample, stories: int) -> list[Result]:
    """A row for each author."""
    found, first = [], None
    for author, size in sizes.items():
        p50, p99 = percentiles(times[author])
        first = first or p50
        result = Result(
            f"visible-{size}",
            "followers/s",
            Sample(size / p50 * 1000, None, p50, p99),
            "a row inserted for each follower",
            rows,
            note=f"{stories} stories; {NOTE}",
        ).within(Bound("p99 ms", p99, 150.0))
        if author == f"star{FOLLOWERS[-1]}":
            result = result.within(Bound(f"p50 beside that at {sizes[f'star{FOLLOWERS[0]}']}", p50 / first, 1.2))
        found.append(result)
    return found


class Watch:
    """Polls the trays of followers until each shows a story."""

    def __init__(self, process: Process, streams: Sequence[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        self.process, self.streams = process, streams

    async def __call__(self, publisher: Publisher, story: StoryPosted, tokens: Sequence[str]) -> list[float]:
        """Publish the story; the seconds from then until each tray showed it."""
        unseen = deque(request(self.process, "GET", "/v1/tray", token) for token in tokens)
        shown, took = f'"latest_at":"{rfc3339(story.posted_at)}"'.encode(), list[float]()
        began = time.perf_counter()

        async def poll(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while unseen:
                asked = unseen.popleft()
                writer.write(asked)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0]))
                if shown in body:
                    took.append(time.perf_counter() - began)
                elif time.perf_counter() - began > 30:
                    raise TimeoutError(f"{story.author_id} is not in a tray: {body[:300]!r}")
                else:
                    unseen.append(asked)

        await asyncio.gather(publisher.publish(story), *(poll(*stream) for stream in self.streams))
        return took


@asynccontextmanager
async def watching(process: Process) -> AsyncIterator[Watch]:
    """A watch with open connections."""
    parts = urlsplit(process.url)
    streams = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(WATCHERS)]
    try:
        yield Watch(process, streams)
    finally:
        for _, writer in streams:
            writer.close()


def rows_of(number: int) -> list[Document]:
    """A row for each follower, as with fan-out on write; its id finds those of a viewer."""
    story, at = new_id(), truncate_to_ms(system_now())
    return [{"_id": f"viewer-{n}/{story}", "author_id": "star", "at": at} for n in range(number)]
