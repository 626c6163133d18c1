"""A story while it is made, and what remains of it after its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, get_args


class State(StrEnum):
    """Where a story is on its way. After the last of them it is ended, which is a record of its own."""

    DRAFT = "draft"
    """Asked for; its upload may or may not be there."""
    PROCESSING = "processing"
    """Published; a media worker has it or will have it."""
    LIVE = "live"
    """Posted, until it expires or is deleted."""
    REFUSED = "refused"
    """Its media could not be taken; kept for a day so that the author can read why."""


class EndReason(StrEnum):
    """How a story ended."""

    EXPIRED = "expired"
    """Its lifetime was over."""
    DELETED = "deleted"
    """Somebody ended it before its time."""
    DISCARDED = "vanished"
    """It had never been posted: a draft cancelled, deleted or left alone, or a refused one."""


Audience = Literal["everyone", "followers", "friends", "close_friends"]
CommentsFrom = Literal["everyone", "friends", "nobody"]
LayerKind = Literal[
    "text",
    "caption",
    "sticker",
    "mention",
    "hashtag",
    "link",
    "poll",
    "question",
    "quiz",
    "promo_code",
    "music",
    "effect",
]
VideoType = Literal["video/mp4", "video/quicktime", "video/webm"]
PhotoType = Literal["image/jpeg", "image/png", "image/webp", "image/heic", "image/heif", "image/avif"]
MediaType = Literal[VideoType, PhotoType]

AUDIENCES: tuple[str, ...] = get_args(Audience)
COMMENTS: tuple[str, ...] = get_args(CommentsFrom)
LAYER_KINDS: tuple[str, ...] = get_args(LayerKind)
VIDEOS: tuple[str, ...] = get_args(VideoType)
PHOTOS: tuple[str, ...] = get_args(PhotoType)

ACCESS_FIELDS = frozenset({"audience", "hide_from", "comments"})
"""The choices that decide who may see and say what: changing one makes tickets of older access revisions void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorySettings:
    """What an author may change for as long as the story lives."""

    audience: str = "everyone"
    hide_from: tuple[str, ...] = ()
    comments: str = "everyone"
    reactions: bool = True
    sharing: bool = True
    download: bool = False
    view_list: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The sound a story is set to, as the client names it."""

    id: str
    title: str
    artist: str
    start_ms: int
    length_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What lies over and beside the media; fixed once asked for."""

    caption: str | None = None
    alt_text: str | None = None
    captions_track: str | None = None
    sound: Sound | None = None
    layers: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Media work on a story: which upload, who does it, until when they have promised to be alive.

    `parts` are the stories under whose folders the work writes; they exist only once it is done.
    """

    etag: str
    since: datetime
    lease_until: datetime
    worker: str | None = None
    attempts: int = 0
    progress: float = 0.0
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What was validated and written to the final keys. Sizes in bytes, durations in milliseconds.

    `codecs` is None for photos, and for clips posted before it was noted.
    """

    kind: str
    key: str
    poster_key: str
    content_type: str
    size: int
    width: int
    height: int
    duration_ms: int | None
    has_audio: bool
    codecs: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Every object of it in the bucket."""
        return self.key, self.poster_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What a story has from the moment it is live."""

    media: Media
    posted_at: datetime
    expires_at: datetime
    series_id: str | None
    part: int
    parts: int
    revision: int = 1
    access_revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One story in whatever state; `vanishes_at` is set until it is live."""

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
    vanishes_at: datetime | None = None
    job: Job | None = None
    reason: str | None = None
    posted: Posted | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether its time has passed, whatever has been heard of it: readers are answered as if it had ended."""
        if self.posted is not None:
            return self.posted.expires_at <= now
        return self.vanishes_at is not None and self.vanishes_at <= now

    @property
    def quota_key(self) -> str:
        """The name under which the quota counts it: a series counts as one."""
        return (self.posted.series_id if self.posted else None) or self.id


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks: their own stories are theirs; an admin may read and end anyone's."""

    user_id: str
    is_admin: bool = False

    def owns(self, author_id: str | None) -> bool:
        """Whether a story of this author is the asker's own."""
        return author_id == self.user_id

    def may_see(self, author_id: str | None) -> bool:
        """Whether a story of this author may be read and ended by the asker."""
        return self.is_admin or self.owns(author_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What remains of a story: ids and times. `by` says who took it back: author, admin or erasure.

    `by` and `event_id` are for saying the deletion, again if need be.

    `author_id` is None once the author's account has been erased.
    """

    id: str
    author_id: str | None
    how: EndReason
    at: datetime
    series_id: str | None = None
    by: str | None = None
    event_id: str | None = None
    erased_at: datetime | None = None
