"""The HTTP client of webhooks: bounded in time and size, without redirects, and to public addresses only.

The network backend resolves a name, checks every address, and connects to one that it has checked; TLS and the header
`Host` keep the name. So a name that resolves to something else a moment later (DNS rebinding) reaches nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore

from stories_engagement.domain.webhooks import Attempt, BadUrl, check_url, is_public

DELIVERY_TIMEOUT_S = 8.0
"""From resolving the name to the end of the response; shorter than the lease under which a round delivers."""

MAX_RESPONSE_BYTES = 64 * 1024
"""The most that is read of a response so that its connection can be reused; a longer one closes the connection."""

MAX_CONNECTIONS = 20
MAX_ADDRESSES = 3
"""The most addresses of one host name that are tried."""

SUCCESS = range(200, 300)
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressRefused(Exception):
    """A name leads to an address that webhooks may not reach."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked after the resolution."""

    def __init__(self, resolve: Resolve, *, allow_private: bool) -> None:
        self._backend = httpcore.AnyIOBackend()
        self._resolve = resolve
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the interface of httpcore)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that accepts. Raises `AddressRefused` if one of them is not public."""
        addresses = await self._resolve(host, port)
        if not addresses:
            raise httpcore.ConnectError("no address")
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise AddressRefused
        failure: Exception = httpcore.ConnectError("no address")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Not for webhooks."""
        raise AddressRefused(path)

    async def sleep(self, seconds: float) -> None:
        """Sleep between retries of httpcore, of which there are none."""
        await self._backend.sleep(seconds)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class WebhookClient:
    """The client of one endpoint, with connections and a resolver thread of its own: a slow one delays no other."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        *,
        allow_private: bool = False,
        timeout_s: float = DELIVERY_TIMEOUT_S,
        resolve: Resolve | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(1, "resolve-webhook")
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=30.0,
            network_backend=CheckedBackend(resolve or self._resolve, allow_private=allow_private),
        )

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """POST once. A status of 2xx is a success; every other outcome has a one-word reason."""
        try:
            check_url(url, allow_private=self._allow_private)
            async with asyncio.timeout(self._timeout_s):
                return await self._post(url, headers, body)
        except (AddressRefused, BadUrl):
            return Attempt(None, "address_refused")
        except (TimeoutError, httpcore.TimeoutException):
            return Attempt(None, "timeout")
        except httpcore.ConnectError as error:
            return Attempt(
                None, "tls" if any(isinstance(each, ssl.SSLError) for each in causes(error)) else "unreachable"
            )
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return Attempt(None, "connection_broken")

    async def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._pool.aclose()

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        async with self._pool.stream("POST", url, headers=list(headers.items()), content=body) as response:
            status: int = response.status
            if status in SUCCESS:
                await self._read_some(response)
                return Attempt(status, None)
            return Attempt(status, "redirect" if 300 <= status < 400 else "status")

    async def _read_some(self, response: httpcore.Response) -> None:
        """Read a short response to its end. Its status counts even if the rest of it is lost."""
        left = MAX_RESPONSE_BYTES
        try:
            async for part in response.aiter_stream():
                left -= len(part)
                if left < 0:
                    return
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
            return

    async def _resolve(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
