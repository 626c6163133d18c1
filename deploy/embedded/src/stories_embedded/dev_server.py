"""The routes `/dev/…` for the web client: sign-in by choosing a name, and the stack's activity.

Development only: `stories up` runs it in its own process, on loopback, and the gateway routes to it.
"""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .activity import Activity

USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@|+~-]{0,127}")
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
MAX_BODY_BYTES = 4096
MAX_STREAMS = 8

Tokens = Callable[[str, bool], str]
"""A token for a user, with the role `admin` or without."""


@contextmanager
def serving(port: int, tokens: Tokens, activity: Activity | None = None) -> Iterator[None]:
    """Answer on `127.0.0.1:port` while the block runs."""

    class Handler(_DevRoutes):
        token = staticmethod(tokens)
        stack = activity
        streams = threading.BoundedSemaphore(MAX_STREAMS)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _DevRoutes(BaseHTTPRequestHandler):
    """`GET`: it is there. `POST {"user", "admin"}`: a token. `GET /dev/events`: the activity as an event stream.

    A page of another origin cannot use it: the browser asks before it sends JSON, and a name that resolves to loopback
    (DNS rebinding) fails the check of the host.
    """

    token: Tokens
    stack: Activity | None
    streams: threading.BoundedSemaphore
    timeout = 10

    def do_GET(self) -> None:
        if not self._from_here():
            return
        if self.path == "/dev/events":
            self._stream_activity()
        else:
            self._answer(HTTPStatus.OK, {"sign_in": "name"})

    def _stream_activity(self) -> None:
        if self.stack is None:
            self._problem(HTTPStatus.NOT_FOUND, "not-found", None)
        elif not self.streams.acquire(blocking=False):
            self._problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", f"{MAX_STREAMS} clients are connected already")
        else:
            try:
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                asyncio.run(self._send(self.stack))
            finally:
                self.streams.release()

    async def _send(self, activity: Activity) -> None:
        def send(name: str, data: Any) -> None:
            self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

        try:
            await activity.stream(send)
        except* OSError:
            self.close_connection = True  # the client has disconnected

    def do_POST(self) -> None:
        if not self._from_here():
            return
        if self.headers.get_content_type() != "application/json":
            self._problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "the body must be JSON")
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            asked = json.loads(self.rfile.read(length) if length <= MAX_BODY_BYTES else b"")
        except ValueError:
            asked = None
        user = asked.get("user") if isinstance(asked, dict) else None
        if not isinstance(user, str) or not USER.fullmatch(user):
            self._problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "a name has letters, digits and _ . : @ | + ~ -")
            return
        admin = isinstance(asked, dict) and asked.get("admin") is True
        self._answer(HTTPStatus.OK, {"user": user, "token": self.token(user, admin)})

    def _from_here(self) -> bool:
        host = (self.headers.get("Host") or "").rpartition(":")[0] or (self.headers.get("Host") or "")
        if host in LOOPBACK and self.headers.get("Sec-Fetch-Site", "same-origin") in {"same-origin", "none"}:
            return True
        self._problem(HTTPStatus.NOT_FOUND, "not-found", None)
        return False

    def _problem(self, status: HTTPStatus, slug: str, detail: str | None) -> None:
        body = {"type": f"urn:stories:{slug}", "title": status.phrase.capitalize(), "status": status, "detail": detail}
        self._answer(status, body, "application/problem+json")

    def _answer(self, status: HTTPStatus, body: Any, content_type: str = "application/json") -> None:
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", "private, no-store")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """Log nothing: requests are those of one developer."""
