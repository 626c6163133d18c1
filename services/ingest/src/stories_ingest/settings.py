"""Settings of ingest."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode
from stories_shared.rollout.file import PolicyPath
from stories_shared.runtime.settings import Duration, ObjectStoreSettings, Settings

from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.uploads import UploadPolicy


def sides(value: object) -> object:
    """Read `720,1080`; `off` is none at all."""
    if not isinstance(value, str):
        return value
    return () if value.strip().lower() == "off" else tuple(side.strip() for side in value.split(","))


ShortSide = Annotated[int, Field(ge=144, le=1080)]
Renditions = Annotated[tuple[ShortSide, ...], NoDecode, BeforeValidator(sides), Field(max_length=4)]


class IngestSettings(ObjectStoreSettings, Settings):
    """What ingest reads from the environment."""

    mongo_database: str = Field("stories_ingest", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="ingest's own database")
    role: Literal["all", "api", "worker"] = Field(
        "all", description="`all`, or only the API (`api`) or the media jobs (`worker`)"
    )
    media_workers: int = Field(1, ge=1, le=64, description="media jobs that one process runs at a time")
    upload_ttl: Duration = Field(timedelta(minutes=15), description="how long an upload form is valid")
    draft_ttl: Duration = Field(timedelta(hours=1), description="after how long an unpublished draft is removed")
    max_drafts: int = Field(10, ge=1, le=1_000, description="drafts that a user may have at a time")
    max_live: int = Field(100, ge=1, le=10_000, description="live stories that a user may have; a series counts once")
    max_posted_24h: int = Field(200, ge=1, le=10_000, description="stories that a user may post in 24 hours")
    max_upload_bytes: int = Field(512 * 1024 * 1024, ge=1, le=5 * 1024**3, description="bytes of one upload")
    max_clip_ms: int = Field(
        15_000, ge=1_000, le=600_000, description="how long one clip may be; longer ones are split"
    )
    max_parts: int = Field(10, ge=1, le=100, description="into how many parts a clip may be split")
    renditions: Renditions = Field(
        (720, 1080), description="shorter sides of the clips that are encoded, in pixels: `720,1080`, or `off`"
    )
    media_timeout: Duration = Field(timedelta(seconds=120), description="how long processing one upload may take")
    still_images: bool = Field(True, description="whether photos are accepted: `on` or `off`")
    archive: bool = Field(
        False, description="whether authors may keep expired stories and make highlights of them: `on` or `off`"
    )
    rollout_file: PolicyPath | None = Field(
        None, description="a YAML file that says who may create stories; see docs/guides/rollout.md"
    )
    limit_create: int = Field(30, ge=1, description="stories a user may create in a minute, on each replica")
    limit_writes: int = Field(
        120, ge=1, description="upload forms, publishes, cancels, changes and deletions a user may request in a minute"
    )
    limit_comments: int = Field(30, ge=1, description="engagement's setting of this name, for `GET /v1/config`")
    limit_reactions: int = Field(120, ge=1, description="engagement's setting of this name, for `GET /v1/config`")
    limit_shares: int = Field(30, ge=1, description="engagement's setting of this name, for `GET /v1/config`")
    limit_views: int = Field(6000, ge=1, description="engagement's setting of this name, for `GET /v1/config`")
    limit_edges: int = Field(120, ge=1, description="feed's setting of this name, for `GET /v1/config`")
    limit_reports: int = Field(10, ge=1, description="engagement's setting of this name, for `GET /v1/config`")
    follows: Literal["open", "events"] = Field("open", description="feed's setting of this name, for `GET /v1/config`")

    @property
    def upload_policy(self) -> UploadPolicy:
        """What may be uploaded, and for how long."""
        return UploadPolicy(
            max_bytes=self.max_upload_bytes,
            form_ttl=self.upload_ttl,
            draft_ttl=self.draft_ttl,
            still_images=self.still_images,
        )

    @property
    def quota_limits(self) -> QuotaLimits:
        """How many drafts and stories a user may have."""
        return QuotaLimits(drafts=self.max_drafts, live=self.max_live, posted_24h=self.max_posted_24h)

    @property
    def own_limits(self) -> dict[str, int]:
        """Requests per minute by limit, for the limits that ingest enforces."""
        return {"create": self.limit_create, "writes": self.limit_writes, "reads": self.limit_reads}

    @property
    def all_limits(self) -> dict[str, int]:
        """Requests per minute by limit, of all services."""
        return self.own_limits | {
            "comments": self.limit_comments,
            "reactions": self.limit_reactions,
            "shares": self.limit_shares,
            "views": self.limit_views,
            "edges": self.limit_edges,
            "reports": self.limit_reports,
        }
