"""Sign-in by choosing a name, for the web client on a stack without an identity provider.

Development only: `stories up` runs it in its own process, on loopback, and the gateway routes `/dev/sign-in` to it.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@|+~-]{0,127}")
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
MAX_BODY_BYTES = 4096

Tokens = Callable[[str, bool], str]
"""A token for a user, with the role `admin` or without."""


@contextmanager
def serving(port: int, tokens: Tokens) -> Iterator[None]:
    """Answer on `127.0.0.1:port` while the block runs."""

    class Handler(_SignIn):
        token = staticmethod(tokens)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _SignIn(BaseHTTPRequestHandler):
    """`GET`: it is there. `POST {"user", "admin"}`: a token.

    A page of another origin cannot use it: the browser asks before it sends JSON, and a name that resolves to loopback
    (DNS rebinding) fails the check of the host.
    """

    token: Tokens
    timeout = 10

    def do_GET(self) -> None:
        if self._from_here():
            self._answer(HTTPStatus.OK, {"sign_in": "name"})

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
