"""Prints the memory, in bytes, that one live connection adds to a server: uvicorn, the raw route, and the viewer.

`python connection_memory.py 2000`: so many viewers, each with one connection and ten followed authors who have a story.
Repositories are in memory and share what they hold, so that only connections grow.
"""

import asyncio
import gc
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psutil
import uvicorn
import uvloop
from fastapi import FastAPI
from stories_feed.domain.edges import FollowList
from stories_feed.domain.live import LiveIndex
from stories_feed.routes.browser_tokens import BrowserTokens
from stories_feed.routes.live import live_routes
from stories_feed.testing.builders import DAY, posted, received
from stories_feed.testing.in_memory import FakeLogStatus, MemoryEdges, MemorySeen, MemoryStories, MemoryUserData
from stories_feed.usecases.live_updates import LiveUpdates
from stories_feed.usecases.stories import ApplyToIndex, StoreStories
from stories_feed.usecases.visible_stories import VisibleStories
from stories_shared.auth.tokens import Caller
from stories_shared.clock import system_now
from stories_shared.http.rate_limits import RateLimits
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry
from stories_shared.runtime.raw_route_middleware import RawRouteMiddleware

WARM_UP = 200
AUTHORS = tuple(f"author-{number}" for number in range(10))
CLIENT = """
import signal, socket, sys
HEAD = " HTTP/1.1\\r\\nHost: feed\\r\\nAccept: text/event-stream\\r\\n\\r\\n"
port, *tokens = sys.stdin.read().split()
opened = []
for token in tokens:
    opened.append(socket.create_connection(("127.0.0.1", int(port))))
    opened[-1].sendall(f"GET /v1/live?token={token}{HEAD}".encode())
for each in opened:
    assert each.recv(12) == b"HTTP/1.1 200"
print("connected", flush=True)
signal.pause()
"""


async def build() -> tuple[LiveUpdates, BrowserTokens, Any]:
    """Live updates with authors' stories, and an ASGI application that serves them as the service does."""
    now, index = system_now, LiveIndex()
    stories, edges, seen = MemoryStories(now), MemoryEdges(), MemorySeen()
    users = MemoryUserData(stories, edges, seen)
    follow_list = FollowList(AUTHORS, frozenset(), frozenset())

    async def following(_viewer: str) -> FollowList:
        return follow_list

    edges.follow_list = following  # type: ignore[method-assign]
    visible = VisibleStories(index, edges, stories, FakeLogStatus(), now)
    updates = LiveUpdates(visible, edges, seen, stories, users.erased, now, 100_000)
    for author in AUTHORS:
        story = posted(author, now(), timedelta(hours=1))
        ApplyToIndex(index, DAY, now, lambda _: None)(received(story))
        await StoreStories(stories, users.erased, now)([received(story)])
    tokens = BrowserTokens([("key", b"0" * 32)], now)
    app = FastAPI()
    app.include_router(live_routes(updates, tokens, now))
    app.state.limits = RateLimits({"reads": 1_000_000}, lambda _: None, now)
    metrics, health = CommonMetrics(MetricsRegistry()), SimpleNamespace(clock_is_off=False)
    served = RawRouteMiddleware(app, app.routes, metrics, health)  # type: ignore[arg-type]

    async def with_app(scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = app
        await served(scope, receive, send)

    return updates, tokens, with_app


async def main(number: int) -> None:
    """Connect, and print the growth of the process."""
    updates, tokens, app = await build()
    server = uvicorn.Server(uvicorn.Config(app, port=0, http="httptools", log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    clients = []

    async def connect(prefix: str, count: int) -> int:
        made = " ".join(tokens.sign(Caller(f"{prefix}-{n}"))[0] for n in range(count))
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        clients.append(client)
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(f"{port} {made}".encode())
        client.stdin.close()
        assert await client.stdout.readline() == b"connected\n"
        updates.heartbeat()
        await asyncio.sleep(0.5)
        gc.collect()
        return psutil.Process().memory_info().rss

    before = await connect("warm", WARM_UP)
    grown = await connect("viewer", number) - before
    assert updates.connections == WARM_UP + number
    print(grown // number)  # noqa: T201  (the figure)
    for client in clients:
        client.kill()
        await client.wait()
    server.should_exit = True
    updates.close()
    await serving


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
