"""Settings of the feed, beside those of every service."""

from datetime import timedelta
from typing import Literal

from pydantic import Field
from stories_shared.rollout.file import PolicyPath
from stories_shared.runtime.settings import Duration, ObjectStoreSettings, Settings


class FeedSettings(Settings, ObjectStoreSettings):
    """The settings of the feed."""

    mongo_database: str = Field(
        "stories_feed", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="the service's own database"
    )
    follows: Literal["open", "events"] = Field(
        "open",
        description="`open`: users follow through this API; `events`: only events of the host application make follows",
    )
    ticket_ttl: Duration = Field(timedelta(hours=1), description="the maximum lifetime of a ticket")
    restricted_ttl: Duration = Field(
        timedelta(minutes=5),
        description="the maximum lifetime of URLs and tickets of stories with a restricted audience",
    )
    rollout_file: PolicyPath | None = Field(
        None, description="a YAML file that says who may view stories; see docs/guides/rollout.md"
    )
    rank_tau: Duration = Field(
        timedelta(hours=4), description="For You: how much older a story may be with twice the engagement"
    )
    rank_reaction: float = Field(1.0, ge=0, le=1000, description="For You: how much a reaction counts")
    rank_comment: float = Field(2.0, ge=0, le=1000, description="For You: how much a comment counts")
    rank_share: float = Field(3.0, ge=0, le=1000, description="For You: how much a share counts")
    rank_answer: float = Field(1.0, ge=0, le=1000, description="For You: how much an answer to a sticker counts")
    notify_per_second: int = Field(
        2_000, ge=1, le=100_000, description="followers notified of new stories per second, in total"
    )
    live_connections: int = Field(
        5_000, ge=1, description="connections for live updates that each replica takes; further ones get 503"
    )
    limit_edges: int = Field(120, ge=1, description="changes of edges a user may make in a minute, on each replica")
