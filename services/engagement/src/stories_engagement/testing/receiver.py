"""A receiver of webhooks that answers, fails, hangs or lies."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar

Manner = Literal["accept", "fail", "hang", "drip", "lie", "redirect"]

ANSWERS: dict[str, bytes] = {
    "accept": b"HTTP/1.1 204 No Content\r\n\r\n",
    "fail": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "lie": b"HTTP/1.1 banana\r\nContent-Length: -7\r\n\r\n",
}


@dataclass
class Request:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """The requests that a receiver got, and how it answers the next ones."""

    manner: Manner = "accept"
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def of(self, story_id: str) -> list[Request]:
        """The requests about one story."""
        return [request for request in self.requests if json.loads(request.body)["subject"] == story_id]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read requests of a connection and answer them."""
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *lines = head.decode().strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Request(line.split(" ")[1], headers, body))
                await self.respond(self.requests[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def respond(self, request: Request, writer: asyncio.StreamWriter) -> None:  # noqa: ARG002  (for subclasses)
        """Answer a request in the present manner."""
        if self.manner == "hang":
            await asyncio.Event().wait()
        while self.manner == "drip":
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(ANSWERS[self.manner])
        await writer.drain()


R = TypeVar("R", bound=Receiver)


@asynccontextmanager
async def receiving(manner: Manner = "accept", tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of this machine."""
    async with listening(Receiver(manner), tls) as receiver:
        yield receiver


@asynccontextmanager
async def listening(receiver: R, tls: ssl.SSLContext | None = None) -> AsyncIterator[R]:
    """This receiver, on a free port of this machine."""
    tasks = set[asyncio.Task[None]]()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(receiver.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
