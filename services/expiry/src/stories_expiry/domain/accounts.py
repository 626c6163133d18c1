"""The erasure of a user's account: the services that must confirm, and the receipt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Service = Literal["ingest", "feed", "engagement", "expiry"]

SERVICES: tuple[Service, ...] = ("ingest", "feed", "engagement", "expiry")


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """A request to erase a user's data up to a time.

    `receipt_id` identifies the request in every repetition, `event_id` is the `ce_id` of its event.
    """

    receipt_id: str
    user_id: str
    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class AccountReceipt:
    """Which services have erased the user, and when."""

    receipt_id: str
    user_id: str
    at: datetime
    erased: Mapping[Service, datetime] = field(default_factory=dict)
    expected: tuple[Service, ...] = SERVICES
    """The services that had to confirm at the time of the request."""

    @property
    def complete(self) -> bool:
        """Whether every expected service has confirmed."""
        return all(service in self.erased for service in self.expected)


@dataclass(frozen=True, slots=True)
class ServiceConfirmation:
    """The confirmation of one service."""

    receipt_id: str
    user_id: str
    service: Service
    erased_at: datetime
