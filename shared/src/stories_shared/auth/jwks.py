"""The keys that tokens are checked with: read from a JWKS file or URL, each bound to one algorithm (RFC 8725).

A URL that falls silent costs nothing for a day; a file is read again when it changes. What is not a public key of an
algorithm we take (symmetric keys above all) is not there.
"""

import asyncio
import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import jwt

from stories_shared.clock import Clock
from stories_shared.errors import Unavailable
from stories_shared.runtime.logging import logger
from stories_shared.tls import client_context

log = logger(__name__)

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
MAX_SET_BYTES = 1024 * 1024
MAX_KEYS = 100
SMALLEST_RSA_BITS = 2048  # RFC 7518, 3.3

FETCH_SECONDS = 2.0  # leaves room to answer 503 within three
UNKNOWN_KEY_PAUSE = timedelta(minutes=1)  # contract: an unknown kid refetches at most once a minute
REFRESH_AFTER = timedelta(minutes=10)  # so that a withdrawn key is gone soon
RETRY_PAUSE = timedelta(seconds=1)  # between tries while there is no key at all
MAX_STALENESS = timedelta(hours=24)  # contract: known keys serve on when the URL is silent
FILE_POLL_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the one algorithm it is for."""

    id: str | None
    algorithm: str
    public: Any


class KeySet:
    """Keys by id. It is the same object until a key is another, so that what was verified before can be forgotten."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self.keys = tuple(keys)

    def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """The key of that id, if it is for that algorithm; without an id, the only one there is for it."""
        fitting = [key for key in self.keys if key.algorithm == algorithm]
        if key_id is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.id == key_id), None)

    def unless_changed(self, before: "KeySet | None") -> "KeySet":
        """The set before, where it holds the same keys."""
        return before if before is not None and before.keys == self.keys else self

    def knows(self, key_id: str | None) -> bool:
        return any(key.id == key_id for key in self.keys)


class Keys(Protocol):
    """Where keys come from."""

    async def current(self) -> KeySet:
        """Raises Unavailable where none could be had."""

    async def refresh_for_unknown_kid(self) -> KeySet:
        """The same, after somebody named a key that is not in it."""


def keys_from(place: str, now: Clock, ca_bundle: str | None = None) -> Keys:
    """``place``: an http(s) URL, a file URL or a path. ``ca_bundle``: authorities beside the system's, for a URL."""
    path = file_of(place)
    return JwksUrl(place, now, ca_bundle) if path is None else JwksFile(path, now)


def file_of(place: str) -> Path | None:
    """The file that ``AUTH_JWKS`` names; None where it is a URL."""
    parts = urlsplit(place)
    if parts.scheme in {"http", "https"}:
        return None
    return Path(unquote(parts.path) if parts.scheme == "file" else place)


def check(place: str) -> None:
    """Raises ValueError, naming ``AUTH_JWKS``, for a file without keys. A URL may be silent at the start."""
    path = file_of(place)
    try:
        if path is not None:
            read_key_set(path.read_bytes())
    except OSError as error:
        raise ValueError(f"AUTH_JWKS: {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"AUTH_JWKS: {path}: {error}") from error


def read_key_set(document: bytes | str) -> KeySet:
    """Reads a JWK Set (RFC 7517). Raises ValueError where it is none; leaves out the keys that we do not take."""
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
        log.warning("a key of the JWK Set cannot be read", kid=key_id, error=str(error))
        return None
    if entry["kty"] == "RSA" and public.key_size < SMALLEST_RSA_BITS:
        log.warning("an RSA key of the JWK Set is too short", kid=key_id, bits=public.key_size)
        return None
    return Key(key_id, algorithm, public)


def algorithm_of(entry: Mapping[str, Any]) -> str | None:
    """The one algorithm that a JWK is for; None where it is none of ours, or not for checking signatures."""
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
    """A JWKS file, looked at once a second and read again when it has changed."""

    def __init__(self, path: Path, now: Clock) -> None:
        self.path, self.now = path, now
        self.set: KeySet | None = None
        self.seen: tuple[int, int, int] | None = None
        self.looked: datetime | None = None

    async def current(self) -> KeySet:
        now = self.now()
        if self.set is None or self.looked is None or abs(now - self.looked) >= FILE_POLL_EVERY:
            self.looked = now
            self.look()
        if self.set is None:
            raise Unavailable("jwks", f"{self.path} holds no key")
        return self.set

    async def refresh_for_unknown_kid(self) -> KeySet:
        self.look()
        return await self.current()

    def look(self) -> None:
        """Reads the file if it is another one than before; keeps what was there while it cannot be read."""
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self.seen:
                self.set = read_key_set(self.path.read_bytes()).unless_changed(self.set)
                self.seen = seen
        except (OSError, ValueError) as error:
            log.warning("the JWKS file cannot be read", path=str(self.path), error=str(error))


class JwksUrl:
    """A JWKS URL: one fetch at a time, at most once a minute for unknown ids, silent for at most a day."""

    def __init__(self, url: str, now: Clock, ca_bundle: str | None = None) -> None:
        self.url, self.now, self.ca_bundle = url, now, ca_bundle
        self.set: KeySet | None = None
        self.fetched: datetime | None = None
        self.tried: datetime | None = None
        self.flight: asyncio.Task[None] | None = None
        self.trusted: ssl.SSLContext | None = None
        import_module("httpx")  # a tenth of a service's start, so only where keys come from a URL

    async def current(self) -> KeySet:
        age = self.now() - self.fetched if self.fetched is not None else None
        if self.set is None or age is None or age > MAX_STALENESS:
            await self.fetch(RETRY_PAUSE)
        elif age > REFRESH_AFTER:
            self.take_off(UNKNOWN_KEY_PAUSE)  # nobody waits for a refresh
        return self.known()

    async def refresh_for_unknown_kid(self) -> KeySet:
        await self.fetch(UNKNOWN_KEY_PAUSE)
        return self.known()

    def known(self) -> KeySet:
        if self.set is None or self.fetched is None or self.now() - self.fetched > MAX_STALENESS:
            raise Unavailable("jwks", f"{self.url} is silent")
        return self.set

    async def fetch(self, pause: timedelta) -> None:
        """Waits for the flight in the air, or for a new one unless the last began less than ``pause`` ago."""
        flight = self.take_off(pause)
        if flight is not None:
            await asyncio.shield(flight)

    def take_off(self, pause: timedelta) -> "asyncio.Task[None] | None":
        if self.flight is not None and not self.flight.done():
            return self.flight
        now = self.now()
        if self.tried is not None and now - self.tried < pause:
            return None
        self.tried = now
        self.flight = asyncio.create_task(self.fly(), name="jwks")
        return self.flight

    async def fly(self) -> None:
        import httpx

        try:
            self.set = read_key_set(await self.download()).unless_changed(self.set)
            self.fetched = self.now()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as error:
            parts = urlsplit(self.url)  # what else is in it may be secret
            log.warning(
                "jwks_unreadable", host=parts.hostname, path=parts.path, error=str(error) or type(error).__name__
            )

    async def download(self) -> bytes:
        import httpx

        document = b""
        if self.trusted is None:  # reading the authorities takes a tenth of a second, so not on the event loop
            self.trusted = await asyncio.to_thread(client_context, self.ca_bundle)
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx.AsyncClient(timeout=FETCH_SECONDS, verify=self.trusted) as client,
            client.stream("GET", self.url, headers={"Accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                document += chunk
                if len(document) > MAX_SET_BYTES:
                    raise ValueError("the JWK Set is too large")
        return document
