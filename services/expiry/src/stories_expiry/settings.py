"""The settings of expiry, besides those of every service."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field
from stories_shared.runtime.settings import Duration, Settings

from stories_expiry.domain.endings import MARK_RETENTION


def outlives_the_log(kept: timedelta) -> timedelta:
    """Validate that receipts, which are also the ended marks, outlive every record in Kafka."""
    if kept < MARK_RETENTION:
        raise ValueError(f"expected at least {MARK_RETENTION.days}d, longer than any record can be read again")
    return kept


class ExpirySettings(Settings):
    """Expiry's settings."""

    mongo_database: str = Field(
        "stories_expiry", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="the service's own database"
    )
    receipt_retention: Annotated[Duration, AfterValidator(outlives_the_log)] = Field(
        timedelta(days=90), description="how long a complete receipt can be read, at least 30d"
    )
    limit_writes: int = Field(
        120, ge=1, description="account erasures an admin may request in a minute, on each replica"
    )
