"""An early error reaches a client that is still sending."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from stories_shared.http.drain_body import DRAIN_TIMEOUT_S, DrainBodyMiddleware
from stories_shared.testing import eventually

HEADER = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\n"


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads no body."""
    headers = {"Connection": "close"}
    await PlainTextResponse("no" * 500, 415, headers)(scope, receive, send)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(DrainBodyMiddleware(refusing), host="127.0.0.1", port=0, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def request(port: int, header: bytes, *body: bytes) -> bytes:
    """All that comes back, however long before the end of the body it was decided."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEADER + header + b"\r\n")
    for part in body:
        await asyncio.sleep(0.1)
        writer.write(part)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"Content-Length: 6\r\n", [b"abc", b"def"]),
        (b"Transfer-Encoding: chunked\r\n", [b"3\r\nabc\r\n", b"3\r\ndef\r\n", b"0\r\n\r\n"]),
        (b"", []),
        (b"Content-Length: 0\r\n", []),
    ],
)
async def test_early_error_reaches_a_client_that_still_sends(port: int, header: bytes, body: list[bytes]) -> None:
    for _ in range(5):
        answer = await request(port, header, *body)
        assert answer.startswith(b"HTTP/1.1 415")
        assert answer.endswith(b"no" * 500)


async def test_incomplete_body_still_gets_a_response(port: int) -> None:
    async with asyncio.timeout(DRAIN_TIMEOUT_S + 30):
        assert (await request(port, b"Content-Length: 6\r\n", b"abc")).startswith(b"HTTP/1.1 415")


async def test_oversized_body_is_not_drained(port: int) -> None:
    async with asyncio.timeout(30):
        assert (await request(port, b"Content-Length: 99999999\r\n")).startswith(b"HTTP/1.1 415")
