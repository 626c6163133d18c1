"""Webhooks: which endpoints get which events, when a delivery is retried, and which addresses are refused."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args
from urllib.parse import urlsplit

WebhookEvent = Literal[
    "story-posted", "story-expired", "story-deleted", "story-insights-sealed", "user-mentioned", "comment-created"
]
WEBHOOK_EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)

TEST_EVENT = "webhook-test"
"""The event of `POST …/test`."""

DeliveryState = Literal["pending", "delivered", "dead"]

MAX_WEBHOOKS = 50
"""Endpoints of an installation: each has a task on every replica, and each event a row per endpoint."""

FIRST_RETRY, LAST_RETRY = timedelta(seconds=5), timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=24)
"""The backoff of a failing delivery (contract)."""

DELIVERED_RETENTION = timedelta(hours=72)
DEAD_RETENTION = timedelta(days=7)
"""How long deliveries are listed and can be replayed."""

CONTENT_WAIT = timedelta(seconds=30)
"""How long the delivery of a posted story waits until engagement has stored the story itself."""

NAT64 = ipaddress.ip_network("64:ff9b::/96")
LOOPBACK_NAMES = frozenset({"localhost", "host.docker.internal"})


class BadUrl(Exception):
    """A URL that no webhook may have; the argument says why."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint. `secret` is as in Standard Webhooks: `whsec_` and base64."""

    id: str
    url: str
    events: tuple[str, ...]
    secret: str
    created_at: datetime
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint. `data` is the event's JSON, of a posted story without its content.

    `order` sorts deliveries of one story. `first_at` is when the 24 hours of retries began.
    """

    id: str
    webhook_id: str
    event: str
    event_id: str
    source: str
    at: datetime
    story_id: str
    order: str
    data: bytes
    created_at: datetime
    first_at: datetime
    user_ids: tuple[str, ...] = ()
    revision: int = 0
    state: DeliveryState = "pending"
    attempts: int = 0
    next_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_status: int | None = None
    last_error: str | None = None
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of one attempt: the status, or why there is none."""

    status: int | None
    error: str | None

    @property
    def succeeded(self) -> bool:
        """Whether the endpoint accepted the delivery."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery, and when: its state from then on. Without an `attempt` it was only put off.

    `next_at` is when a pending one is due again.
    """

    delivery: Delivery
    attempt: Attempt | None
    at: datetime
    state: DeliveryState
    next_at: datetime | None = None


def lease_of(webhook_id: str) -> str:
    """The name of the lease of the replica that delivers to an endpoint."""
    return f"webhook-{webhook_id}"


def retry_delay(attempts: int) -> timedelta:
    """The pause after so many failed attempts: 5 s, doubled each time, at most an hour."""
    doubled: int = 2 ** min(attempts - 1, 20)
    return min(FIRST_RETRY * doubled, LAST_RETRY)


def is_public(address: str) -> bool:
    """Whether a webhook may connect to an IP address: global unicast, also where it stands for an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or nat64 or ip
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def check_url(url: str, *, allow_private: bool) -> None:
    """Check what can be checked without resolving the name; connections check every address again.

    With `allow_private` private addresses are good too, and may be plain http.

    Raises:
        BadUrl: it says why.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadUrl("must be a URL") from error
    if not host or parts.fragment or not url.isascii() or any(character <= " " for character in url):
        raise BadUrl("must be an absolute URL without fragment")
    if parts.username is not None or parts.password is not None:
        raise BadUrl("must not hold credentials")
    private = _is_private_host(host)
    if private and not allow_private:
        raise BadUrl("must not be a private address")
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise BadUrl("must be https")


def _is_private_host(host: str) -> bool:
    """Whether a host is a private address by its name alone."""
    try:
        return not is_public(host)
    except ValueError:
        return host in LOOPBACK_NAMES or host.endswith(".localhost")
