"""uvicorn's HTTP protocol with one write for a response, instead of one for its head and one for its body.

uvloop writes at once, so each write is a system call that wakes the client: two of them were a tenth of a hot request.
"""

from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

BODILESS = frozenset({204, 304})


class OneWriteCycle(RequestResponseCycle):
    """A request and its response, whose head is held until its body comes if that is of a known length."""

    head: Message | None = None

    async def send(self, message: Any) -> None:
        """Send a message of ASGI: of a response in one piece both at once, of others each by itself."""
        if message["type"] == "http.response.start":
            if not self.response_started and has_length(message):
                self.head = message
            else:
                await super().send(message)
            return
        head, self.head = self.head, None
        if head is None:
            await super().send(message)
        elif message.get("more_body") or self.scope["method"] == "HEAD":
            await super().send(head)  # type: ignore[arg-type]
            await super().send(message)
        else:
            await self._respond(head["status"], head["headers"], message.get("body", b""))

    async def _respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Write a whole response.

        Raises:
            RuntimeError: a character that no header may hold, or a wrong ``content-length``.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            name = name.lower()  # noqa: PLW2901
            if name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                continue
            if name == b"content-length" and int(value) != len(body):
                raise RuntimeError("the response is not as long as its content-length")
            lines += (name, b": ", value, b"\r\n")
        if HEADER_RE.search(b"".join(lines[1::4])) or HEADER_VALUE_RE.search(b"".join(lines[3::4])):
            raise RuntimeError("a header holds a character that none may hold")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", body)
        self.response_started = self.response_complete = True
        self.transport.write(b"".join(lines))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def has_length(start: Message) -> bool:
    """Whether the length of a response's body is known by its head."""
    return start["status"] in BODILESS or any(name.lower() == b"content-length" for name, _ in start["headers"])


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with cycles that write once, and one keep-alive timer for a connection, not for a request."""

    idle_since: float | None = None
    """When the last response was written, on the loop's clock; None while a request is received or answered."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the timer, which would keep this object."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _unset_keepalive_if_required(self) -> None:
        """Let the timer find that the connection is busy."""
        self.idle_since = None

    def on_response_complete(self) -> None:
        """Begin the next request that waits, or be idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self.idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._check_idle_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for all of the time, else look again."""
        self.timeout_keep_alive_task = None
        if self.idle_since is None:  # the end of its request sets the timer again
            return
        left_s = self.idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._check_idle_in(left_s)
        else:
            super().timeout_keep_alive_handler()

    def _check_idle_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = OneWriteCycle
        super()._start_asgi_task(cycle, app)
