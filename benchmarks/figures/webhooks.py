"""Webhook deliveries to ten endpoints, one of which hangs, beside none that does."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import httpx
import msgspec
from stories_embedded.ports import free_port
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import UserMentioned
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.testing import eventually

from ..bench import Bench
from ..engagement import Engagement, engagement
from ..processes import Process, get, start
from ..registry import figure
from ..results import Cost, Result, Sample, compare

ENDPOINTS, EVENTS = 10, 300
EVENT_NAMES = [UserMentioned.topic]
RECEIVER = """
import asyncio, json, sys
counts = {}
async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            path = head.split(b" ", 2)[1].decode()
            length = head.lower().partition(b"content-length:")[2].split(b"\\r", 1)[0]
            await reader.readexactly(int(length or 0))
            if path == "/counts":
                body = json.dumps(counts).encode()
                writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
                continue
            if path.endswith("hangs"):
                await asyncio.sleep(3600)
            counts[path] = counts.get(path, 0) + 1
            writer.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()
asyncio.run(main())
"""


@figure("webhooks")
async def webhooks(bench: Bench) -> Sequence[Result]:
    """Deliveries to nine endpoints while a tenth hangs, beside nine while the tenth responds."""
    number, port = bench.plan.scaled(EVENTS, 100), free_port(set())
    receiver = start([sys.executable, "-c", RECEIVER, str(port)], port=port)
    try:
        await receiver.ready("/counts")
        async with (
            endpoints(bench, receiver, "one", hanging=True) as one,
            endpoints(bench, receiver, "none", hanging=False) as none,
        ):
            return [
                await compare(
                    "webhooks-one-hangs",
                    "deliveries/s",
                    lambda: one.delivered(number),
                    bench.plan,
                    peer="none of the ten hangs",
                    limit=lambda: none.delivered(number),
                    at_least=0.9,
                    note=f"{number:,} events for each of nine endpoints, from Kafka to the receiver",
                )
            ]
    finally:
        receiver.stop()


class Endpoints:
    """A service with ten endpoints, of which nine are counted."""

    def __init__(self, service: Engagement, receiver: Process, name: str) -> None:
        self.service, self.receiver, self.name, self.sent = service, receiver, name, count(1)
        self.before = 0

    async def delivered(self, number: int) -> Sample:
        """Publish events until each of the nine endpoints has got them."""
        at = truncate_to_ms(system_now())
        events = [UserMentioned(story_id=new_id(), author_id="ann", user_id=f"user{n}", at=at) for n in range(number)]
        self.before += number
        cost = Cost(self.service.process.cpu_s, self.service.mongod.cpu_s)
        await self.service.publisher.publish_all([OutgoingEvent(event) for event in events])
        await eventually(self.complete, 300)
        return cost.sample(number * (ENDPOINTS - 1))

    def complete(self) -> bool:
        """Whether each of the nine has got everything so far."""
        counts = msgspec.json.decode(get(f"{self.receiver.url}/counts") or b"{}", type=dict[str, int])
        return all(counts.get(f"/{self.name}{n}", 0) >= self.before for n in range(ENDPOINTS - 1))


@asynccontextmanager
async def endpoints(bench: Bench, receiver: Process, name: str, *, hanging: bool) -> AsyncIterator[Endpoints]:
    """A running service with ten endpoints; the last one hangs or responds."""
    admin = {"Authorization": f"Bearer {bench.servers.token('admin', roles=['admin'])}"}
    async with (
        engagement(bench, WEBHOOKS_ALLOW_PRIVATE="true") as service,
        httpx.AsyncClient(base_url=service.process.url, headers=admin, trust_env=False) as http,
    ):
        for n in range(ENDPOINTS):
            path = f"{name}-hangs" if hanging and n == ENDPOINTS - 1 else f"{name}{n}"
            made = await http.post("/v1/admin/webhooks", json={"url": f"{receiver.url}/{path}", "events": EVENT_NAMES})
            made.raise_for_status()
        yield Endpoints(service, receiver, name)
