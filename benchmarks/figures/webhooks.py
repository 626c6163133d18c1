"""Webhook deliveries to ten endpoints, one of which hangs, beside none that does."""

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from urllib.parse import urlsplit

import httpx
import msgspec
from stories_embedded.ports import free_port
from stories_embedded.testing import Realm
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import UserMentioned
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.testing import eventually

from ..bench import Bench
from ..processes import READY_S, Process, get, start
from ..registry import figure
from ..results import Result, Sample, compare
from .views import Engagement

ENDPOINTS, EVENTS = 10, 300
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
    number, port = max(100, int(EVENTS * bench.plan.scale)), free_port(set())
    receiver = start([sys.executable, "-c", RECEIVER, str(port)], port=port)
    try:
        await eventually(lambda: get(f"{receiver.url}/counts") is not None, READY_S)
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
        process = self.service.process
        used, began = process.cpu_s() + self.service.mongod.cpu_s(), time.monotonic()
        await self.service.publisher.publish_all([OutgoingEvent(event) for event in events])
        await eventually(self.complete, 300)
        took, used = time.monotonic() - began, process.cpu_s() + self.service.mongod.cpu_s() - used
        deliveries = number * (ENDPOINTS - 1)
        return Sample(deliveries / took, used / deliveries * 1e6)

    def complete(self) -> bool:
        """Whether each of the nine has got everything so far."""
        counts = msgspec.json.decode(get(f"{self.receiver.url}/counts") or b"{}", type=dict[str, int])
        return all(counts.get(f"/{self.name}{n}", 0) >= self.before for n in range(ENDPOINTS - 1))


@asynccontextmanager
async def endpoints(bench: Bench, receiver: Process, name: str, *, hanging: bool) -> AsyncIterator[Endpoints]:
    """A running service with ten endpoints; the last one hangs or responds."""
    service = Engagement(bench, bench.settings(Realm(bench.servers), WEBHOOKS_ALLOW_PRIVATE="true"))
    await service.start()
    try:
        admin = {"Authorization": f"Bearer {bench.servers.token('admin', roles=['admin'])}"}
        async with httpx.AsyncClient(base_url=service.process.url, headers=admin, trust_env=False) as http:
            for n in range(ENDPOINTS):
                path = f"{name}-hangs" if hanging and n == ENDPOINTS - 1 else f"{name}{n}"
                url = f"http://127.0.0.1:{urlsplit(receiver.url).port}/{path}"
                made = await http.post("/v1/admin/webhooks", json={"url": url, "events": ["user-mentioned"]})
                made.raise_for_status()
        yield Endpoints(service, receiver, name)
    finally:
        await service.close()
