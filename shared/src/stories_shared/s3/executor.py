"""Runs the SDK's blocking calls in thread pools, bounded in number and time, and translates their errors."""

import asyncio
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import urllib3
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from stories_shared.errors import S3, Unavailable

CONNECT_S, READ_S, CALL_S = 1.0, 2.0, 2.8  # a call ends within three seconds
TRANSFER_READ_S = 30.0  # a store may need long to make half a gigabyte durable
CALLS_AT_ONCE, TRANSFERS_AT_ONCE = 16, 4

MISSING = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound", "NoSuchUpload"})
UNSUPPORTED = frozenset({"NotImplemented", "AccessDenied", "MethodNotAllowed"})
"""Codes of a store that has no such rules, or of an account that may not set them."""
Observe = Callable[[str, float, str], None]
"""Called with operation, seconds and outcome (``ok``, ``error``)."""

T = TypeVar("T")


class S3Executor:
    """Short calls and transfers in separate pools, so that large transfers do not delay short calls."""

    def __init__(self, observe: Observe) -> None:
        self.observe = observe
        self.calls = ThreadPoolExecutor(CALLS_AT_ONCE, "s3-call")
        self.transfers = ThreadPoolExecutor(TRANSFERS_AT_ONCE, "s3-transfer")

    def close(self) -> None:
        """Shut down without waiting; running calls end by their own timeouts."""
        self.calls.shutdown(wait=False, cancel_futures=True)
        self.transfers.shutdown(wait=False, cancel_futures=True)

    async def call(self, operation: str, action: Callable[[], T]) -> T:
        """A short call with a deadline of 2.8 s; its thread ends by its own timeouts."""
        return await self.run(self.calls, operation, action, CALL_S)

    async def transfer(self, operation: str, action: Callable[[], T]) -> T:
        """A transfer of an object, without a deadline as long as bytes arrive."""
        return await self.run(self.transfers, operation, action, None)

    async def run(self, threads: ThreadPoolExecutor, operation: str, action: Callable[[], T], limit: float | None) -> T:
        began, outcome = time.perf_counter(), "error"
        try:
            async with asyncio.timeout(limit):
                result = await asyncio.get_running_loop().run_in_executor(threads, translate_errors, action)
            outcome = "ok"
        except TimeoutError as error:
            raise Unavailable(S3, f"no answer to {operation} within {limit} s") from error
        else:
            return result
        finally:
            self.observe(operation, time.perf_counter() - began, outcome)


def pool_manager(read_s: float, at_once: int, retried: set[str] | None, trust: ssl.SSLContext) -> urllib3.PoolManager:
    """Connections with short timeouts. One retry covers idle connections that the store has closed."""
    retry = urllib3.Retry(total=1, redirect=0, status=0, allowed_methods=retried, raise_on_status=False)
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
        maxsize=at_once,
        block=True,
        retries=retry,
        ssl_context=trust,
    )


def parse_endpoint(endpoint: str, secure: bool) -> tuple[str, bool]:
    """Host and port, and whether over TLS, of ``host:port`` or a URL."""
    scheme, separator, host = endpoint.rpartition("://")
    return host.rstrip("/"), (scheme == "https" if separator else secure)


def translate_errors(action: Callable[[], T]) -> T:
    """Run an operation; errors of the store and the connection become Unavailable, others pass."""
    try:
        return action()
    except S3Error as error:
        raise Unavailable(S3, f"{error.code}") from error
    except (MinioException, HTTPError) as error:
        raise Unavailable(S3, type(error).__name__) from error


def none_if_missing(action: Callable[[], T]) -> T | None:
    """The result, or None if the object does not exist."""
    try:
        return action()
    except S3Error as error:
        if error.code in MISSING:
            return None
        raise
