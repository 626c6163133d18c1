"""The events that the services exchange over Kafka, one per topic.

``shared/schemas`` holds their JSON Schemas for producers in other languages, generated from these classes.

Every event is a frozen msgspec struct. Each field has bounds, so that what decodes can also be stored; times are
normalised to UTC and milliseconds. Unknown fields are ignored and fields are only ever added; a breaking change is
a new type with ``.v2``. Outside producers may use these classes.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, structs

from stories_shared.clock import rfc3339, truncate_to_ms
from stories_shared.events import layers as kinds_of_layers
from stories_shared.events.ids import USER_ID, UUID

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
YEARS = range(EARLIEST.year, LATEST.year + 1)
MAX_COUNT = 2**53
MAX_LAYER_BYTES = 16_384
MAX_LAYER_DEPTH = 8
MAX_TRACK_BYTES = 65_536

RFC_3339 = (
    r"^(?:[2-8][0-9]{3}|9000)-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
"""For the published schemas, where ``date-time`` is only an annotation; consumers use ``bounded_time``."""

UserId = Annotated[str, Meta(pattern=USER_ID)]
StoryId = Annotated[str, Meta(pattern=UUID)]
PlayId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}\Z")]
Time = Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": RFC_3339})]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Revision = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]
Side = Annotated[int, Meta(ge=1, le=65_535)]
ObjectKey = Annotated[str, Meta(pattern=r"^stories/[A-Za-z0-9._/-]{1,500}\Z")]
ContentType = Annotated[str, Meta(pattern=r"^(video|image)/[a-z0-9.+-]{1,60}\Z")]
Codecs = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.,]{1,100}$")]
Text = Annotated[str, Meta(max_length=2_200)]
OLD_LAYER = {"type": "object", "description": "A layer from before its kind had fields of its own."}
Layer = Annotated[
    dict[str, Any],
    Meta(
        extra_json_schema={
            "propertyNames": {"pattern": r"^[^\0]{0,100}\Z"},
            "anyOf": [*kinds_of_layers.schema(), OLD_LAYER],
        }
    ),
]
"""A layer as it was posted; ``stories_shared.events.layers.layer_of`` reads it."""
Hashtag = Annotated[str, Meta(min_length=1, max_length=kinds_of_layers.MAX_TAG)]
Audience = Literal["everyone", "followers", "friends", "close_friends"]
CommentsFrom = Literal["everyone", "friends", "nobody"]
Kind = Literal["video", "photo"]
Service = Literal["ingest", "feed", "engagement", "expiry"]
Store = Literal["media", "feed", "engagement", "moderation", "archive"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event, in the past tense. Subclasses name their topic and the field with the record key."""

    topic: ClassVar[str] = ""
    key_field: ClassVar[str] = "story_id"
    time_fields: ClassVar[tuple[str, ...]] = ()
    """Set for each class: its fields of type ``Time``."""
    external_writers: ClassVar[bool] = False
    """Whether producers outside of the four services may write this topic."""

    def __init_subclass__(cls) -> None:
        hints = get_type_hints(cls, include_extras=True)
        cls.time_fields = tuple(name for name, hint in hints.items() if Time in (hint, *get_args(hint)))

    def __post_init__(self) -> None:
        for name in self.time_fields:
            at = getattr(self, name)
            if at is None or (at.tzinfo is UTC and not at.microsecond % 1_000 and at.year in YEARS):
                continue
            structs.force_setattr(self, name, bounded_time(at))

    @property
    def key(self) -> str:
        """The record key: all events of one story, or of one user, stay in order."""
        return str(getattr(self, self.key_field))

    @classmethod
    def ce_type(cls) -> str:
        """The CloudEvents type, ``stories.<topic>.v1``."""
        return f"stories.{cls.topic}.v1"

    @classmethod
    def dataschema(cls) -> str:
        """The ``$id`` of the JSON Schema of the data, ``urn:stories:<topic>:v1``."""
        return f"urn:stories:{cls.topic}:v1"


def bounded_time(at: datetime) -> datetime:
    """The time in UTC, truncated to milliseconds.

    Raises:
        ValueError: not between the years 2000 and 9000, which every store and client can represent.
    """
    if at.year not in YEARS:
        raise ValueError("a time between the years 2000 and 9000 is expected")
    return truncate_to_ms(at if at.tzinfo is UTC else at.astimezone(UTC))


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """The objects of a story's media and their properties. Sizes in bytes, sides in pixels as displayed.

    `codecs` is after RFC 6381; null for photos, and in older events. `captions_key` is a WebVTT file, null without
    captions and in older events.
    """

    key: ObjectKey
    poster_key: ObjectKey
    content_type: ContentType
    size: Annotated[int, Meta(ge=1, le=2**40)]
    width: Side
    height: Side
    duration_ms: Milliseconds | None = None
    has_audio: bool = False
    codecs: Codecs | None = None
    captions_key: ObjectKey | None = None


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """One size of a story's media. Sizes in bytes, sides in pixels as displayed; `codecs` is null for photos."""

    key: ObjectKey
    content_type: ContentType
    size: Annotated[int, Meta(ge=1, le=2**40)]
    width: Side
    height: Side
    codecs: Codecs | None = None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What to show until the poster has loaded: a BlurHash, and the average colour as `#rrggbb`."""

    blurhash: Annotated[str, Meta(pattern=r"^[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,200}\Z")]
    color: Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}\Z")]


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """The music of a story and the part of it to play."""

    id: Annotated[str, Meta(min_length=1, max_length=128)]
    title: Annotated[str, Meta(max_length=300)]
    artist: Annotated[str, Meta(max_length=300)]
    start_ms: Annotated[int, Meta(ge=0, le=86_400_000)]
    length_ms: Annotated[int, Meta(ge=0, le=86_400_000)]


class RepostedFrom(msgspec.Struct, frozen=True, kw_only=True):
    """The story that a repost copies, and its author."""

    story_id: StoryId
    author_id: UserId


class Taps(msgspec.Struct, frozen=True, kw_only=True):
    """How often a viewer tapped forward, back and out during one play."""

    forward: Annotated[int, Meta(ge=0, le=10_000)] = 0
    back: Annotated[int, Meta(ge=0, le=10_000)] = 0
    exit: Annotated[int, Meta(ge=0, le=10_000)] = 0


def bounded_json(value: Any, depth: int = MAX_LAYER_DEPTH) -> None:
    """Check that free-form JSON can be stored: nesting, 64-bit integers, keys without NUL.

    Raises:
        ValueError: it cannot be stored.
    """
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        for key, inner in value.items():
            if "\0" in key or len(key) > 100:
                raise ValueError("a key of at most 100 characters without NUL is expected")
            bounded_json(inner, depth - 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            bounded_json(inner, depth - 1)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer of 64 bits is expected")


class StoryPosted(Event, frozen=True, kw_only=True):
    """A story is live, or its author changed its audience or settings (a higher revision).

    `hashtags` (NFKC, case-folded) and `mentions` come from layers and caption.
    """

    topic: ClassVar[str] = "story-posted"

    story_id: StoryId
    author_id: UserId
    posted_at: Time
    expires_at: Time
    kind: Kind
    media: Media
    audience: Audience = "everyone"
    hide_from: Annotated[tuple[UserId, ...], Meta(max_length=1_000)] = ()
    comments: CommentsFrom = "everyone"
    reactions: bool = True
    sharing: bool = True
    download: bool = False
    view_list: bool = True
    caption: Text | None = None
    layers: Annotated[tuple[Layer, ...], Meta(max_length=kinds_of_layers.MAX_LAYERS)] = ()
    hashtags: Annotated[tuple[Hashtag, ...], Meta(max_length=kinds_of_layers.MAX_DERIVED)] = ()
    mentions: Annotated[tuple[UserId, ...], Meta(max_length=kinds_of_layers.MAX_DERIVED)] = ()
    sound: Sound | None = None
    captions_track: Annotated[str, Meta(max_length=MAX_TRACK_BYTES)] | None = None
    alt_text: Text | None = None
    reposted_from: RepostedFrom | None = None
    series_id: StoryId | None = None
    part: Annotated[int, Meta(ge=1, le=100)] = 1
    parts: Annotated[int, Meta(ge=1, le=100)] = 1
    revision: Revision = 1
    access_revision: Revision = 1
    renditions: Annotated[tuple[Rendition, ...], Meta(max_length=16)] = ()
    preview: Preview | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        folder = f"stories/{self.story_id}/"
        keys = [self.media.key, self.media.poster_key, self.media.captions_key]
        keys += [rendition.key for rendition in self.renditions]
        if not all(key is None or key.startswith(folder) for key in keys):
            raise ValueError("the media of a story lies in its own folder")
        if self.expires_at <= self.posted_at:
            raise ValueError("a story expires after it was posted")
        if self.part > self.parts:
            raise ValueError("part is at most parts")
        for layer in self.layers:
            bounded_json(layer)
            if len(msgspec.json.encode(layer)) > MAX_LAYER_BYTES:
                raise ValueError("a layer is too large")


class UserMentioned(Event, frozen=True, kw_only=True):
    """A live story mentions a user. Those whom the author hides the story from are left out."""

    topic: ClassVar[str] = "user-mentioned"

    story_id: StoryId
    author_id: UserId
    user_id: UserId
    at: Time


class StoryExpired(Event, frozen=True, kw_only=True):
    """A story has expired."""

    topic: ClassVar[str] = "story-expired"

    story_id: StoryId
    author_id: UserId
    expires_at: Time
    expired_at: Time


class StoryDeleted(Event, frozen=True, kw_only=True):
    """A story was deleted before it expired. Outside producers (moderation) leave ``author_id`` out."""

    topic: ClassVar[str] = "story-deleted"
    external_writers: ClassVar[bool] = True

    story_id: StoryId
    author_id: UserId | None = None
    deleted_at: Time
    by: Literal["author", "admin", "erasure"]


class StoryViewed(Event, frozen=True, kw_only=True):
    """A user viewed a story. Events with the same story, viewer and play count as one play."""

    topic: ClassVar[str] = "story-viewed"
    external_writers: ClassVar[bool] = True

    story_id: StoryId
    viewer_id: UserId
    viewed_at: Time
    author_id: UserId | None = None
    play_id: PlayId | None = None
    watched_ms: Milliseconds = 0
    completed: bool = False
    taps: Taps | None = None
    listed: bool | None = None
    follower: bool | None = None
    """Whether the viewer followed the author; None where the reporter does not know."""


class StoryEngaged(Event, frozen=True, kw_only=True):
    """The total of one kind of engagement of a story; the newest ``seq`` of a kind counts."""

    topic: ClassVar[str] = "story-engaged"

    story_id: StoryId
    author_id: UserId
    kind: Literal["reaction", "comment", "share", "answer"]
    total: Count
    seq: Count
    at: Time


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """The viewers of a story: all, and by their relation to the author at their first view."""

    total: Count
    followers: Count | None
    others: Count | None


class TapSums(msgspec.Struct, frozen=True, kw_only=True):
    """How often viewers tapped during all plays."""

    forward: Count
    back: Count
    exit: Count


class PartViewers(msgspec.Struct, frozen=True, kw_only=True):
    """How many viewers one part of a series had."""

    part: Annotated[int, Meta(ge=1, le=100)]
    viewers: Count


class LayerTallies(msgspec.Struct, frozen=True, kw_only=True):
    """Answers to one sticker: by option, or one number for a question or promo code."""

    layer_id: StoryId
    kind: Literal["poll", "quiz", "question", "promo_code"]
    tallies: tuple[Count, ...] | None


class StoryInsightsSealed(Event, frozen=True, kw_only=True):
    """The final figures of a story that has expired. Breakdowns of too few people are null; nobody is named."""

    topic: ClassVar[str] = "story-insights-sealed"

    story_id: StoryId
    sealed_at: Time
    series_id: StoryId | None = None
    part: Annotated[int, Meta(ge=1, le=100)] = 1
    reach: Reach
    plays: Count
    completion_rate: Annotated[float, Meta(ge=0, le=1)]
    mean_watch_ms: Milliseconds
    taps: TapSums
    drop_off: tuple[PartViewers, ...] | None
    reactions: dict[str, Count] | None
    comments: Count
    shares: Count
    answers: tuple[LayerTallies, ...] = ()


class StoryErased(Event, frozen=True, kw_only=True):
    """One store has erased an ended story, except for ids, times and counts.

    `archived`, of `media`: the author's archive keeps the story; `archive` follows when that copy is gone.
    `held_until`, of `media`: it is kept for moderators until then at the latest; `moderation` follows when it is gone.
    """

    topic: ClassVar[str] = "story-erased"

    story_id: StoryId
    store: Store
    erased_at: Time
    archived: bool = False
    held_until: Time | None = None


class StoryNotified(Event, frozen=True, kw_only=True):
    """A new story is to be announced to these followers of its author, each at most once. For push gateways."""

    topic: ClassVar[str] = "story-notified"
    key_field: ClassVar[str] = "author_id"

    story_id: StoryId
    author_id: UserId
    user_ids: Annotated[tuple[UserId, ...], Meta(min_length=1, max_length=500)]
    at: Time


class UserEdge(Event, frozen=True, kw_only=True):
    """An edge from one user to another. The latest ``at`` of a pair of topics counts."""

    key_field: ClassVar[str] = "user_id"
    external_writers: ClassVar[bool] = True

    user_id: UserId
    target_id: UserId
    at: Time

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.user_id == self.target_id:
            raise ValueError("nobody decides about themselves")


class UserFollowed(UserEdge, frozen=True, kw_only=True):
    """``user_id`` follows ``target_id``."""

    topic: ClassVar[str] = "user-followed"


class UserUnfollowed(UserEdge, frozen=True, kw_only=True):
    """``user_id`` no longer follows ``target_id``."""

    topic: ClassVar[str] = "user-unfollowed"


class UserBlocked(UserEdge, frozen=True, kw_only=True):
    """``user_id`` blocked ``target_id``: each is hidden from the other."""

    topic: ClassVar[str] = "user-blocked"


class UserUnblocked(UserEdge, frozen=True, kw_only=True):
    """``user_id`` removed the block; nothing else is restored."""

    topic: ClassVar[str] = "user-unblocked"


class UserMuted(UserEdge, frozen=True, kw_only=True):
    """``user_id`` removed ``target_id`` from the tray."""

    topic: ClassVar[str] = "user-muted"


class UserUnmuted(UserEdge, frozen=True, kw_only=True):
    """``user_id`` restored ``target_id`` to the tray."""

    topic: ClassVar[str] = "user-unmuted"


class UserCloseFriendAdded(UserEdge, frozen=True, kw_only=True):
    """``target_id`` is now a close friend of ``user_id``."""

    topic: ClassVar[str] = "user-close-friend-added"


class UserCloseFriendRemoved(UserEdge, frozen=True, kw_only=True):
    """``target_id`` is no longer a close friend of ``user_id``."""

    topic: ClassVar[str] = "user-close-friend-removed"


class UserHidden(UserEdge, frozen=True, kw_only=True):
    """``user_id`` hides all stories from ``target_id``."""

    topic: ClassVar[str] = "user-hidden"


class UserUnhidden(UserEdge, frozen=True, kw_only=True):
    """``user_id`` no longer hides all stories from ``target_id``."""

    topic: ClassVar[str] = "user-unhidden"


class UserErased(Event, frozen=True, kw_only=True):
    """A user's account is to be erased by every service. Outside producers may leave ``receipt_id`` out."""

    topic: ClassVar[str] = "user-erased"
    external_writers: ClassVar[bool] = True
    key_field: ClassVar[str] = "user_id"

    user_id: UserId
    at: Time
    receipt_id: StoryId | None = None


class StoryHeld(Event, frozen=True, kw_only=True):
    """The media of a reported story is to be kept for moderators until a time; once decided, no longer than ``at``."""

    topic: ClassVar[str] = "story-held"

    story_id: StoryId
    author_id: UserId
    until: Time
    at: Time


class UserSuspended(Event, frozen=True, kw_only=True):
    """An admin suspended a user from creating stories until a time, after a report."""

    topic: ClassVar[str] = "user-suspended"
    key_field: ClassVar[str] = "user_id"

    user_id: UserId
    until: Time


class CommentEvent(Event, frozen=True, kw_only=True):
    """What happened to a comment, without its text. ``reply_to`` is the top-level comment of a reply."""

    story_id: StoryId
    author_id: UserId
    comment_id: StoryId
    user_id: UserId
    reply_to: StoryId | None = None
    at: Time


class CommentCreated(CommentEvent, frozen=True, kw_only=True):
    """A comment by ``user_id`` can be read under the story."""

    topic: ClassVar[str] = "comment-created"


class CommentRemoved(CommentEvent, frozen=True, kw_only=True):
    """A comment was deleted or hidden. The end of a story removes its comments without this event."""

    topic: ClassVar[str] = "comment-removed"


class StoryReacted(Event, frozen=True, kw_only=True):
    """A user reacted to a story with an emoji; null: withdrew the reaction. The latest ``at`` of a pair counts."""

    topic: ClassVar[str] = "story-reacted"

    story_id: StoryId
    author_id: UserId
    user_id: UserId
    emoji: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    at: Time


class UserDataErased(Event, frozen=True, kw_only=True):
    """One service has erased a user's data."""

    topic: ClassVar[str] = "user-data-erased"
    key_field: ClassVar[str] = "user_id"

    receipt_id: StoryId
    user_id: UserId
    service: Service
    erased_at: Time


EVENTS: dict[str, type[Event]] = {
    event.topic: event
    for event in (
        StoryPosted,
        StoryExpired,
        UserMentioned,
        StoryDeleted,
        StoryViewed,
        StoryEngaged,
        StoryInsightsSealed,
        StoryErased,
        StoryNotified,
        CommentCreated,
        CommentRemoved,
        StoryReacted,
        UserFollowed,
        UserUnfollowed,
        UserBlocked,
        UserUnblocked,
        UserMuted,
        UserUnmuted,
        UserCloseFriendAdded,
        UserCloseFriendRemoved,
        UserHidden,
        UserUnhidden,
        UserErased,
        UserDataErased,
        StoryHeld,
        UserSuspended,
    )
}
"""Every event by the name of its topic."""

encoder = msgspec.json.Encoder()


def encode(event: Event) -> bytes:
    """The event as JSON. Times have milliseconds and ``Z``."""
    fields = structs.asdict(event)
    for name in event.time_fields:
        if fields[name] is not None:
            fields[name] = rfc3339(fields[name])
    return encoder.encode(fields)
