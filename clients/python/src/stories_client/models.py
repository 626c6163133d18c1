# Made from docs/openapi.json by `make docs`; a test compares.

"""What the API takes and answers."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class AcceptedCodecs(TypedDict):
    """Codecs that an upload may have, as ffmpeg calls them."""

    # Codecs of the picture.
    video: list[str]
    # Codecs of the sound; `pcm` is PCM of every kind.
    audio: list[str]


class Answer(TypedDict):
    """The caller's answer and everybody's."""

    # The option's index, the text, or true for a copied code.
    mine: int | str | bool
    # Answers by option; one number for a question or promo code.
    tallies: list[int]
    # The index of a quiz's right option.
    correct: int | None


class AnswerRequest(TypedDict):
    """An answer: `option` of a poll or quiz (its index), `text` for a question, or `copied` for a promo code."""

    # The index of a poll's or quiz's option.
    option: NotRequired[int]
    # The text.
    text: NotRequired[str]
    # That a promo code was copied.
    copied: NotRequired[Literal[True]]


class ArchiveSettings(TypedDict):
    """Whether the caller keeps expired stories."""

    # Whether stories that expire from now on are kept, for the caller alone.
    enabled: bool


class ArchivedItem(TypedDict):
    """A story after its public life. It has no ticket: nobody views, reacts or comments any more."""

    # The id, opaque.
    id: str
    # The author's user id.
    author_id: str
    # The kind.
    kind: Literal["video", "photo"]
    # Who could see the story while it lived.
    audience: Literal["everyone", "followers", "friends", "close_friends"]
    # When it went live.
    posted_at: str
    # When its public life ended.
    expires_at: str
    # When it was kept.
    archived_at: str
    # Milliseconds; null for a photo.
    duration_ms: int | None
    # Pixels, as displayed.
    width: int
    # Pixels, as displayed.
    height: int
    # The media type.
    content_type: str
    # Bytes.
    size: int
    # Whether it has sound.
    has_audio: bool
    # Codecs after RFC 6381, such as `avc1.640028,mp4a.40.2`; null for a photo.
    codecs: str | None
    # The media, a presigned URL that ends with `urls_expire_at`.
    media_url: str
    # A still picture, a presigned URL that ends with `urls_expire_at`.
    poster_url: str
    # The captions track as `text/vtt`, a presigned URL; null without one.
    captions_url: str | None
    # Every size of the media, the first is `media_url`'s.
    renditions: list[ArchivedRendition]
    # When the URLs end; ask again before.
    urls_expire_at: str
    # The caption, at most 2,200 code points.
    caption: str | None
    # What lies over the media, at most 50.
    layers: list[Layer]
    # The music of the story and the part of it to play.
    sound: Sound | None
    # Subtitles as WebVTT, at most 64 KiB.
    captions_track: str | None
    # What is to be seen, for people who do not see it; at most 2,200 code points.
    alt_text: str | None
    # The id that all parts of a split clip share; null if it is not split.
    series_id: str | None
    # Which part of a split clip this is, from 1.
    part: int
    # How many parts the clip was split into.
    parts: int
    # What to show until the media is there.
    preview: ArchivedPreview | None
    # The original of a repost; else null.
    reposted_from: RepostedFrom | None


class ArchivedItemPage(TypedDict):
    """A page of a list."""

    # The items of this page.
    items: list[ArchivedItem]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class ArchivedPreview(TypedDict):
    """What to show until the media is there."""

    # A blurred picture, as a BlurHash.
    blurhash: str
    # The colour, `#RRGGBB` or with alpha `#RRGGBBAA`.
    color: str


class ArchivedRendition(TypedDict):
    """One size of the media."""

    # Presigned, until `urls_expire_at`.
    url: str
    # The media type.
    content_type: str
    # Pixels, as displayed.
    width: int
    # Pixels, as displayed.
    height: int
    # Bytes.
    size: int
    # Codecs after RFC 6381, such as `avc1.640028,mp4a.40.2`; null for a photo.
    codecs: str | None


class AuditEntry(TypedDict):
    """Who decided what and when. `author_id` is null once the account was erased."""

    # The id, opaque.
    id: str
    # The report's id.
    report_id: str
    # The kind.
    kind: Literal["story", "comment"]
    # The story's id.
    story_id: str
    # The comment's id.
    comment_id: str | None
    # The author's user id.
    author_id: str | None
    # What was decided.
    decision: Decision


class AuditEntryPage(TypedDict):
    """A page of a list."""

    # The items of this page.
    items: list[AuditEntry]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class Background(TypedDict):
    """The picture of a text story: one colour, or two and the angle of their gradient."""

    # `#rrggbb`, or two of them.
    background: str | list[str]
    # Degrees clockwise as in CSS; null for one colour.
    angle: float | None


class Batch(TypedDict):
    """How many one request may ask for or report."""

    # Users of `GET /v1/rings`.
    rings: int
    # Users of `GET /v1/reels`.
    reels: int
    # Entries of `POST /v1/views`.
    views: int


class CaptionLayer(TypedDict):
    """A caption within the picture."""

    # The kind.
    kind: Literal["caption"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The text.
    text: str


class CaptionLayerCreate(TypedDict):
    """A caption within the picture."""

    # The kind.
    kind: Literal["caption"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The text.
    text: str


class Comment(TypedDict):
    """A comment as its reader gets it. `reply_to` is always a top one; `replies` counts those that are not hidden."""

    # The id, opaque.
    id: str
    # The story's id.
    story_id: str
    # The author's user id.
    author_id: str
    # The text.
    text: str
    # The top comment that this replies to; null for a top one.
    reply_to: str | None
    # Replies that are not hidden.
    replies: int
    # When it was created.
    created_at: str
    # What the caller may do.
    can: CommentPermissions


class CommentCreate(TypedDict):
    """A comment, or a reply to one."""

    # The text.
    text: str
    # The comment to reply to; null for a top comment.
    reply_to: NotRequired[str | None]


class CommentPage(TypedDict):
    """A page of a list."""

    # The items of this page.
    items: list[Comment]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class CommentPermissions(TypedDict):
    """What the reader may do with a comment."""

    # Whether the caller may delete the comment.
    delete: bool


class Config(TypedDict):
    """What this installation is: its version, bounds, vocabularies and features."""

    # The release that runs.
    version: str
    # How long a story may live; the first is the default.
    lifetimes: list[str]
    # Milliseconds of a part; a longer clip is split or refused.
    max_clip_ms: int
    # How many parts a split clip may have.
    max_parts: int
    # Bytes of an upload at most.
    max_upload_bytes: int
    # Media types that may be uploaded.
    content_types: list[
        Literal[
            "video/mp4",
            "video/quicktime",
            "video/webm",
            "image/jpeg",
            "image/png",
            "image/webp",
            "image/heic",
            "image/heif",
            "image/avif",
        ]
    ]
    # Codecs that an upload may have.
    codecs: AcceptedCodecs
    # Values of `audience`.
    audiences: list[Literal["everyone", "followers", "friends", "close_friends"]]
    # Values of `comments`.
    comments: list[Literal["everyone", "friends", "nobody"]]
    # Kinds of layers.
    layer_kinds: list[str]
    # Whether users follow through this API, or only the host application decides.
    follows: Literal["open", "events"]
    # What is switched on; more names may come with any release.
    features: list[str]
    # Bounds of requests about many.
    batch: Batch
    # Requests per user and minute, by the limit's name.
    limits: dict[str, int]


class Counts(TypedDict):
    """Exact counts: `views` are plays, `viewers` people; `comments` include replies."""

    # Plays.
    views: int
    # People who viewed.
    viewers: int
    # People who react.
    reactions: int
    # Comments and replies that are not hidden.
    comments: int
    # Viewers who asked for a link.
    shares: int


class Decision(TypedDict):
    """A decision. `until` is the end of a suspension."""

    # What to do: keep, remove, or also suspend.
    action: Literal["keep", "remove", "remove_and_suspend"]
    # Length of a suspension.
    days: int | None
    # The end of a suspension.
    until: str | None
    # The admin's user id.
    decided_by: str
    # When it was decided.
    decided_at: str


class DecisionCreate(TypedDict):
    """What to do about what was reported."""

    # What to do: keep, remove, or also suspend.
    action: Literal["keep", "remove", "remove_and_suspend"]
    # Length of the suspension, null: 30; of no meaning for other actions.
    days: NotRequired[int | None]


class Deleting(TypedDict):
    """How many stories are being deleted."""

    # Stories that are being deleted.
    deleting: int


class Delivery(TypedDict):
    """One event for one endpoint. `last_error` says in a word why the last attempt failed."""

    # The id, opaque.
    id: str
    # The event's name, such as `story-posted`.
    event: str
    # The `id` of the CloudEvent.
    event_id: str
    # The story's id.
    story_id: str
    # The state.
    state: Literal["pending", "delivered", "dead"]
    # How many attempts there were.
    attempts: int
    # When it was created.
    created_at: str
    # When it is tried next; null once it has ended.
    next_attempt_at: str | None
    # When it was tried last; null before the first attempt.
    last_attempt_at: str | None
    # The endpoint's last HTTP status; null without an answer.
    last_status: int | None
    # Why the last attempt failed, in a word; null if it did not.
    last_error: str | None
    # When the endpoint accepted it.
    delivered_at: str | None


class DeliveryPage(TypedDict):
    """A page of a list."""

    # The items of this page.
    items: list[Delivery]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class Draft(TypedDict):
    """A story just asked for; `upload` is null once it is past being a draft."""

    # The id, opaque.
    id: str
    # The state.
    state: Literal["draft", "processing", "live", "scheduled", "refused"]
    # The author's user id.
    author_id: str
    # When it was created.
    created_at: str
    # The media to be uploaded.
    media: Media | Background
    # How long the story lives, one of `lifetimes` of `GET /v1/config`, such as `24h`.
    lifetime: str
    # Who may see the story: everyone, followers, friends (who follow each other), or close friends.
    audience: Literal["everyone", "followers", "friends", "close_friends"]
    # Users who never see the story, at most 1,000.
    hide_from: list[str]
    # Who may comment.
    comments: Literal["everyone", "friends", "nobody"]
    # Whether viewers may react.
    reactions: bool
    # Whether viewers may get a link to share.
    sharing: bool
    # Whether viewers may download the media.
    download: bool
    # Whether the author sees who viewed the story.
    view_list: bool
    # The caption, at most 2,200 code points.
    caption: str | None
    # What lies over the media, at most 50.
    layers: list[Layer]
    # Subtitles as WebVTT, at most 64 KiB.
    captions_track: str | None
    # The music of the story and the part of it to play.
    sound: Sound | None
    # Whether a longer clip becomes several parts instead of being refused.
    split: bool
    # What is to be seen, for people who do not see it; at most 2,200 code points.
    alt_text: str | None
    # The original of a repost; else null.
    reposted_from: RepostedFrom | None
    # How far the media work has come, 0 to 1.
    progress: float | None
    # Why the media was refused; null in other states.
    reason: (
        Literal[
            "not_media",
            "type_mismatch",
            "unsupported",
            "damaged",
            "too_long",
            "too_large",
            "still_images_off",
            "changed",
            "timed_out",
            "quota",
        ]
        | None
    )
    # When a draft or a refused story vanishes; null for a live one.
    vanishes_at: str | None
    # When a scheduled story goes live; null for others.
    publish_at: str | None
    # When it went live; null before.
    posted_at: str | None
    # When it ends.
    expires_at: str | None
    # Whether it plays or stands; null before it is live.
    kind: Literal["video", "photo"] | None
    # The media type as stored; null before it is live.
    content_type: str | None
    # Bytes.
    size: int | None
    # Pixels, as displayed.
    width: int | None
    # Pixels, as displayed.
    height: int | None
    # Milliseconds; null for a photo.
    duration_ms: int | None
    # Whether it has sound.
    has_audio: bool | None
    # Codecs after RFC 6381, such as `avc1.640028,mp4a.40.2`; null for a photo.
    codecs: str | None
    # The id that all parts of a split clip share; null if it is not split.
    series_id: str | None
    # Which part of a split clip this is, from 1.
    part: int
    # How many parts the clip was split into.
    parts: int
    # The media, a presigned URL of a live story; else null.
    media_url: str | None
    # A still picture, a presigned URL of a live story; else null.
    poster_url: str | None
    # Ids of all parts of a split clip, in order; empty if it is not split.
    part_ids: list[str]
    # The upload form of a draft; null if a repeated request finds it past that.
    upload: Upload | None


class Edge(TypedDict):
    """A user on a list, and since when."""

    # The user's id.
    user_id: str
    # Since when.
    since: str


class EdgePage(TypedDict):
    """A page of a list of users, newest first."""

    # The items of this page.
    items: list[Edge]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class EffectLayer(TypedDict):
    """An effect of the client's own set."""

    # The kind.
    kind: Literal["effect"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The name, in the client's own set.
    name: str
    # Share of the picture's width or height.
    intensity: float


class EffectLayerCreate(TypedDict):
    """An effect of the client's own set."""

    # The kind.
    kind: Literal["effect"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The name, in the client's own set.
    name: str
    # Share of the picture's width or height.
    intensity: float


class Eligibility(TypedDict):
    """What the rollout policy lets the caller do; `reason` is why not."""

    # Whether the caller may post.
    create: bool
    # Whether the caller sees stories.
    view: bool
    # Why not; null if both are true.
    reason: Literal["country", "percentage", "denied", "paused"] | None


class ErasureAudit(TypedDict):
    """How many ended stories wait for each store, and how long the oldest has waited, in seconds."""

    # Ended stories that wait for each store.
    open: dict[str, int]
    # Seconds that the oldest of them has waited.
    oldest_s: float


class FollowOptions(TypedDict):
    """Options of a follow."""

    # Announce this author's new stories to the caller (`story-notified`) Default: `false`.
    notify: NotRequired[bool]


class Followed(TypedDict):
    """A followed user, since when, and whether the caller is notified of new stories."""

    # The user's id.
    user_id: str
    # Since when.
    since: str
    # Whether new stories are announced to the caller.
    notify: bool


class FollowedPage(TypedDict):
    """A page of followed users, newest first."""

    # The items of this page.
    items: list[Followed]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class GivenAnswer(TypedDict):
    """One answer; both `option` and `text` are null where a promo code was copied."""

    # The user's id.
    user_id: str
    # The option's index; null for a text or a copied code.
    option: int | None
    # The text; null for an option or a copied code.
    text: str | None
    # When.
    at: str


class GivenAnswerPage(TypedDict):
    """A page of answers to one layer; `tallies` count all of them."""

    # The items of this page.
    items: list[GivenAnswer]
    # Answers by option; one number for a question or promo code.
    tallies: list[int]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class Hashtag(TypedDict):
    """A hashtag, case-folded, and the number of public live stories that have it."""

    # Case-folded, without `#`.
    tag: str
    # Public live stories that have it.
    stories: int


class HashtagLayer(TypedDict):
    """A hashtag without its `#`, kept as written: letters, marks, digits and `_`, not only digits."""

    # The kind.
    kind: Literal["hashtag"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The hashtag, as written, without `#`.
    tag: str


class HashtagLayerCreate(TypedDict):
    """A hashtag without its `#`, kept as written: letters, marks, digits and `_`, not only digits."""

    # The kind.
    kind: Literal["hashtag"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The hashtag, as written, without `#`.
    tag: str


class HashtagPage(TypedDict):
    """Hashtags, those with most stories first. There is one page."""

    # The items of this page.
    items: list[Hashtag]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class HiddenWords(TypedDict):
    """The caller's hidden words."""

    # The words, as they are compared.
    words: list[str]


class HiddenWordsRequest(TypedDict):
    """Words that hide a comment. Case, accents' encoding and width do not matter."""

    # The whole list, at most 500 of 1 to 100 code points; it replaces the one before.
    words: list[str]


class Highlight(TypedDict):
    """A highlight, with those of its stories that the caller may see."""

    # The id, opaque.
    id: str
    # The author's user id.
    author_id: str
    # 1 to 50 characters.
    title: str
    # The stories that the caller may see, in the author's order.
    story_ids: list[str]
    # The story on the cover, one of `story_ids`.
    cover_story_id: str
    # The poster of that story, a presigned URL of 15 minutes.
    cover_url: str
    # When it was created.
    created_at: str


class HighlightChanges(TypedDict):
    """What may be changed; what is not sent stays as it is."""

    # 1 to 50 characters.
    title: NotRequired[str]
    # Archived stories of the caller, in the order to show.
    story_ids: NotRequired[list[str]]
    # One of the stories.
    cover_story_id: NotRequired[str]


class HighlightCreate(TypedDict):
    """A highlight to be made of archived stories."""

    # 1 to 50 characters.
    title: str
    # Archived stories of the caller, in the order to show.
    story_ids: list[str]
    # One of the stories; null: the first.
    cover_story_id: NotRequired[str | None]


class HighlightItemPage(TypedDict):
    """A highlight and a page of its stories, in the author's order."""

    # The id, opaque.
    id: str
    # The author's user id.
    author_id: str
    # 1 to 50 characters.
    title: str
    # The stories that the caller may see, in the author's order.
    story_ids: list[str]
    # The story on the cover, one of `story_ids`.
    cover_story_id: str
    # The poster of that story, a presigned URL of 15 minutes.
    cover_url: str
    # When it was created.
    created_at: str
    # The items of this page.
    items: list[ArchivedItem]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class HighlightPage(TypedDict):
    """A page of a list."""

    # The items of this page.
    items: list[Highlight]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class InputError(TypedDict):
    """One error in a request."""

    # Where: a path of keys, such as `["body", "media", "size"]`.
    loc: list[str | int]
    # What is wrong there.
    msg: str


class Insights(TypedDict):
    """The figures of one story. Once they are sealed, breakdowns of too few people are null."""

    # The story's id.
    story_id: str
    # When it went live; null before.
    posted_at: str
    # Whether the story has ended and its figures are final.
    sealed: bool
    # When it was sealed; null while it lives.
    sealed_at: str | None
    # Viewers by their relation to the author.
    reach: Reach
    # Plays by all viewers.
    plays: int
    # Plays completed of all plays, 0 without plays.
    completion_rate: float
    # Watched per play, 0 without plays.
    mean_watch_ms: int
    # Taps during all plays.
    taps: TapSums
    # Viewers by part of the series.
    drop_off: list[PartViewers] | None
    # By emoji, the most frequent first.
    reactions: dict[str, int] | None
    # Comments with replies, without hidden ones.
    comments: int
    # Viewers who shared it.
    shares: int
    # Of each sticker that can be answered.
    answers: list[LayerTallies]


class InsightsPage(TypedDict):
    """The totals of a period, and a page of its stories, the newest first."""

    # The figures of all stories of the period.
    totals: InsightsTotals
    # The items of this page.
    items: list[Insights]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class InsightsTotals(TypedDict):
    """The figures of all stories of the period; a viewer of two stories counts twice in `reach`."""

    # Stories of the period.
    stories: int
    # Viewers, counted for each story.
    reach: int
    # Plays of all stories.
    plays: int
    # Plays completed of all plays, 0 without plays.
    completion_rate: float
    # Watched per play, 0 without plays.
    mean_watch_ms: int
    # Taps during all plays.
    taps: TapSums
    # Reactions to all stories.
    reactions: int
    # Comments with replies, without hidden ones.
    comments: int
    # Shares, one for each viewer and story.
    shares: int
    # Answers to stickers.
    answers: int


class LayerTallies(TypedDict):
    """Answers to one sticker: by option, or one number for a question or promo code."""

    # The layer's id.
    layer_id: str
    # The kind of the sticker.
    kind: Literal["poll", "quiz", "question", "promo_code"]
    # Answers by option; null once sealed with too few answers.
    tallies: list[int] | None


class LinkLayer(TypedDict):
    """A link."""

    # The kind.
    kind: Literal["link"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # Https, without credentials.
    url: str
    # The title.
    title: NotRequired[str | None]


class LinkLayerCreate(TypedDict):
    """A link."""

    # The kind.
    kind: Literal["link"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # Https, without credentials.
    url: str
    # The title.
    title: NotRequired[str | None]


class LiveToken(TypedDict):
    """A token for `GET /v1/live?token=`, and when it ends."""

    # Good for `GET /v1/live?token=` only.
    token: str
    # When it ends.
    expires_at: str


class Me(TypedDict):
    """The caller, and what they may post."""

    # The caller's user id, as the token names it.
    id: str
    # The token's country, ISO 3166-1 alpha-2; null without one.
    country: str | None
    # The token's roles, such as `admin`.
    roles: list[str]
    # How much the caller may still post.
    quota: Quota
    # What the rollout policy lets the caller do.
    eligibility: Eligibility


class Media(TypedDict):
    """What was promised to be uploaded."""

    # The media type.
    content_type: Literal[
        "video/mp4",
        "video/quicktime",
        "video/webm",
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/heic",
        "image/heif",
        "image/avif",
    ]
    # Bytes.
    size: int


class MentionLayer(TypedDict):
    """A user."""

    # The kind.
    kind: Literal["mention"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The user's id.
    user_id: str


class MentionLayerCreate(TypedDict):
    """A user."""

    # The kind.
    kind: Literal["mention"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The user's id.
    user_id: str


class MusicLayer(TypedDict):
    """The title of a song and the part of it that plays."""

    # The kind.
    kind: Literal["music"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The title.
    title: str
    # The artist.
    artist: str
    # The sound's id, of the client's own.
    sound_id: NotRequired[str | None]
    # Where to begin, in milliseconds.
    start_ms: int
    # How much to play, in milliseconds.
    length_ms: int


class MusicLayerCreate(TypedDict):
    """The title of a song and the part of it that plays."""

    # The kind.
    kind: Literal["music"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The title.
    title: str
    # The artist.
    artist: str
    # The sound's id, of the client's own.
    sound_id: NotRequired[str | None]
    # Where to begin, in milliseconds.
    start_ms: int
    # How much to play, in milliseconds.
    length_ms: int


class PartViewers(TypedDict):
    """How many viewers one part of the series had."""

    # The number of the part, from 1.
    part: int
    # Its viewers.
    viewers: int


class Permissions(TypedDict):
    """What the viewer may do with a story."""

    # Whether the viewer may comment.
    comment: bool
    # Whether the viewer may react.
    react: bool
    # Whether the viewer may get a link to share.
    share: bool
    # Whether the viewer may download the media.
    download: bool


class PollLayer(TypedDict):
    """A poll."""

    # The kind.
    kind: Literal["poll"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The question.
    question: str
    # The options, 2 to 4.
    options: list[str]


class PollLayerCreate(TypedDict):
    """A poll."""

    # The kind.
    kind: Literal["poll"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The question.
    question: str
    # The options, 2 to 4.
    options: list[str]


class Preview(TypedDict):
    """What to show until the poster has loaded: a BlurHash, and the average colour as `#rrggbb`."""

    # A blurred picture, as a BlurHash.
    blurhash: str
    # The colour, `#RRGGBB` or with alpha `#RRGGBBAA`.
    color: str


class Privacy(TypedDict):
    """Whether the caller is listed as a viewer from now on."""

    # Whether authors see the caller in their lists of viewers.
    view_history: bool


class PrivacyRequest(TypedDict):
    """Whether the caller is listed as a viewer."""

    # Whether authors see the caller in their lists of viewers.
    view_history: bool


class Problem(TypedDict):
    """An error (RFC 9457). Go by `type`; `title` and `detail` are for people and may change."""

    # The problem's type.
    type: Literal[
        "urn:stories:not-json",
        "urn:stories:bad-request",
        "urn:stories:unauthenticated",
        "urn:stories:forbidden",
        "urn:stories:ticket-expired",
        "urn:stories:comments-friends-only",
        "urn:stories:not-in-rollout",
        "urn:stories:external-graph",
        "urn:stories:suspended",
        "urn:stories:not-found",
        "urn:stories:method-not-allowed",
        "urn:stories:wrong-state",
        "urn:stories:comments-off",
        "urn:stories:reactions-off",
        "urn:stories:sharing-off",
        "urn:stories:answer-final",
        "urn:stories:idempotency-running",
        "urn:stories:too-large",
        "urn:stories:unsupported-media-type",
        "urn:stories:invalid",
        "urn:stories:ticket-missing",
        "urn:stories:media-refused",
        "urn:stories:idempotency-reused",
        "urn:stories:rate-limited",
        "urn:stories:quota-reached",
        "urn:stories:too-many-drafts",
        "urn:stories:internal",
        "urn:stories:unavailable",
    ]
    # What it is called.
    title: str
    # The HTTP status.
    status: int
    # What happened in this case.
    detail: str
    # What is wrong with the input, at most 20.
    errors: NotRequired[list[InputError]]
    # Why, where a type has several reasons.
    reason: NotRequired[
        Literal[
            "country",
            "percentage",
            "denied",
            "paused",
            "not_media",
            "type_mismatch",
            "unsupported",
            "damaged",
            "too_long",
            "too_large",
            "still_images_off",
            "changed",
            "timed_out",
            "quota",
        ]
    ]


class Processing(TypedDict):
    """How far the media work has come, 0 to 1."""

    # The id, opaque.
    id: str
    # The state.
    state: Literal["processing"]
    # How far the media work has come, 0 to 1.
    progress: float


class PromoCodeLayer(TypedDict):
    """A code to copy."""

    # The kind.
    kind: Literal["promo_code"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The code.
    code: str
    # The terms of the offer.
    terms: NotRequired[str | None]
    # Https, without credentials.
    url: NotRequired[str | None]


class PromoCodeLayerCreate(TypedDict):
    """A code to copy."""

    # The kind.
    kind: Literal["promo_code"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The code.
    code: str
    # The terms of the offer.
    terms: NotRequired[str | None]
    # Https, without credentials.
    url: NotRequired[str | None]


class QuestionLayer(TypedDict):
    """A question that viewers answer with text."""

    # The kind.
    kind: Literal["question"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # What to answer.
    prompt: str


class QuestionLayerCreate(TypedDict):
    """A question that viewers answer with text."""

    # The kind.
    kind: Literal["question"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # What to answer.
    prompt: str


class QuizLayer(TypedDict):
    """A poll with one right option. `correct` is its index; no viewer's item has it."""

    # The kind.
    kind: Literal["quiz"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The question.
    question: str
    # The options, 2 to 4.
    options: list[str]
    # The index of the right option; only the author gets it.
    correct: NotRequired[int]


class QuizLayerCreate(TypedDict):
    """A poll with one right option. `correct` is its index; no viewer's item has it."""

    # The kind.
    kind: Literal["quiz"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The question.
    question: str
    # The options, 2 to 4.
    options: list[str]
    # The index of the right option; only the author gets it.
    correct: int


class Quota(TypedDict):
    """How much an author may still post."""

    # Stories that live now.
    live: int
    # How many may live at a time.
    max_live: int
    # Stories that went live within 24 hours, deleted ones too.
    posted_24h: int
    # How many may go live within 24 hours.
    max_posted_24h: int
    # Seconds until the next story may be posted, 0 if at once.
    retry_after_s: int


class Reach(TypedDict):
    """The viewers of a story: all, and by their relation to the author at their first view."""

    # All viewers.
    total: int
    # Those who followed the author; null once sealed with too few viewers.
    followers: int | None
    # Those who did not, or of whom it is unknown; null with `followers`.
    others: int | None


class ReactionRequest(TypedDict):
    """A reaction: one emoji, normalised to its fully qualified form."""

    # One emoji, fully qualified; a bare one is normalised.
    emoji: str


class Reactions(TypedDict):
    """How many reactions of each kind there are, and the caller's own."""

    # How many people chose each emoji.
    counts: dict[str, int]
    # How many there are in all.
    total: int
    # The caller's own emoji; null without one.
    mine: str | None


class ReelBatch(TypedDict):
    """The first items of several reels."""

    # Items by user id, at most 20 of each.
    reels: dict[str, list[ReelItem]]


class ReelItem(TypedDict):
    """A story as a viewer gets it. Times are RFC 3339 strings, sizes are bytes."""

    # The id, opaque.
    id: str
    # The author's user id.
    author_id: str
    # The kind.
    kind: Literal["photo", "video"]
    # What to label it with among other posts.
    label: Literal["Story"]
    # Who may see the story: everyone, followers, friends (who follow each other), or close friends.
    audience: Literal["close_friends", "everyone", "followers", "friends"]
    # When it went live; null before.
    posted_at: str
    # When it ends.
    expires_at: str
    # Milliseconds; null for a photo.
    duration_ms: int | None
    # Pixels, as displayed.
    width: int
    # Pixels, as displayed.
    height: int
    # The media type.
    content_type: str
    # Bytes.
    size: int
    # Whether it has sound.
    has_audio: bool
    # Codecs after RFC 6381, such as `avc1.640028,mp4a.40.2`; null for a photo.
    codecs: str | None
    # The media, a presigned URL that ends with `urls_expire_at`.
    media_url: str
    # A still picture, a presigned URL; null while it is uncertain whether the story still exists.
    poster_url: str
    # The media as an attachment, a presigned URL; null unless `can.download`.
    download_url: str | None
    # Every size of the media, the first is `media_url`'s.
    renditions: list[Rendition]
    # When the first of the URLs ends; ask for the story again before.
    urls_expire_at: str
    # The caption, at most 2,200 code points.
    caption: str | None
    # What lies over the media, at most 50.
    layers: list[Layer]
    # The music of the story and the part of it to play.
    sound: Sound | None
    # Subtitles as WebVTT, at most 64 KiB.
    captions_track: str | None
    # What is to be seen, for people who do not see it; at most 2,200 code points.
    alt_text: str | None
    # Whether the caller has seen the story.
    seen: bool
    # The id that all parts of a split clip share; null if it is not split.
    series_id: str | None
    # Which part of a split clip this is, from 1.
    part: int
    # How many parts the clip was split into.
    parts: int
    # Whether the author sees who viewed it.
    viewers_listed: bool
    # What the caller may do.
    can: Permissions
    # What the viewer may do, signed; for the header `Story-Ticket` and `POST /v1/views`.
    ticket: str
    # When the ticket ends; ask for the story again before.
    ticket_expires_at: str
    # The captions track as `text/vtt`, a presigned URL; null without one.
    captions_url: str | None
    # What to show until the media is there.
    preview: Preview | None
    # The story that this one copies.
    reposted_from: RepostedFrom | None


class ReelPage(TypedDict):
    """A page of an author's live stories, oldest first; For You: newest first."""

    # The items of this page.
    items: list[ReelItem]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class RejectedView(TypedDict):
    """A view that was not taken: its place in the request, and whether its ticket or its story is over."""

    # Its place in `views`, from 0.
    index: int
    # Whether its ticket is no good or its story has ended.
    reason: Literal["ended", "ticket"]


class Rendition(TypedDict):
    """One size of the media."""

    # Presigned, until `urls_expire_at`.
    url: str
    # Media type.
    content_type: str
    # Pixels as displayed.
    width: int
    # Pixels as displayed.
    height: int
    # Bytes.
    size: int
    # After RFC 6381, such as `avc1.640028,mp4a.40.2`; null for photos.
    codecs: str | None


class Report(TypedDict):
    """A report as admins see it; who made it is never disclosed. `author_id` made what was reported, and is null
    once their account was erased. `copy` is what was reported, null if it was gone before. `reports` is how many
    users have reported it."""

    # The id, opaque.
    id: str
    # The kind.
    kind: Literal["story", "comment"]
    # The story's id.
    story_id: str
    # The comment's id.
    comment_id: str | None
    # The author's user id.
    author_id: str | None
    # The reporter's word.
    reason: str
    # What the reporter added; null once their account was erased.
    text: str | None
    # How many users have reported it.
    reports: int
    # When it was reported.
    reported_at: str
    # The state.
    state: Literal["open", "decided"]
    # What was reported, as it was then; null if it was gone before.
    copy: dict[str, Any] | None
    # What was decided; null while it is open.
    decision: Decision | None


class ReportCreate(TypedDict):
    """Why a story or comment is reported."""

    # A word of the client's choice.
    reason: str
    # What the reporter adds.
    text: NotRequired[str | None]


class ReportPage(TypedDict):
    """A page of a list."""

    # The items of this page.
    items: list[Report]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class RepostedFrom(TypedDict):
    """The story that a repost copies, and its author."""

    # Id of the original.
    story_id: str
    # Its author.
    author_id: str


class Ring(TypedDict):
    """An author in the tray. ``poster_url`` is null while it is uncertain whether the story still exists."""

    # The author's user id.
    author_id: str
    # `unseen` if a story of the author is unseen, else `seen`; `none` without a story that the caller may see.
    ring: Literal["seen", "unseen"]
    # Live stories that the caller may see.
    stories: int
    # How many of them are unseen.
    unseen: int
    # When the newest of the stories was posted.
    latest_at: str
    # When it ends.
    expires_at: str
    # A still picture, a presigned URL; null while it is uncertain whether the story still exists.
    poster_url: str | None


class Rings(TypedDict):
    """``unseen``, ``seen`` or ``none`` by author."""

    # The ring by user id.
    rings: dict[str, Literal["none", "seen", "unseen"]]


class RuleOutcome(TypedDict):
    """Whether the viewer passes a rule, and why."""

    # Which rule.
    rule: Literal["audience", "block", "freshness", "hide_from", "rollout", "state"]
    # Whether the viewer passes it.
    passed: bool
    # Why, for a person to read.
    detail: str


class Scheduled(TypedDict):
    """When a scheduled story goes live."""

    # The id, opaque.
    id: str
    # The state.
    state: Literal["scheduled"]
    # When it goes live.
    publish_at: str


class SeenRequest(TypedDict):
    """The last story of a reel that was seen."""

    # The last story that was seen; those before it count as seen too.
    up_to: str


class Share(TypedDict):
    """The link to hand on. It grants nothing."""

    # The link; it opens for users who may see the story.
    url: str


class Sound(TypedDict):
    """The music of a story and the part of it to play."""

    # The id, opaque.
    id: str
    # The title.
    title: str
    # The artist.
    artist: str
    # Where to begin, in milliseconds.
    start_ms: int
    # How much to play, in milliseconds.
    length_ms: int


class SoundRequest(TypedDict):
    """The sound a story is set to."""

    # The id, opaque.
    id: str
    # The title.
    title: str
    # The artist.
    artist: str
    # Where to begin, in milliseconds.
    start_ms: int
    # How much to play, in milliseconds.
    length_ms: int


class StickerLayer(TypedDict):
    """A sticker of the client's own set."""

    # The kind.
    kind: Literal["sticker"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The sticker, in the client's own set.
    sticker_id: str


class StickerLayerCreate(TypedDict):
    """A sticker of the client's own set."""

    # The kind.
    kind: Literal["sticker"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The sticker, in the client's own set.
    sticker_id: str


class Story(TypedDict):
    """A story as its author sees it; what its state does not have yet is null."""

    # The id, opaque.
    id: str
    # The state.
    state: Literal["draft", "processing", "live", "scheduled", "refused"]
    # The author's user id.
    author_id: str
    # When it was created.
    created_at: str
    # The media to be uploaded.
    media: Media | Background
    # How long the story lives, one of `lifetimes` of `GET /v1/config`, such as `24h`.
    lifetime: str
    # Who may see the story: everyone, followers, friends (who follow each other), or close friends.
    audience: Literal["everyone", "followers", "friends", "close_friends"]
    # Users who never see the story, at most 1,000.
    hide_from: list[str]
    # Who may comment.
    comments: Literal["everyone", "friends", "nobody"]
    # Whether viewers may react.
    reactions: bool
    # Whether viewers may get a link to share.
    sharing: bool
    # Whether viewers may download the media.
    download: bool
    # Whether the author sees who viewed the story.
    view_list: bool
    # The caption, at most 2,200 code points.
    caption: str | None
    # What lies over the media, at most 50.
    layers: list[Layer]
    # Subtitles as WebVTT, at most 64 KiB.
    captions_track: str | None
    # The music of the story and the part of it to play.
    sound: Sound | None
    # Whether a longer clip becomes several parts instead of being refused.
    split: bool
    # What is to be seen, for people who do not see it; at most 2,200 code points.
    alt_text: str | None
    # The original of a repost; else null.
    reposted_from: RepostedFrom | None
    # How far the media work has come, 0 to 1.
    progress: float | None
    # Why the media was refused; null in other states.
    reason: (
        Literal[
            "not_media",
            "type_mismatch",
            "unsupported",
            "damaged",
            "too_long",
            "too_large",
            "still_images_off",
            "changed",
            "timed_out",
            "quota",
        ]
        | None
    )
    # When a draft or a refused story vanishes; null for a live one.
    vanishes_at: str | None
    # When a scheduled story goes live; null for others.
    publish_at: str | None
    # When it went live; null before.
    posted_at: str | None
    # When it ends.
    expires_at: str | None
    # Whether it plays or stands; null before it is live.
    kind: Literal["video", "photo"] | None
    # The media type as stored; null before it is live.
    content_type: str | None
    # Bytes.
    size: int | None
    # Pixels, as displayed.
    width: int | None
    # Pixels, as displayed.
    height: int | None
    # Milliseconds; null for a photo.
    duration_ms: int | None
    # Whether it has sound.
    has_audio: bool | None
    # Codecs after RFC 6381, such as `avc1.640028,mp4a.40.2`; null for a photo.
    codecs: str | None
    # The id that all parts of a split clip share; null if it is not split.
    series_id: str | None
    # Which part of a split clip this is, from 1.
    part: int
    # How many parts the clip was split into.
    parts: int
    # The media, a presigned URL of a live story; else null.
    media_url: str | None
    # A still picture, a presigned URL of a live story; else null.
    poster_url: str | None
    # Ids of all parts of a split clip, in order; empty if it is not split.
    part_ids: list[str]


class StoryChanges(TypedDict):
    """What may be changed for as long as the story lives; what is not sent stays as it is."""

    # Who may see the story: everyone, followers, friends (who follow each other), or close friends.
    audience: NotRequired[Literal["everyone", "followers", "friends", "close_friends"]]
    # Users who never see the story, at most 1,000.
    hide_from: NotRequired[list[str]]
    # Who may comment.
    comments: NotRequired[Literal["everyone", "friends", "nobody"]]
    # Whether viewers may react.
    reactions: NotRequired[bool]
    # Whether viewers may get a link to share.
    sharing: NotRequired[bool]
    # Whether viewers may download the media.
    download: NotRequired[bool]
    # Whether the author sees who viewed the story.
    view_list: NotRequired[bool]
    # Of a scheduled story.
    publish_at: NotRequired[str]


class StoryCreateMedia(TypedDict):
    """An object."""

    # The media type.
    content_type: Literal[
        "video/mp4",
        "video/quicktime",
        "video/webm",
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/heic",
        "image/heif",
        "image/avif",
    ]
    # Bytes.
    size: int


class StoryCreateMedia1(TypedDict):
    """A text story's picture, drawn by the server: one colour, or two and the angle of their gradient as in CSS."""

    # One colour, or two of a gradient.
    background: str | list[str]
    # Degrees clockwise; 0 goes up, 180 is the default.
    angle: NotRequired[float]


class StoryCreate(TypedDict):
    """A story to be made. Only `media` is required; `lifetime` is one of `GET /v1/config`'s, by default its first."""

    # Who may see the story: everyone, followers, friends (who follow each other), or close friends. Default:
    # `"everyone"`.
    audience: NotRequired[Literal["everyone", "followers", "friends", "close_friends"]]
    # Users who never see the story, at most 1,000.
    hide_from: NotRequired[list[str]]
    # Who may comment. Default: `"everyone"`.
    comments: NotRequired[Literal["everyone", "friends", "nobody"]]
    # Whether viewers may react. Default: `true`.
    reactions: NotRequired[bool]
    # Whether viewers may get a link to share. Default: `true`.
    sharing: NotRequired[bool]
    # Whether viewers may download the media. Default: `false`.
    download: NotRequired[bool]
    # Whether the author sees who viewed the story. Default: `true`.
    view_list: NotRequired[bool]
    # What will be uploaded: exactly this type (parameters are ignored) and exactly this size in bytes.
    media: StoryCreateMedia | StoryCreateMedia1
    # How long the story lives, one of `lifetimes` of `GET /v1/config`, such as `24h`.
    lifetime: NotRequired[str | None]
    # The caption, at most 2,200 code points.
    caption: NotRequired[str | None]
    # What is to be seen, for people who do not see it; at most 2,200 code points.
    alt_text: NotRequired[str | None]
    # Subtitles as WebVTT, at most 64 KiB.
    captions_track: NotRequired[str | None]
    # The music of the story and the part of it to play.
    sound: NotRequired[SoundRequest | None]
    # What lies over the media, at most 50.
    layers: NotRequired[list[LayerCreate]]
    # Whether a longer clip becomes several parts instead of being refused. Default: `true`.
    split: NotRequired[bool]


class StoryExplanation(TypedDict):
    """The outcome of every rule, also after the first that fails."""

    # Whether the viewer passes every rule.
    visible: bool
    # All rules.
    rules: list[RuleOutcome]


class StoryPage(TypedDict):
    """A page of a list."""

    # The items of this page.
    items: list[Story]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class StoryPublish(TypedDict):
    """When a story is to go live; without a body at once."""

    # At most 30 days ahead.
    at: str


class StoryReceipt(TypedDict):
    """How far the erasure of an ended story has come; a store that has not answered is null."""

    # The story's id.
    story_id: str
    # How it ended.
    ended: Literal["expired", "deleted"]
    # When it ended.
    ended_at: str
    # When each store erased it; null until then. `archive` is there if its author kept it, `moderation` if it was
    # held.
    erased: dict[str, str | None]
    # Whether its public life is over in every store.
    complete: bool
    # Whether its author still keeps it in the archive.
    archived: bool
    # When the last store confirmed; null until then.
    completed_at: str | None
    # When the last Kafka record about it is gone, at the latest.
    log_clears_by: str
    # `moderation` while the media of a reported story is still kept; else null.
    held: str | None


class TapSums(TypedDict):
    """How often viewers tapped forward, back and out during all plays."""

    # Taps to the next story.
    forward: int
    # Taps to the one before.
    back: int
    # Taps out.
    exit: int


class TapsRequest(TypedDict):
    """How often the viewer tapped forward, back and out."""

    # Taps to the next story. Default: `0`.
    forward: NotRequired[int]
    # Taps to the story before. Default: `0`.
    back: NotRequired[int]
    # Taps out of the player. Default: `0`.
    exit: NotRequired[int]


class TextLayer(TypedDict):
    """Styled text."""

    # The kind.
    kind: Literal["text"]
    # The id, opaque.
    id: str
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise.
    rotation: float
    # Higher ones lie above lower ones.
    z: int
    # The text.
    text: str
    # The typeface.
    font: NotRequired[Literal["classic", "modern", "neon", "strong", "typewriter"]]
    # #RRGGBB or #RRGGBBAA.
    color: NotRequired[str | None]
    # #RRGGBB or #RRGGBBAA.
    background: NotRequired[str | None]
    # The alignment of the lines.
    align: NotRequired[Literal["center", "left", "right"]]


class TextLayerCreate(TypedDict):
    """Styled text."""

    # The kind.
    kind: Literal["text"]
    # Share of the picture's width or height.
    x: float
    # Share of the picture's width or height.
    y: float
    # Share of the picture's width or height.
    w: float
    # Share of the picture's width or height.
    h: float
    # Degrees, clockwise. Default: `0`.
    rotation: NotRequired[float]
    # Higher ones lie above lower ones. Default: `0`.
    z: NotRequired[int]
    # The text.
    text: str
    # The typeface.
    font: NotRequired[Literal["classic", "modern", "neon", "strong", "typewriter"]]
    # #RRGGBB or #RRGGBBAA.
    color: NotRequired[str | None]
    # #RRGGBB or #RRGGBBAA.
    background: NotRequired[str | None]
    # The alignment of the lines.
    align: NotRequired[Literal["center", "left", "right"]]


class TrayPage(TypedDict):
    """A page of the tray: unseen first, then newest; and the viewer's own ring."""

    # The items of this page.
    items: list[Ring]
    # The caller's own ring; null without a live story.
    mine: Ring | None
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


class Upload(TypedDict):
    """A form to upload with: `fields` first, then `file`."""

    # The HTTP method.
    method: Literal["POST"]
    # Where to send the form: the object store.
    url: str
    # The form's fields; they go before the field `file`.
    fields: dict[str, str]
    # When the form ends; ask for a fresh one then.
    expires_at: str


class UserErasure(TypedDict):
    """Which services have forgotten a user; one that has not answered is null."""

    # The receipt's id.
    receipt_id: str
    # The user's id.
    user_id: str
    # As of when the user is erased.
    at: str
    # When each service erased the user; null until then.
    erased: dict[str, str | None]
    # Whether every store has confirmed.
    complete: bool


class ViewReport(TypedDict):
    """The body of `POST /v1/views`."""

    # At most 100 views.
    views: list[ViewRequest]


class ViewReportResult(TypedDict):
    """How many views are durable, and which are not taken."""

    # Views that are durable.
    accepted: int
    # Views that are not taken.
    rejected: list[RejectedView]


class ViewRequest(TypedDict):
    """One view as a client reports it."""

    # The item's ticket.
    ticket: str
    # The client's id of this play: reported again, it refines the play.
    play_id: NotRequired[str | None]
    # Milliseconds watched. Default: `0`.
    watched_ms: NotRequired[int]
    # Whether it was played to its end. Default: `false`.
    completed: NotRequired[bool]
    # Taps during the play.
    taps: NotRequired[TapsRequest]


class Viewer(TypedDict):
    """One viewer; `viewed_at` is the first time."""

    # The viewer's user id.
    viewer_id: str
    # When they viewed it first.
    viewed_at: str
    # How often they played it.
    plays: int
    # Their emoji; null without one.
    reaction: str | None


class ViewerPage(TypedDict):
    """A page of viewers; `total` counts all, `hidden` those of them that no page shows."""

    # The items of this page.
    items: list[Viewer]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None
    # All viewers, hidden ones too.
    total: int
    # Viewers that no page shows.
    hidden: int


class Webhook(TypedDict):
    """An endpoint. `secret` is shown once, when it was made."""

    # The id, opaque.
    id: str
    # The URL.
    url: str
    # The events that it gets.
    events: list[
        Literal[
            "story-posted",
            "story-expired",
            "story-deleted",
            "story-insights-sealed",
            "user-mentioned",
            "comment-created",
        ]
    ]
    # Whether events are queued and delivered.
    enabled: bool
    # When it was created.
    created_at: str
    # The secret, when it was made; null in every other answer.
    secret: str | None


class WebhookChanges(TypedDict):
    """What to change; what is not sent stays. A new secret takes effect with the next attempt."""

    # Https, without credentials.
    url: NotRequired[str | None]
    # The events to deliver.
    events: NotRequired[
        list[
            Literal[
                "story-posted",
                "story-expired",
                "story-deleted",
                "story-insights-sealed",
                "user-mentioned",
                "comment-created",
            ]
        ]
        | None
    ]
    # `whsec_` and 24 to 64 bytes in base64; null: the service makes one.
    secret: NotRequired[str | None]
    # False: deliveries wait, and new events are not queued.
    enabled: NotRequired[bool | None]


class WebhookCreate(TypedDict):
    """An endpoint and the events that it gets."""

    # Https, without credentials.
    url: str
    # The events to deliver.
    events: list[
        Literal[
            "story-posted",
            "story-expired",
            "story-deleted",
            "story-insights-sealed",
            "user-mentioned",
            "comment-created",
        ]
    ]
    # `whsec_` and 24 to 64 bytes in base64; null: the service makes one.
    secret: NotRequired[str | None]


class WebhookPage(TypedDict):
    """A page of a list."""

    # The items of this page.
    items: list[Webhook]
    # The `cursor` of the next page; null on the last one.
    next_cursor: str | None


Layer: TypeAlias = "TextLayer | CaptionLayer | StickerLayer | MentionLayer | HashtagLayer | LinkLayer | PollLayer | QuizLayer | QuestionLayer | PromoCodeLayer | MusicLayer | EffectLayer"

LayerCreate: TypeAlias = "TextLayerCreate | CaptionLayerCreate | StickerLayerCreate | MentionLayerCreate | HashtagLayerCreate | LinkLayerCreate | PollLayerCreate | QuizLayerCreate | QuestionLayerCreate | PromoCodeLayerCreate | MusicLayerCreate | EffectLayerCreate"
