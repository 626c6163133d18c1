"""Bearer tokens (RFC 6750, 7519) of the host application, verified as RFC 8725 recommends."""

import base64
import binascii
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from stories_shared.auth.jwks import ALGORITHMS, Keys, KeySet
from stories_shared.clock import Clock
from stories_shared.events import ids
from stories_shared.events.ecma_patterns import ecma

USER_ID = ecma(ids.USER_ID)
USER_ID_TEXT = re.compile(USER_ID)
COUNTRY = re.compile(r"[A-Za-z]{2}")
BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *")
TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})

MAX_TOKEN_BYTES = 8 * 1024  # contract
LEEWAY = timedelta(seconds=30)  # contract
MAX_CACHED_TOKENS = 10_000  # about 5 MB; an active client's signature is not verified on every request

LAST_DATE = datetime(9000, 1, 1, tzinfo=UTC).timestamp()
LAST_SECOND = 2**53  # what a NumericDate can hold exactly; NaN and infinities are not below it either

SIGNATURES = jwt.PyJWS(algorithms=ALGORITHMS)


@dataclass(frozen=True, slots=True)
class Caller:
    """The subject of a valid token. ``country``: ISO 3166-1 alpha-2, or None; None is in no country list."""

    user_id: str
    country: str | None = None
    roles: frozenset[str] = frozenset()
    expires_at: datetime | None = field(default=None, compare=False)
    """When the token ends."""

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


class Unauthenticated(Exception):
    """No token (``reason`` None) or a bad one: 401."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "no token")
        self.reason = reason


class Authenticator:
    """Authenticates callers by their tokens; ``user_claim`` names the claim that holds the user's id."""

    def __init__(self, keys: Keys, issuer: str, audience: str, user_claim: str, now: Clock) -> None:
        self.keys = keys
        self.issuer, self.audience, self.user_claim = issuer, audience, user_claim
        self.now = now
        self.cache: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self.cached_key_set: KeySet | None = None

    async def caller(self, authorization: str | None) -> Caller:
        """The caller of an ``Authorization`` header. Raises Unauthenticated; Unavailable without keys."""
        if authorization is None:
            raise Unauthenticated
        if len(authorization) > MAX_TOKEN_BYTES + len("Bearer "):
            raise Unauthenticated("the token is too long")
        match = BEARER.fullmatch(authorization)
        if match is None:
            raise Unauthenticated("not a bearer token")
        return await self.caller_of(match[1])

    async def caller_of(self, token: str) -> Caller:
        """The caller of a bare token. Raises as ``caller`` does."""
        keys = await self.keys.current()
        if keys is not self.cached_key_set:  # tokens of a revoked key are no longer valid
            self.cache.clear()
            self.cached_key_set = keys
        now = self.now().timestamp()
        name = hashlib.blake2b(token.encode(), digest_size=16).digest()
        known = self.cache.get(name)
        if known is not None and now < known[1]:
            self.cache.move_to_end(name)
            return known[0]
        claims = await self.verified(token, keys)
        caller = self.read(claims, now)
        self.cache[name] = (caller, claims["exp"] + LEEWAY.total_seconds())
        if len(self.cache) > MAX_CACHED_TOKENS:
            self.cache.popitem(last=False)
        return caller

    async def verified(self, token: str, keys: KeySet) -> Mapping[str, Any]:
        """The claims of a token with a valid signature."""
        if len(token) > MAX_TOKEN_BYTES:
            raise Unauthenticated("the token is too long")
        algorithm, key_id = header_of(token)
        key = keys.find(key_id, algorithm)
        if key is None and not keys.knows(key_id):
            key = (await self.keys.refresh_for_unknown_kid()).find(key_id, algorithm)
        if key is None:
            raise Unauthenticated("no such key")
        try:
            payload = SIGNATURES.decode(token, key.public, algorithms=[key.algorithm])
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Unauthenticated("the signature is wrong") from error
        return object_in(payload, "claims")

    def read(self, claims: Mapping[str, Any], now: float) -> Caller:
        """The caller of verified claims at a time in seconds since 1970. Raises Unauthenticated."""
        leeway = LEEWAY.total_seconds()
        expires = number(claims, "exp")
        if expires is None or expires + leeway <= now:
            raise Unauthenticated("the token has expired")
        if "nbf" in claims and ((begins := number(claims, "nbf")) is None or begins - leeway > now):
            raise Unauthenticated("the token is not valid yet")
        if claims.get("iss") != self.issuer:
            raise Unauthenticated("the token is of another issuer")
        audience = claims.get("aud")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise Unauthenticated("the token is for another audience")
        user_id = claims.get(self.user_claim)
        if not isinstance(user_id, str) or not USER_ID_TEXT.fullmatch(user_id):
            raise Unauthenticated("the token names no user")
        expires_at = datetime.fromtimestamp(min(expires, LAST_DATE), UTC)
        return Caller(user_id, country_of(claims.get("country")), roles_of(claims.get("roles")), expires_at)


def header_of(token: str) -> tuple[str, str | None]:
    """Algorithm and key id of a token. Raises Unauthenticated. ``jku``, ``jwk`` and ``x5u`` are ignored."""
    encoded = token.partition(".")[0]
    try:
        header = object_in(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)), "header")
    except binascii.Error as error:
        raise Unauthenticated("the header cannot be read") from error
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if algorithm not in ALGORITHMS:
        raise Unauthenticated("the algorithm is not supported")
    if "crit" in header or "b64" in header:
        raise Unauthenticated("the header has an unsupported extension")
    if kind is not None and not (isinstance(kind, str) and kind.lower() in TYPES):
        raise Unauthenticated("the token is of another type")
    if not isinstance(key_id, str | None):
        raise Unauthenticated("kid must be a string")
    return algorithm, key_id


def object_in(document: bytes, what: str) -> dict[str, Any]:
    """The JSON object of a token's part. Raises Unauthenticated, also for a duplicate name (RFC 8725, 2.4)."""
    try:
        found = STRICT_JSON.decode(document.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unauthenticated(f"the {what} cannot be read") from error
    if not isinstance(found, dict):
        raise Unauthenticated(f"the {what} must be an object")
    return found


def reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found


def no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


STRICT_JSON = json.JSONDecoder(object_pairs_hook=reject_duplicate_keys, parse_constant=no_constant)


def number(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519), or None."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < LAST_SECOND else None


def country_of(claim: object) -> str | None:
    return claim.upper() if isinstance(claim, str) and COUNTRY.fullmatch(claim) else None


def roles_of(claim: object) -> frozenset[str]:
    return frozenset(role for role in claim if isinstance(role, str)) if isinstance(claim, list) else frozenset()
