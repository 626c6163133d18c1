"""Credentials of the S3 account: static keys, or those that the platform issues and renews.

``S3_CREDENTIALS=auto`` tries in this order the environment (``AWS_ACCESS_KEY_ID`` …), a web identity token (IRSA), the
container's endpoint (ECS, EKS Pod Identity) and the instance's role. Issued credentials expire; they are renewed in a
thread before that, so that signing a URL never waits for the network.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock, Thread

import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import ChainedProvider, EnvAWSProvider, IamAwsProvider, Provider, StaticProvider
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from stories_shared.errors import S3, Unavailable

RENEW_BEFORE = timedelta(minutes=15)  # a URL signed now stays valid for at least so long
MIN_RENEW_INTERVAL_S = 30.0

Discover = Callable[[], Credentials]


def discovered(http: urllib3.PoolManager) -> Discover:
    """Resolve credentials anew at each call: the SDK's providers cache theirs until they have expired."""

    def discover() -> Credentials:
        return ChainedProvider([EnvAWSProvider(), IamAwsProvider(http_client=http)]).retrieve()

    return discover


def static(access_key: str, secret_key: str) -> Provider:
    """Keys that never expire."""
    return StaticProvider(access_key, secret_key)


class RenewingProvider(Provider):
    """Issued credentials. ``retrieve`` may block to resolve them: call it in a thread."""

    def __init__(self, discover: Discover) -> None:
        self.discover = discover
        self.cached: Credentials | None = None
        self.lock = Lock()
        self.requested_at = float("-inf")

    def retrieve(self) -> Credentials:
        """Valid credentials. Raises Unavailable if the platform issues none."""
        if (credentials := self.usable()) is None or self.needs_renewal(credentials):
            with self.lock:
                credentials = self.usable()  # another thread may have renewed them
                if credentials is None or self.needs_renewal(credentials):
                    credentials = self.request(credentials)
        return credentials

    def request(self, fallback: Credentials | None) -> Credentials:
        self.requested_at = time.monotonic()
        try:
            self.cached = self.discover()
        except (ValueError, LookupError, OSError, HTTPError, MinioException) as error:
            if fallback is None:
                raise Unavailable(S3, f"no credentials: {type(error).__name__}") from error
            return fallback
        return self.cached

    def usable(self) -> Credentials | None:
        return None if self.cached is None or self.cached.is_expired() else self.cached

    def needs_renewal(self, credentials: Credentials) -> bool:
        """Whether to renew them; at most every 30 s, since a platform may issue the same ones again."""
        if credentials.expiration is None or time.monotonic() - self.requested_at < MIN_RENEW_INTERVAL_S:
            return False
        return credentials.expiration.replace(tzinfo=UTC) - datetime.now(UTC) < RENEW_BEFORE


class CachedProvider(Provider):
    """The same credentials for signing on the event loop: never blocks, and renews them in a thread."""

    def __init__(self, renewed: RenewingProvider) -> None:
        self.renewed = renewed
        self.renewing: Thread | None = None

    def retrieve(self) -> Credentials:
        """Valid credentials. Raises Unavailable while there are none."""
        credentials = self.renewed.usable()
        if credentials is None or self.renewed.needs_renewal(credentials):
            self.renew()
        if credentials is None:
            raise Unavailable(S3, "no credentials yet")
        return credentials

    def renew(self) -> None:
        if self.renewing is None or not self.renewing.is_alive():
            self.renewing = Thread(target=self.attempt, name="s3-credentials", daemon=True)
            self.renewing.start()

    def attempt(self) -> None:
        try:
            self.renewed.retrieve()
        except Unavailable:
            return  # the next signing raises it
