"""Responses on the wire: one write for those in one piece, and HTTP as before."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from stories_shared.runtime.http_protocol import HttpProtocol
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


async def written(app: Application, request: bytes = GET) -> Wire:
    """The connection after a request."""
    config = Config(app, log_config=None, lifespan="off")  # type: ignore[arg-type]
    config.load()
    state, wire = ServerState(), Wire()
    protocol = HttpProtocol(config, state, {})
    protocol.connection_made(wire)
    protocol.data_received(request)
    while state.tasks:
        await asyncio.gather(*state.tasks)
    return wire


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
