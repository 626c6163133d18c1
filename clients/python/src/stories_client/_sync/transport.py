# Made from the module of the same name in `_async` by `make docs`; a test compares.

"""Requests with a token, and with retries where a repetition is harmless."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from stories_client.errors import StoriesError

Token = str | Callable[[bool], str]
"""The bearer token, or how to get one; called with true after a 401, when a new one is needed."""

TRIES = 3
LONGEST_WAIT_S = 5.0
UNAUTHENTICATED, UNAVAILABLE = 401, 503


class Transport:
    """Sends requests. 503 and lost connections are retried for reads, PUT, DELETE, and with an ``Idempotency-Key``."""

    def __init__(self, http: httpx.Client, token: Token) -> None:
        self.http = http
        self._token = token

    @property
    def renews(self) -> bool:
        """Whether a refused token can be renewed."""
        return not isinstance(self._token, str)

    def bearer(self, refused: bool = False) -> dict[str, str]:
        """The header that says who asks."""
        token = self._token if isinstance(self._token, str) else self._token(refused)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def send(
        self, method: str, path: str, *, query: dict[str, Any], headers: dict[str, str], body: Any = None
    ) -> httpx.Response:
        """Send a request; returns the answer, of any status. Raises: StoriesError: it does not answer."""
        repeatable = method != "POST" or "Idempotency-Key" in headers
        refused = False
        attempt = 1
        while True:
            wait = 0.3 * 2**attempt
            last = not repeatable or attempt == TRIES
            try:
                sent = headers | self.bearer(refused)
                response = self.http.request(method, path, params=query, headers=sent, json=body)
            except httpx.TransportError as error:
                if last:
                    raise StoriesError.unreachable(error) from error
            else:
                if response.status_code == UNAUTHENTICATED and not refused and self.renews:
                    refused = True
                    continue
                after = response.headers.get("Retry-After", "")
                wait = float(after) if after.isdecimal() else wait
                if response.status_code != UNAVAILABLE or last or wait > LONGEST_WAIT_S:
                    return response
            time.sleep(wait)
            attempt += 1
