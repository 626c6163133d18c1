"""The settings of engagement, besides those of every service."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from stories_shared.runtime.settings import Duration, Settings, duration

MAX_HOLD = timedelta(days=30)


def duration_or_off(value: object) -> object:
    """Read a duration; `off` is None."""
    return None if value in (None, "off") else duration(value)


def bounded_hold(hold: timedelta | None) -> timedelta | None:
    """The hold. Raises ValueError outside of its bounds."""
    if hold is not None and not timedelta(0) < hold <= MAX_HOLD:
        raise ValueError(f"expected `off`, or more than nothing and at most {MAX_HOLD.days}d")
    return hold


Hold = Annotated[timedelta | None, BeforeValidator(duration_or_off), AfterValidator(bounded_hold)]


class EngagementSettings(Settings):
    """Settings of the engagement service."""

    mongo_database: str = Field(
        "stories_engagement", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="the service's own database"
    )
    limit_views: int = Field(6000, ge=1, description="view entries a user may report in a minute, on each replica")
    limit_comments: int = Field(30, ge=1, description="comments a user may write in a minute, on each replica")
    limit_reactions: int = Field(
        120, ge=1, description="reactions and answers a user may set in a minute, on each replica"
    )
    limit_writes: int = Field(
        120,
        ge=1,
        description="changes of settings and deletions of comments a user may make in a minute, on each replica",
    )
    insights_floor: int = Field(
        5,
        ge=1,
        description="sealed insights have no breakdown (relation, emoji, part, option) of fewer people than this",
    )
    insights_retention: Duration = Field(
        timedelta(days=90), description="how long the insights of an expired story can be read"
    )
    limit_shares: int = Field(30, ge=1, description="shares a user may make in a minute, on each replica")
    limit_reports: int = Field(10, ge=1, description="reports a user may make in a minute, on each replica")
    moderation_hold: Hold = Field(
        None, description="how long a reported story's media is kept for the decision, at most `30d`; `off`: not at all"
    )
    webhooks_allow_private: bool = Field(
        False, description="for development: webhooks may go to private addresses, also over plain http"
    )
    share_url: str | None = Field(
        None, pattern=r"\{id\}", description="a shared story's link, with `{id}` in it; default `PUBLIC_URL/s/{id}`"
    )

    @property
    def share_link(self) -> str:
        """The link of a shared story, `{id}` to be filled in."""
        return self.share_url or f"{self.public_url.rstrip('/')}/s/{{id}}"

    @property
    def quotas(self) -> dict[str, int]:
        """Requests a user may make in a minute, by the name of the limit."""
        return {
            "views": self.limit_views,
            "comments": self.limit_comments,
            "reactions": self.limit_reactions,
            "shares": self.limit_shares,
            "reports": self.limit_reports,
            "writes": self.limit_writes,
            "reads": self.limit_reads,
        }
