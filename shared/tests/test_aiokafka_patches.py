"""A write to a reset connection fails with a connection error, so that the client reconnects."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from stories_shared.kafka import aiokafka_patches
from stories_shared.kafka.client import Kafka

RESET = struct.pack("ii", 1, 0)
SPEAKS_METADATA = struct.pack(">hi", 0, 1) + struct.pack(">hhh", MetadataRequest.API_KEY, 0, 1)
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def say_versions_then_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As a broker does that is killed with questions unread."""
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    request = await reader.readexactly(size)
    answer = request[4:8] + SPEAKS_METADATA
    writer.write(struct.pack(">i", len(answer)) + answer)
    await writer.drain()
    await reader.readexactly(1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def sent_at_the_reset() -> BaseException | None:
    """The error of a request on a connection that was just lost and is not closed yet."""
    server = await asyncio.start_server(say_versions_then_reset, "127.0.0.1", 0)
    connection: Any = await create_conn(*server.sockets[0].getsockname(), request_timeout_ms=2_000)
    outcome: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def ask(_lost: object) -> None:
        assert connection.connected()
        try:
            answer = asyncio.ensure_future(connection.send(MetadataRequest([])))
        except Exception as error:  # noqa: BLE001  (which one is tested)
            outcome.set_result(error)
        else:
            answer.add_done_callback(lambda done: outcome.set_result(done.exception()))

    connection._closed_fut.add_done_callback(ask)
    connection._writer.write(b"?")
    async with server:
        error = await outcome
        assert not connection.connected()
        return error


@pytest.mark.parametrize("loop", LOOPS)
def test_request_on_a_reset_connection_fails_with_a_connection_error(loop: str) -> None:
    make: Callable[[], asyncio.AbstractEventLoop] = LOOPS[loop]
    with asyncio.Runner(loop_factory=make) as runner:
        assert isinstance(runner.run(sent_at_the_reset()), KafkaConnectionError)


def test_kafka_client_patches_connection_errors_once() -> None:
    assert Kafka("nowhere:1").arguments
    patched = AIOKafkaConnection.send, AIOKafkaConnection._send_sasl_token
    aiokafka_patches.patch_connection_errors()
    assert (AIOKafkaConnection.send, AIOKafkaConnection._send_sasl_token) == patched
    assert not any(hasattr(send.__wrapped__, "__wrapped__") for send in patched)
