"""The public keys of the issuer, from a JWKS file or URL, each bound to one algorithm (RFC 8725).

Keys stay valid for a day while a URL does not answer; a file is read again when it changes. Other entries than public
keys of a supported algorithm (symmetric keys above all) are ignored.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import jwt

from stories_shared.clock import Clock
from stories_shared.errors import JWKS, Unavailable
from stories_shared.runtime.logging import logger
from stories_shared.tls import client_context

log = logger(__name__)

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
MAX_SET_BYTES = 1024 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048  # RFC 7518, 3.3

FETCH_TIMEOUT_S = 2.0  # leaves time to answer 503 within three
UNKNOWN_KEY_PAUSE = timedelta(minutes=1)  # contract: an unknown kid refetches at most once a minute
REFRESH_AFTER = timedelta(minutes=10)  # so that a revoked key is removed soon
RETRY_PAUSE = timedelta(seconds=1)  # between retries while there are no keys
MAX_STALENESS = timedelta(hours=24)  # contract: known keys stay valid while the URL does not answer
FILE_POLL_EVERY = timedelta(seconds=1)

Observe = Callable[[str, float, str], None]


def unobserved(_operation: str, _seconds: float, _outcome: str) -> None:
    """Measure nothing."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and its one algorithm."""

    id: str | None
    algorithm: str
    public: Any


class KeySet:
    """Keys by id. The object stays the same until a key changes, so that caches of tokens can be invalidated."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)

    def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """The key with that id, if it is for that algorithm; without an id, the only key for the algorithm."""
        fitting = [key for key in self.keys if key.algorithm == algorithm]
        if key_id is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.id == key_id), None)

    def unless_changed(self, before: "KeySet | None") -> "KeySet":
        """The previous set, if it holds the same keys."""
        return before if before is not None and before.keys == self.keys else self

    def knows(self, key_id: str | None) -> bool:
        return any(key.id == key_id for key in self.keys)


class Keys(Protocol):
    """A source of keys."""

    async def current(self) -> KeySet:
        """The keys. Raises Unavailable if there are none."""

    async def refresh_for_unknown_kid(self) -> KeySet:
        """The keys after a token named an unknown key."""


def keys_from(location: str, now: Clock, ca_bundle: str | None = None, observe: Observe = unobserved) -> Keys:
    """The source of the keys.

    Args:
        location: an http(s) URL, a file URL or a path.
        now: the clock.
        ca_bundle: authorities beside the system's, for a URL.
        observe: called after every read: operation, seconds, outcome.
    """
    path = file_of(location)
    return JwksUrl(location, now, ca_bundle, observe) if path is None else JwksFile(path, now, observe)


def file_of(location: str) -> Path | None:
    """The file that ``AUTH_JWKS`` names; None for a URL."""
    parts = urlsplit(location)
    if parts.scheme in {"http", "https"}:
        return None
    return Path(unquote(parts.path) if parts.scheme == "file" else location)


def check(location: str) -> None:
    """Raise ValueError, naming ``AUTH_JWKS``, for a file without keys. A URL need not answer at the start."""
    path = file_of(location)
    try:
        if path is not None:
            read_key_set(path.read_bytes())
    except OSError as error:
        raise ValueError(f"AUTH_JWKS: {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"AUTH_JWKS: {path}: {error}") from error


def read_key_set(document: bytes | str) -> KeySet:
    """Parse a JWK Set (RFC 7517). Raises ValueError if it is none; ignores unsupported keys."""
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JWK Set: {error}") from error
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise ValueError('not a JWK Set: it has no list of "keys"')  # noqa: TRY004
    keys = [key for entry in entries[:MAX_KEYS] if (key := read_key(entry)) is not None]
    if not keys:
        raise ValueError(f"the JWK Set holds no public key for {', '.join(ALGORITHMS)}")
    return KeySet(keys)


def read_key(entry: object) -> Key | None:
    if not isinstance(entry, Mapping):
        return None
    algorithm = algorithm_of(entry)
    key_id = entry.get("kid")
    if algorithm is None or not isinstance(key_id, str | None):
        return None
    bare = {name: value for name, value in entry.items() if name not in PRIVATE_MEMBERS}
    try:
        public = jwt.PyJWK(bare, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("jwk_invalid", kid=key_id, error=str(error))
        return None
    if entry["kty"] == "RSA" and public.key_size < MIN_RSA_BITS:
        log.warning("jwk_too_short", kid=key_id, bits=public.key_size)
        return None
    return Key(key_id, algorithm, public)


def algorithm_of(entry: Mapping[str, Any]) -> str | None:
    """The algorithm of a JWK; None if it is unsupported or the key is not for signatures."""
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get("key_ops", ["verify"]):
        return None
    alg = entry.get("alg")
    match entry.get("kty"), entry.get("crv"):
        case "RSA", _:
            return alg if alg in {"RS256", "PS256"} else "RS256" if alg is None else None
        case "EC", "P-256":
            return "ES256" if alg in {None, "ES256"} else None
        case "OKP", "Ed25519":
            return "EdDSA" if alg in {None, "EdDSA", "Ed25519"} else None
    return None


class JwksFile:
    """A JWKS file, checked once a second and read again when it has changed."""

    def __init__(self, path: Path, now: Clock, observe: Observe) -> None:
        self.path, self.now, self.observe = path, now, observe
        self.set: KeySet | None = None
        self.loaded_version: tuple[int, int, int] | None = None
        self.checked_at: datetime | None = None

    async def current(self) -> KeySet:
        now = self.now()
        if self.set is None or self.checked_at is None or abs(now - self.checked_at) >= FILE_POLL_EVERY:
            self.checked_at = now
            self.reload()
        if self.set is None:
            raise Unavailable(JWKS, f"{self.path} holds no key")
        return self.set

    async def refresh_for_unknown_kid(self) -> KeySet:
        self.reload()
        return await self.current()

    def reload(self) -> None:
        """Read the file if it has changed; keep the current keys while it is unreadable."""
        began = time.perf_counter()
        try:
            status = self.path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version != self.loaded_version:
                self.set = read_key_set(self.path.read_bytes()).unless_changed(self.set)
                self.loaded_version = version
                self.observe("fetch", time.perf_counter() - began, "ok")
        except (OSError, ValueError) as error:
            self.observe("fetch", time.perf_counter() - began, "error")
            log.warning("jwks_unreadable", path=str(self.path), error=str(error))


class JwksUrl:
    """A JWKS URL: one fetch at a time, at most one a minute for unknown ids; keys stay valid for a day."""

    def __init__(self, url: str, now: Clock, ca_bundle: str | None, observe: Observe) -> None:
        self.url, self.now, self.ca_bundle, self.observe = url, now, ca_bundle, observe
        self.set: KeySet | None = None
        self.fetched_at: datetime | None = None
        self.tried_at: datetime | None = None
        self.refresh_task: asyncio.Task[None] | None = None
        self.ssl_context: ssl.SSLContext | None = None
        import_module("httpx")  # a tenth of a service's start, so only where keys come from a URL

    async def current(self) -> KeySet:
        age = self.now() - self.fetched_at if self.fetched_at is not None else None
        if self.set is None or age is None or age > MAX_STALENESS:
            await self.fetch(RETRY_PAUSE)
        elif age > REFRESH_AFTER:
            self.start_refresh(UNKNOWN_KEY_PAUSE)  # in the background
        return self._current()

    async def refresh_for_unknown_kid(self) -> KeySet:
        await self.fetch(UNKNOWN_KEY_PAUSE)
        return self._current()

    def _current(self) -> KeySet:
        if self.set is None or self.fetched_at is None or self.now() - self.fetched_at > MAX_STALENESS:
            raise Unavailable(JWKS, f"{self.url} does not answer")
        return self.set

    async def fetch(self, pause: timedelta) -> None:
        """Wait for the fetch in progress, or for a new one unless the last began less than ``pause`` ago."""
        task = self.start_refresh(pause)
        if task is not None:
            await asyncio.shield(task)

    def start_refresh(self, pause: timedelta) -> "asyncio.Task[None] | None":
        if self.refresh_task is not None and not self.refresh_task.done():
            return self.refresh_task
        now = self.now()
        if self.tried_at is not None and now - self.tried_at < pause:
            return None
        self.tried_at = now
        self.refresh_task = asyncio.create_task(self._refresh(), name="jwks")
        return self.refresh_task

    async def _refresh(self) -> None:
        import httpx

        began = time.perf_counter()
        try:
            self.set = read_key_set(await self.download()).unless_changed(self.set)
            self.fetched_at = self.now()
            self.observe("fetch", time.perf_counter() - began, "ok")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as error:
            self.observe("fetch", time.perf_counter() - began, "error")
            parts = urlsplit(self.url)  # the rest may be secret
            log.warning(
                "jwks_unreadable", host=parts.hostname, path=parts.path, error=str(error) or type(error).__name__
            )

    async def download(self) -> bytes:
        import httpx

        document = b""
        if self.ssl_context is None:  # reading the authorities takes a tenth of a second, so not on the event loop
            self.ssl_context = await asyncio.to_thread(client_context, self.ca_bundle)
        async with (
            asyncio.timeout(FETCH_TIMEOUT_S),
            httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, verify=self.ssl_context) as client,
            client.stream("GET", self.url, headers={"Accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                document += chunk
                if len(document) > MAX_SET_BYTES:
                    raise ValueError("the JWK Set is too large")
        return document
