"""Presigned S3 GET URLs: AWS Signature Version 4 in the query string, computed without the SDK.

The SDK takes ten times as long, and a page of stories holds dozens of URLs. A test compares the two.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

from minio.credentials.providers import Provider

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"


PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")
"""A key that needs no percent-encoding."""


@lru_cache(maxsize=1_024)
def query_end(seconds: int, session_token: str | None, overrides: tuple[tuple[str, str], ...]) -> str:
    """The query after the time, cached: it is the same for many objects. Sorted by name, capitals first."""
    session = f"&X-Amz-Security-Token={quoted(session_token)}" if session_token else ""
    rest = "".join(f"&{header}={quoted(value)}" for header, value in sorted(overrides))
    return f"&X-Amz-Expires={seconds}{session}&X-Amz-SignedHeaders=host{rest}"


@lru_cache(maxsize=1_024)
def query_begin(access_key: str, scope: str, timestamp: str) -> str:
    """The query up to the time, cached: it is the same for all URLs of a second."""
    credential = quoted(f"{access_key}/{scope}")
    return f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={timestamp}"


def quoted(text: str) -> str:
    """Percent-encoded for the signature."""
    return quote(text, safe=UNRESERVED)


class PresignedGetSigner:
    """Signs GETs of objects under ``base`` (``https://host/bucket/``) with the current ``credentials``."""

    def __init__(self, base: str, credentials: Provider, region: str) -> None:
        self.base = base
        parts = urlsplit(base)
        self.path = parts.path
        self.head = f"\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        self.credentials = credentials
        self.region = region
        self.derived, self.derived_key = ("", ""), b""
        self.stamped: tuple[datetime, str, str, str] | None = None

    def sign(self, key: str, seconds: int, overrides: Mapping[str, str], at: datetime) -> str:
        """The URL that reads ``key`` for so many seconds from ``at`` (aware UTC); ``overrides`` are signed too."""
        account = self.credentials.retrieve()
        day, timestamp, scope = self.stamps(at)
        name = key if PLAIN.fullmatch(key) else quote(key, safe="/" + UNRESERVED)
        end = query_end(seconds, account.session_token, tuple(overrides.items()))
        query = query_begin(account.access_key, scope, timestamp) + end
        digest = hashlib.sha256(f"GET\n{self.path}{name}\n{query}{self.head}".encode()).hexdigest()
        text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
        signature = hmac.digest(self.key_of(account.secret_key, day), text.encode(), "sha256").hex()
        return f"{self.base}{name}?{query}&X-Amz-Signature={signature}"

    def stamps(self, at: datetime) -> tuple[str, str, str]:
        """Day, time and scope of a signature, kept for the other URLs of a page."""
        if self.stamped is None or self.stamped[0] != at:
            day = f"{at.year:04}{at.month:02}{at.day:02}"
            timestamp = f"{day}T{at.hour:02}{at.minute:02}{at.second:02}Z"
            self.stamped = at, day, timestamp, f"{day}/{self.region}/s3/aws4_request"
        return self.stamped[1:]

    def key_of(self, secret: str, day: str) -> bytes:
        """The signing key of a secret for a day, cached."""
        if (secret, day) != self.derived:
            key = f"AWS4{secret}".encode()
            for part in (day, self.region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self.derived, self.derived_key = (secret, day), key
        return self.derived_key
