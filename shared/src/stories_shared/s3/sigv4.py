"""Presigned S3 GET URLs: AWS Signature Version 4 in the query string, computed without the SDK.

The SDK takes ten times as long, and a page of stories holds dozens of URLs. A test compares the two.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

from minio.credentials.providers import Provider

from stories_shared.hmac_sha256 import hmac_sha256

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"
Mac = Callable[[bytes], bytes]


PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")
"""A key that needs no percent-encoding."""


@lru_cache(maxsize=4096)
def quoted(text: str) -> str:
    """Percent-encoded for the signature, cached: the same few values are in every URL of a minute."""
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
        self.derived, self.mac = ("", ""), hmac_sha256(b"")
        self.at: datetime | None = None
        self.ready: dict[tuple[object, ...], tuple[str, str, Mac]] = {}

    def sign(self, key: str, seconds: int, overrides: Mapping[str, str], at: datetime) -> str:
        """The URL that reads ``key`` for so many seconds from ``at`` (aware UTC); ``overrides`` are signed too."""
        query, text, mac = self.prepared(seconds, overrides, at)
        name = key if PLAIN.fullmatch(key) else quote(key, safe="/" + UNRESERVED)
        digest = hashlib.sha256(f"GET\n{self.path}{name}\n{query}{self.head}".encode()).hexdigest()
        signature = mac(f"{text}{digest}".encode()).hex()
        return f"{self.base}{name}?{query}&X-Amz-Signature={signature}"

    def prepared(self, seconds: int, overrides: Mapping[str, str], at: datetime) -> tuple[str, str, Mac]:
        """The query, the text before the digest and the HMAC, kept for the other URLs of the same time."""
        account = self.credentials.retrieve()
        name = (seconds, account.access_key, account.secret_key, account.session_token, *overrides.items())
        if at != self.at:
            self.at = at
            self.ready.clear()
        found = self.ready.get(name)
        if found is None:
            day = f"{at.year:04}{at.month:02}{at.day:02}"
            timestamp = f"{day}T{at.hour:02}{at.minute:02}{at.second:02}Z"
            scope = f"{day}/{self.region}/s3/aws4_request"
            # Sorted by name, as the signature requires: capitals come before response-….
            session = f"&X-Amz-Security-Token={quoted(account.session_token)}" if account.session_token else ""
            query = (
                f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={quoted(f'{account.access_key}/{scope}')}"
                f"&X-Amz-Date={timestamp}&X-Amz-Expires={seconds}{session}&X-Amz-SignedHeaders=host"
            )
            for header in sorted(overrides):
                query += f"&{header}={quoted(overrides[header])}"
            text = f"{ALGORITHM}\n{timestamp}\n{scope}\n"
            found = self.ready[name] = query, text, self.mac_of(account.secret_key, day)
        return found

    def mac_of(self, secret: str, day: str) -> Mac:
        """The HMAC under the signing key of a secret for a day, cached."""
        if (secret, day) != self.derived:
            key = f"AWS4{secret}".encode()
            for part in (day, self.region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self.derived, self.mac = (secret, day), hmac_sha256(key)
        return self.mac
