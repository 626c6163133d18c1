"""Stories, and the records of ended stories."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, get_args

from stories_ingest.domain.media import Media


class State(StrEnum):
    """The state of a story. An ended story has a record of its own, `Ended`."""

    DRAFT = "draft"
    """Created; its upload may or may not exist."""
    PROCESSING = "processing"
    """Published; its media job is queued or running."""
    LIVE = "live"
    """Posted, until it expires or is deleted."""
    SCHEDULED = "scheduled"
    """Its media is finished, or being worked on; it goes live at `publish_at`."""
    REFUSED = "refused"
    """Its media was refused; kept for a day so that the author can read the reason."""


class EndReason(StrEnum):
    """How a story ended."""

    EXPIRED = "expired"
    """Its lifetime ended."""
    DELETED = "deleted"
    """The author, an admin or an account erasure ended it before its lifetime."""
    DISCARDED = "vanished"
    """It was never posted: a cancelled, deleted or abandoned draft, or a refused story."""


Audience = Literal["everyone", "followers", "friends", "close_friends"]
CommentsFrom = Literal["everyone", "friends", "nobody"]
VideoType = Literal["video/mp4", "video/quicktime", "video/webm"]
PhotoType = Literal["image/jpeg", "image/png", "image/webp", "image/heic", "image/heif", "image/avif"]
MediaType = Literal[VideoType, PhotoType]
BACKGROUND = "background"
"""What the media worker is told that a text story is."""

AUDIENCES: tuple[Audience, ...] = get_args(Audience)
COMMENTS: tuple[CommentsFrom, ...] = get_args(CommentsFrom)
VIDEOS: tuple[VideoType, ...] = get_args(VideoType)
PHOTOS: tuple[PhotoType, ...] = get_args(PhotoType)

ACCESS_FIELDS = frozenset({"audience", "hide_from", "comments"})
"""Settings that decide who may see and comment; a change makes tickets of older access revisions void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorySettings:
    """What an author may change until the story ends."""

    audience: str = "everyone"
    hide_from: tuple[str, ...] = ()
    comments: str = "everyone"
    reactions: bool = True
    sharing: bool = True
    download: bool = False
    view_list: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The sound of a story, as the client names it."""

    id: str
    title: str
    artist: str
    start_ms: int
    length_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Caption, layers, sound and captions track; fixed when the story is created."""

    caption: str | None = None
    alt_text: str | None = None
    captions_track: str | None = None
    sound: Sound | None = None
    layers: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """The picture of a text story, which the server draws: one colour, or two with the angle of their gradient."""

    colors: tuple[str, ...]
    angle: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepostedFrom:
    """The story that a repost copies, and its author."""

    story_id: str
    author_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The media job of a story: the upload's ETag, the worker, and the end of its lease.

    `parts` are the ids of the stories that the job writes; they exist only after it has finished.
    """

    etag: str
    since: datetime
    lease_until: datetime
    worker: str | None = None
    attempts: int = 0
    progress: float = 0.0
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionJob:
    """The job that adds the smaller renditions to a live story: the worker, and the end of its lease."""

    since: datetime
    lease_until: datetime
    worker: str | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The fields that a story has once it is live."""

    media: Media
    posted_at: datetime
    expires_at: datetime
    series_id: str | None
    part: int
    parts: int
    revision: int = 1
    access_revision: int = 1
    renditions_job: RenditionJob | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPart:
    """One part of a story from the media job; `captions_track` is cut to its time span."""

    id: str
    media: Media
    captions_track: str | None
    lacks_smaller: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story in any state; `vanishes_at` is set until it is live. A text story has a `background` and no upload.

    A scheduled one has `publish_at`; its parts are in `prepared` from the end of the media job until it is live.
    """

    id: str
    author_id: str
    state: State
    created_at: datetime
    content_type: str
    size: int
    lifetime: timedelta
    split: bool
    settings: StorySettings
    overlay: Overlay
    background: Background | None = None
    vanishes_at: datetime | None = None
    job: Job | None = None
    reason: str | None = None
    posted: Posted | None = None
    publish_at: datetime | None = None
    prepared: tuple[NewPart, ...] = ()
    reposted_from: RepostedFrom | None = None
    traceparent: str | None = None
    """The trace of the request that published it, which its media job continues."""

    @property
    def takes_upload(self) -> bool:
        """Whether its author uploads its media: not for a text story, nor for a repost."""
        return self.background is None and self.reposted_from is None

    @property
    def shown_state(self) -> State:
        """The state that the author sees: a scheduled story is `scheduled` while its media is worked on, too."""
        is_working = self.state is State.PROCESSING and self.publish_at is not None
        return State.SCHEDULED if is_working else self.state

    def is_over(self, now: datetime) -> bool:
        """Whether its time has passed. Readers then get the response for an ended story, processed or not."""
        if self.posted is not None:
            return self.posted.expires_at <= now
        return self.vanishes_at is not None and self.vanishes_at <= now

    @property
    def quota_key(self) -> str:
        """The id under which the quota counts it; a series counts once."""
        return (self.posted.series_id if self.posted else None) or self.id


@dataclass(frozen=True, slots=True)
class Requester:
    """The caller. Users may read and change their own stories; an admin may read and end any."""

    user_id: str
    is_admin: bool = False

    def owns(self, author_id: str | None) -> bool:
        """Whether the requester is this author."""
        return author_id == self.user_id

    def may_see(self, author_id: str | None) -> bool:
        """Whether the requester may read and end stories of this author."""
        return self.is_admin or self.owns(author_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The record of an ended story: ids and times.

    `by` is who deleted it: author, admin or erasure. `by` and `event_id` serve to publish the deletion, repeatedly if
    necessary. `author_id` is None after the author's account was erased.
    """

    id: str
    author_id: str | None
    how: EndReason
    at: datetime
    series_id: str | None = None
    by: str | None = None
    event_id: str | None = None
    erased_at: datetime | None = None
