"""Responses on the wire: one write for those in one piece, and HTTP as before."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from stories_shared.runtime.http_protocol import HttpProtocol
from stories_shared.testing import eventually
from uvicorn.config import Config
from uvicorn.server import ServerState

GET = b"GET /v1/tray HTTP/1.1\r\nHost: x\r\n\r\n"
PLAIN = [(b"Content-Type", b"application/json")]


class Wire(asyncio.Transport):
    """A connection that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def resume_reading(self) -> None: ...


Application = Callable[[Any, Any, Any], Awaitable[None]]


def answering(status: int, headers: list[tuple[bytes, bytes]], *bodies: bytes) -> Application:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for number, body in enumerate(bodies, 1):
            await send({"type": "http.response.body", "body": body, "more_body": number < len(bodies)})

    return app


def connected(app: Application, keep_alive_s: float = 5) -> tuple[HttpProtocol, Wire]:
    """A protocol and its connection."""
    config = Config(app, log_config=None, lifespan="off", timeout_keep_alive=keep_alive_s)  # type: ignore[arg-type]
    config.load()
    protocol, wire = HttpProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    return protocol, wire


async def written(app: Application, request: bytes = GET) -> Wire:
    """The connection after a request."""
    protocol, wire = connected(app)
    await requested(protocol, request)
    protocol.connection_lost(ConnectionResetError())
    return wire


async def requested(protocol: HttpProtocol, request: bytes = GET) -> None:
    """Send a request and wait for the end of its response."""
    protocol.data_received(request)
    while protocol.tasks:
        await asyncio.gather(*protocol.tasks)


async def test_response_in_one_piece_is_one_write():
    wire = await written(answering(200, [*PLAIN, (b"content-length", b"2")], b"{}"))
    assert wire.written == [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"]
    assert not wire.closed


async def test_not_modified_is_one_write_without_a_length():
    wire = await written(answering(304, [(b"etag", b'"a"')], b""))
    assert wire.written == [b'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n']


async def test_response_of_unknown_length_is_written_as_it_comes():
    wire = await written(answering(200, PLAIN, b"data: 1\n\n", b""))
    assert wire.written[0].endswith(b"transfer-encoding: chunked\r\n\r\n")
    assert wire.written[1:] == [b"9\r\ndata: 1\n\n\r\n", b"0\r\n\r\n"]


async def test_parts_of_a_known_length_and_head_are_as_before():
    parts = await written(answering(200, [(b"content-length", b"4")], b"ab", b"cd"))
    assert parts.written[1:] == [b"ab", b"cd"]
    head = await written(answering(200, [(b"content-length", b"2")], b"{}"), GET.replace(b"GET", b"HEAD"))
    assert b"".join(head.written).endswith(b"content-length: 2\r\n\r\n")


@pytest.mark.parametrize(
    ("app", "request_"),
    [
        (answering(200, [(b"content-length", b"2"), (b"connection", b"close")], b"{}"), GET),
        (
            answering(200, [(b"content-length", b"2")], b"{}"),
            GET.replace(b"x\r\n\r\n", b"x\r\nConnection: close\r\n\r\n"),
        ),
    ],
)
async def test_connection_is_closed_where_either_side_asks(app: Application, request_: bytes):
    wire = await written(app, request_)
    assert wire.closed
    assert b"".join(wire.written).count(b"connection: close") == 1


@pytest.mark.parametrize(
    "headers", [[(b"content-length", b"3")], [(b"content-length", b"2"), (b"location", b"/a\r\nset-cookie: b")]]
)
async def test_malformed_response_becomes_a_500(headers: list[tuple[bytes, bytes]]):
    wire = await written(answering(200, headers, b"{}"))
    assert b"".join(wire.written).startswith(b"HTTP/1.1 500 ")


async def test_pipelined_requests_are_answered_in_order():
    wire = await written(answering(200, [(b"content-length", b"2")], b"{}"), GET + GET)
    assert len(wire.written) == 2


async def test_connection_closes_when_idle_and_not_while_a_request_comes():
    protocol, wire = connected(answering(200, [(b"content-length", b"2")], b"{}"), keep_alive_s=0.1)
    await requested(protocol)
    timer = protocol.timeout_keep_alive_task
    await requested(protocol)
    assert protocol.timeout_keep_alive_task is timer
    protocol.data_received(GET[:10])
    await asyncio.sleep(0.3)
    assert not wire.closed
    await requested(protocol, GET[10:])
    await eventually(lambda: wire.closed)


async def test_lost_connection_keeps_no_timer():
    protocol, _ = connected(answering(200, [(b"content-length", b"2")], b"{}"))
    await requested(protocol)
    protocol.connection_lost(ConnectionResetError())
    assert protocol.timeout_keep_alive_task is None
