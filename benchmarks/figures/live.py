"""Live updates: connections of one process, their memory, and the time from an event to the clients."""

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from stories_embedded.ports import free_port
from stories_feed.testing.builders import posted
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.kafka.publisher import Publisher

from ..bench import Bench
from ..load import request
from ..processes import Process, get, start
from ..registry import figure
from ..results import Bound, Result, Sample, compare, percentiles
from ..services import follow_edge, follow_list, insert, publishing, services

CONNECTIONS, WARM, AT_ONCE = 2_000, 50, 100
SPARE_FILES = 200
MOST_KB = 64.0
FANOUT = """
import asyncio, sys
waiting, sent = [], b"event: ring\\ndata: " + b"x" * 120 + b"\\n\\n"
async def serve(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    if head.startswith(b"GET /go"):
        for each in waiting:
            each.write(sent)
    if head.startswith(b"GET /v1"):
        waiting.append(writer)
        writer.write(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    else:
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=4096) as server:
        await server.serve_forever()
asyncio.run(main())
"""


@figure("live")
async def live(bench: Bench) -> Sequence[Result]:
    """A new story until every connected follower of its author knows, beside a bare server that writes to each."""
    number = bench.plan.scaled(CONNECTIONS, 2 * WARM)
    allow_files(number + SPARE_FILES)
    stars, port = [f"star{n}" for n in range(bench.plan.rounds + 1)], free_port(set())
    bare = start([sys.executable, "-c", FANOUT, str(port)], port=port)
    try:
        await bare.ready("/")
        async with (
            services(bench, "feed", LIVE_CONNECTIONS=str(2 * number)) as (namespace, running),
            publishing(namespace, "ingest") as publisher,
        ):
            process = running["feed"].process
            viewers, at = [f"viewer{n}" for n in range(number)], truncate_to_ms(system_now())
            edges = (follow_edge(viewer, star, at) for star in stars for viewer in viewers)
            await insert(running["feed"].mongo["choices"], (follow_list(viewer, stars) for viewer in viewers))
            await insert(running["feed"].mongo["edges"], edges)
            tokens = [bench.servers.token(viewer) for viewer in viewers]
            async with connected(process, tokens[:WARM]) as first:
                before = process.memory_mb()
                async with connected(process, tokens[WARM:]) as others, connected(bare, tokens) as peers:
                    each_kb = (process.memory_mb() - before) * 1024 / (number - WARM)
                    clients = [*first, *others]
                    result = await compare(
                        f"live-{number}-connections",
                        "messages/s",
                        lambda: announced(publisher, clients, stars.pop()),
                        bench.plan,
                        peer="a bare asyncio server that writes to as many connections",
                        limit=lambda: written(bare, peers),
                        note="from publishing the story's event; one client process reads all",
                    )
    finally:
        bare.stop()
    return [result.within(Bound("kB of memory a connection", each_kb, MOST_KB))]


def allow_files(number: int) -> None:
    """Raise the limit of open files, of the services too, which inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * number, hard), hard))


@asynccontextmanager
async def connected(process: Process, tokens: Sequence[str]) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open streams of live updates, after their headers."""
    parts, streams = urlsplit(process.url), list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()

    async def connect(token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(request(process, "GET", "/v1/live", token))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        return reader, writer

    try:
        for first in range(0, len(tokens), AT_ONCE):
            streams += await asyncio.gather(*map(connect, tokens[first : first + AT_ONCE]))
        yield [reader for reader, _ in streams]
    finally:
        for _, writer in streams:
            writer.close()


async def announced(publisher: Publisher, clients: Sequence[asyncio.StreamReader], author: str) -> Sample:
    """Publish an author's first story; the time until each client has the ring."""
    began = time.perf_counter()
    arrivals = asyncio.gather(*(arrival(client, author.encode(), began) for client in clients))
    await publisher.publish(posted(author, system_now()))
    return sample(await arrivals)


async def written(bare: Process, clients: Sequence[asyncio.StreamReader]) -> Sample:
    """Have the bare server write; the time until each client has it."""
    began = time.perf_counter()
    arrivals = asyncio.gather(*(arrival(client, b"event: ring", began) for client in clients))
    await asyncio.to_thread(get, f"{bare.url}/go")
    return sample(await arrivals)


async def arrival(client: asyncio.StreamReader, wanted: bytes, began: float) -> float:
    """The seconds until a message with these bytes has arrived."""
    async with asyncio.timeout(120):
        while wanted not in await client.readuntil(b"\n\n"):
            continue
    return time.perf_counter() - began


def sample(took: Sequence[float]) -> Sample:
    """The rate and latencies of a round."""
    return Sample(len(took) / max(took), None, *percentiles(took))
