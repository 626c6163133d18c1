"""Responses that are streams of server-sent events (HTML standard, 9.2), as bare ASGI.

`sse-starlette` is not used: it starts four tasks for each connection and buffers without a bound for a client that does
not read.
"""

import asyncio
import contextlib
from typing import Any, Protocol

from starlette.responses import Response

# What a client has not read: at most this much in the process, then the messages that wait for it.
WRITE_BUFFER_BYTES = 8 * 1024


class Messages(Protocol):
    """The messages of one connection."""

    async def next(self) -> bytes | None:
        """The next message as it goes over the wire; None at the end."""
        ...

    def end(self) -> None:
        """End after the messages that wait."""
        ...

    def on_abort(self, abort: Any) -> None:
        """Set what to call to drop a client that does not read."""
        ...

    def close(self) -> None:
        """The client has gone."""
        ...


class EventStreamResponse(Response):
    """A stream of server-sent events that ends with its messages or with the client."""

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        self.status_code, self.body, self.background = 200, b"", None
        self.raw_headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"private, no-store"),
            (b"x-accel-buffering", b"no"),  # nginx: pass on at once
        ]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send messages until they end, the client goes, or it does not read.

        Thousands of streams wait at a time, so under uvicorn none has a task besides its request's.
        """
        cycle = getattr(receive, "__self__", None)  # of uvicorn
        transport = getattr(cycle, "transport", None)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope.get("stories.head"):
                await send({"type": "http.response.body", "body": b""})
            elif cycle is None or transport is None:
                await self._send_in_task(receive, send)
            else:
                cycle.message_event = EndsWithClient(cycle, self.messages)
                cycle.message_event.set()
                transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
                self.messages.on_abort(transport.abort)
                await self._send(send)
        finally:
            self.messages.close()
            if transport is not None and not transport.is_closing():
                transport.set_write_buffer_limits()  # the connection may serve other requests

    async def _send_in_task(self, receive: Any, send: Any) -> None:
        """Send, in a task that an abort or the client's going cancels."""
        tasks = [asyncio.create_task(self._send(send)), asyncio.create_task(until_disconnect(receive))]
        self.messages.on_abort(tasks[0].cancel)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _send(self, send: Any) -> None:
        while (message := await self.messages.next()) is not None:
            await send({"type": "http.response.body", "body": message, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class EndsWithClient:
    """In place of the event that uvicorn sets when the client goes: ends the messages, and nobody waits for it."""

    __slots__ = ("_cycle", "_messages")

    def __init__(self, cycle: Any, messages: Messages) -> None:
        self._cycle = cycle
        self._messages = messages

    def set(self) -> None:
        """End the messages once the client has gone."""
        if self._cycle.disconnected:
            self._messages.end()

    def clear(self) -> None:
        """Nothing is kept."""


async def until_disconnect(receive: Any) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
