"""A TCP proxy in front of a server that can inject network faults."""

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field
from typing import Literal

CHUNK = 65_536
NO_LINGER = struct.pack("ii", 1, 0)
Mode = Literal["open", "slow", "cut", "hole", "deaf", "torn"]
"""The fault that the proxy injects.

* `open`: none
* `slow`: delays every chunk by `delay_s`
* `cut`: resets open and new connections
* `hole`: withholds data in both directions without an error; it is delivered later
* `deaf`: withholds only responses, so requests are executed
* `torn`: sometimes truncates a chunk and resets the connection
"""


@dataclass
class Proxy:
    """One local port in front of another."""

    name: str
    upstream: int
    port: int
    rng: random.Random
    mode: Mode = "open"
    delay_s: float = 0.0
    host: str = "127.0.0.1"
    connections: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Start listening."""
        self._open.set()
        self._server = await asyncio.start_server(self._connected, self.host, self.port)

    async def stop(self) -> None:
        """Reset all connections and stop listening."""
        if self._server is not None:
            self._server.close()
        self._reset()

    def set_mode(self, mode: Mode, delay_s: float = 0.0) -> None:
        """Inject this fault from now on."""
        self.mode, self.delay_s = mode, delay_s
        if mode in {"hole", "deaf"}:
            self._open.clear()
        else:
            self._open.set()
        if mode == "cut":
            self._reset()

    def _reset(self) -> None:
        for writer in list(self._writers):
            reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.mode == "cut":
            reset(writer)
            return
        try:
            behind = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, behind[1]}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, behind[1], answers=False))
                group.create_task(self._pump(behind[0], writer, answers=True))
        except* (OSError, asyncio.IncompleteReadError):
            for end in ends:
                reset(end)
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while piece := await reader.read(CHUNK):
            if self.mode == "hole" or (self.mode == "deaf" and answers):
                await self._open.wait()
            if self.mode == "slow":
                await asyncio.sleep(self.delay_s * self.rng.uniform(0.5, 1.5))
            if self.mode == "torn" and self.rng.random() < 0.05:
                writer.write(piece[: len(piece) // 2])
                with contextlib.suppress(OSError):
                    await writer.drain()
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """Reset a connection as the kernel does for a killed process: the peer gets an error, not an end of file."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()
