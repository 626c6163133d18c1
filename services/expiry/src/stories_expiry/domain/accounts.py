"""The erasure of a user's account: who must answer, and the receipt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Service = Literal["ingest", "feed", "engagement", "expiry"]

SERVICES: tuple[Service, ...] = ("ingest", "feed", "engagement", "expiry")


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """A user is to be forgotten as of a time.

    ``receipt_id`` names the demand wherever it is repeated, ``event_id`` is the ``ce_id`` under which it is said.
    """

    receipt_id: str
    user_id: str
    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class AccountReceipt:
    """Which services have forgotten the user, and when."""

    receipt_id: str
    user_id: str
    at: datetime
    erased: Mapping[Service, datetime] = field(default_factory=dict)
    expected: Sequence[Service] = SERVICES
    """Who had to answer when it was demanded."""

    @property
    def complete(self) -> bool:
        """Whether every service that was expected to has answered."""
        return all(service in self.erased for service in self.expected)


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """One service has forgotten a user."""

    receipt_id: str
    user_id: str
    service: Service
    erased_at: datetime
