"""Credentials of the S3 account: static keys, or those that the platform issues and renews.

``S3_CREDENTIALS=auto`` asks, in this order, the environment (``AWS_ACCESS_KEY_ID`` …), a web identity token (IRSA), the
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

RENEW_BEFORE = timedelta(minutes=15)  # a URL that is signed now stays good for at least so long where renewal works
RENEWED_AT_MOST_EVERY_S = 30.0

Discover = Callable[[], Credentials]


def discovered(http: urllib3.PoolManager) -> Discover:
    """Asks the platform anew at each call: the SDK's providers keep what they got until it has expired."""

    def discover() -> Credentials:
        return ChainedProvider([EnvAWSProvider(), IamAwsProvider(http_client=http)]).retrieve()

    return discover


def static(access_key: str, secret_key: str) -> Provider:
    """Keys that never expire."""
    return StaticProvider(access_key, secret_key)


class RenewingProvider(Provider):
    """Issued credentials. ``retrieve`` asks for them where there are none, so it may block: call it in a thread."""

    def __init__(self, discover: Discover) -> None:
        self.discover = discover
        self.held: Credentials | None = None
        self.lock = Lock()
        self.asked = float("-inf")

    def retrieve(self) -> Credentials:
        """Good credentials. Raises Unavailable where the platform issues none."""
        if (held := self.usable()) is None or self.due(held):
            with self.lock:
                held = self.usable()  # of another thread, meanwhile
                if held is None or self.due(held):
                    held = self.ask(held)
        return held

    def ask(self, fallback: Credentials | None) -> Credentials:
        self.asked = time.monotonic()
        try:
            self.held = self.discover()
        except (ValueError, LookupError, OSError, HTTPError, MinioException) as error:
            if fallback is None:
                raise Unavailable(S3, f"no credentials: {type(error).__name__}") from error
            return fallback
        return self.held

    def usable(self) -> Credentials | None:
        return None if self.held is None or self.held.is_expired() else self.held

    def due(self, held: Credentials) -> bool:
        """Whether to ask again, which is done seldom: a platform may issue the same ones until shortly before."""
        if held.expiration is None or time.monotonic() - self.asked < RENEWED_AT_MOST_EVERY_S:
            return False
        return held.expiration.replace(tzinfo=UTC) - datetime.now(UTC) < RENEW_BEFORE


class CachedProvider(Provider):
    """The same credentials for signing on the event loop: never waits, and has them renewed in a thread."""

    def __init__(self, renewed: RenewingProvider) -> None:
        self.renewed = renewed
        self.renewing: Thread | None = None

    def retrieve(self) -> Credentials:
        """Good credentials. Raises Unavailable while there are none."""
        held = self.renewed.usable()
        if held is None or self.renewed.due(held):
            self.renew()
        if held is None:
            raise Unavailable(S3, "no credentials yet")
        return held

    def renew(self) -> None:
        if self.renewing is None or not self.renewing.is_alive():
            self.renewing = Thread(target=self.attempt, name="s3-credentials", daemon=True)
            self.renewing.start()

    def attempt(self) -> None:
        try:
            self.renewed.retrieve()
        except Unavailable:
            return  # whoever signs next is told
