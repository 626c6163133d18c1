"""How S3 is called: blocking calls of the SDK in threads of their own, bounded in number and time, failures named."""

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

CONNECT_S, READ_S, CALL_S = 1.0, 2.0, 2.8  # a call answers, or is given up, within three seconds
TRANSFER_READ_S = 30.0  # a store may take its time to make half a gigabyte durable
CALLS_AT_ONCE, TRANSFERS_AT_ONCE = 16, 4

MISSING = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound", "NoSuchUpload"})
Observe = Callable[[str, float, str], None]
"""Gets operation, seconds and outcome (``ok``, ``error``)."""

T = TypeVar("T")


class S3Executor:
    """Short calls and transfers, apart: half a gigabyte on its way keeps nobody waiting for a stat."""

    def __init__(self, observe: Observe) -> None:
        self.observe = observe
        self.calls = ThreadPoolExecutor(CALLS_AT_ONCE, "s3-call")
        self.transfers = ThreadPoolExecutor(TRANSFERS_AT_ONCE, "s3-transfer")

    def close(self) -> None:
        """Waits for nothing: what runs ends by its own time-outs."""
        self.calls.shutdown(wait=False, cancel_futures=True)
        self.transfers.shutdown(wait=False, cancel_futures=True)

    async def call(self, operation: str, verb: Callable[[], T]) -> T:
        """A short call, given up after 2.8 s; its thread ends by its own time-outs."""
        return await self.run(self.calls, operation, verb, CALL_S)

    async def transfer(self, operation: str, verb: Callable[[], T]) -> T:
        """Bytes of an object, few at a time and as long as bytes move."""
        return await self.run(self.transfers, operation, verb, None)

    async def run(self, threads: ThreadPoolExecutor, operation: str, verb: Callable[[], T], limit: float | None) -> T:
        began, outcome = time.perf_counter(), "error"
        try:
            async with asyncio.timeout(limit):
                result = await asyncio.get_running_loop().run_in_executor(threads, translate_errors, verb)
            outcome = "ok"
        except TimeoutError as error:
            raise Unavailable(S3, f"no answer to {operation} within {limit} s") from error
        else:
            return result
        finally:
            self.observe(operation, time.perf_counter() - began, outcome)


def pool_manager(
    read_s: float, at_once: int, retried: set[str] | None, trust: ssl.SSLContext | None = None
) -> urllib3.PoolManager:
    """Connections that give up soon. One more try covers those that the store closed while they were idle."""
    retry = urllib3.Retry(total=1, redirect=0, status=0, allowed_methods=retried, raise_on_status=False)
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
        maxsize=at_once,
        block=True,
        retries=retry,
        ssl_context=trust,
    )


def parse_endpoint(place: str, secure: bool) -> tuple[str, bool]:
    """Host and port, and whether over TLS, of ``host:port`` or a URL."""
    scheme, mark, host = place.rpartition("://")
    return host.rstrip("/"), (scheme == "https" if mark else secure)


def translate_errors(verb: Callable[[], T]) -> T:
    """Runs a verb; whatever the store or the way to it refuses becomes Unavailable, our own mistakes stay mistakes."""
    try:
        return verb()
    except S3Error as error:
        raise Unavailable(S3, f"{error.code}") from error
    except (MinioException, HTTPError) as error:
        raise Unavailable(S3, type(error).__name__) from error


def none_if_missing(verb: Callable[[], T]) -> T | None:
    """None where the object is not there."""
    try:
        return verb()
    except S3Error as error:
        if error.code in MISSING:
            return None
        raise
