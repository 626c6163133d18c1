"""The vocabulary of the OpenAPI documents: tags, headers, shared parameters, and properties that many schemas have.

A property is described where it is declared (``Field(description=…)``, ``Meta(description=…)``); here are only those
whose meaning is the same everywhere, and those of types that are declared elsewhere (``Schema.property``).
"""

from collections.abc import Mapping
from typing import Any

from stories_shared.auth.signed_text import MAX_SIGNED_CHARACTERS
from stories_shared.auth.tokens import USER_ID
from stories_shared.http.bodies import STORY_ID
from stories_shared.http.idempotency import DOCUMENTED
from stories_shared.http.paging import MAX_LIMIT

Object = dict[str, Any]

TAGS: Mapping[str, str] = {
    "Installation": "What this installation offers, and who the caller is.",
    "Posting": "Create a draft, upload its media to the object store, publish it; change and delete it.",
    "My stories": "The caller's own stories in every state, and the caller's quota.",
    "Viewing": "Tray, rings, reels and single stories, as one viewer may see them.",
    "Discovery": "Public stories of anyone: For You, hashtags, mentions.",
    "Live updates": "Server-sent events about rings and the caller's own stories.",
    "Views": "Report plays, and read who viewed a story.",
    "Engagement": "Reactions, comments, shares and answers. The story's ticket goes into the header `Story-Ticket`.",
    "Insights": "Counts, and how a story went, for its author.",
    "Relationships": "Whom the caller follows, blocks, mutes, hides stories from and counts as a close friend.",
    "Archive": "Expired stories that their author keeps, and highlights made of them.",
    "Privacy": "The caller's settings for being listed as a viewer and for comments.",
    "Moderation": "Reports of stories and comments, and decisions about them.",
    "Erasure": "Receipts that confirm an erasure in every store, and the erasure of users.",
    "Administration": "For callers with the role `admin`; others get 404.",
}
"""Every tag in the order of the reference, with its description."""

HEADERS: Mapping[str, Object] = {
    "X-Request-Id": {
        "description": "The request's id: the client's own if it is valid, else made by the gateway. It is in every "
        "log line of the request.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "example": "0198c5d0-7d1c-7c3e-9f57-2f4d3a6b8c01",
    },
    "RateLimit": {
        "description": "What is left of a limit, and the seconds until it resets (IETF draft, structured fields).",
        "schema": {"type": "string"},
        "example": '"reads";r=1199;t=60',
    },
    "RateLimit-Policy": {
        "description": "The limit's quota, and its window in seconds.",
        "schema": {"type": "string"},
        "example": '"reads";q=1200;w=60',
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 1,
    },
    "WWW-Authenticate": {
        "description": 'The challenge of RFC 6750; `error="invalid_token"` if a token was sent.',
        "schema": {"type": "string"},
        "example": 'Bearer realm="stories"',
    },
    "ETag": {
        "description": "The entity tag of the answer; send it back in `If-None-Match` exactly as it came.",
        "schema": {"type": "string"},
        "example": 'W/"5d41402abc4b2a76b9719d91"',
    },
    "Location": {
        "description": "Where the created resource is.",
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/v1/me/stories/0198c5d0-7d1c-7c3e-9f57-2f4d3a6b8c01",
    },
}
"""Response headers, ``components.headers``."""

UUID = {"type": "string", "format": "uuid", "pattern": STORY_ID}

PARAMETERS: Mapping[tuple[str, str], tuple[str, Object]] = {
    ("path", "story_id"): ("StoryId", {"description": "The story's id.", "schema": UUID}),
    ("path", "comment_id"): ("CommentId", {"description": "The comment's id.", "schema": UUID}),
    ("path", "user_id"): (
        "UserId",
        {
            "description": "The user's id, percent-encoded.",
            "schema": {"type": "string", "pattern": USER_ID},
            "example": "ann",
        },
    ),
    ("query", "limit"): (
        "Limit",
        {
            "description": f"How many items at most, 1 to {MAX_LIMIT}.",
            "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 20},
        },
    ),
    ("query", "cursor"): (
        "Cursor",
        {
            "description": "The `next_cursor` of the page before. It is good for this caller and this list only.",
            "schema": {"type": "string", "maxLength": MAX_SIGNED_CHARACTERS},
        },
    ),
    ("header", "idempotency-key"): (
        "IdempotencyKey",
        {
            "description": "A repeated request with the same key and body has one effect; kept for 24 hours.",
            "schema": {"type": "string", "pattern": DOCUMENTED},
            "example": "post-2026-11-28-1",
        },
    ),
    ("header", "story-ticket"): (
        "StoryTicket",
        {
            "description": "The `ticket` that came with the story. The story's author needs none.",
            "schema": {"type": "string"},
        },
    ),
    ("header", "if-none-match"): (
        "IfNoneMatch",
        {
            "description": "The `ETag` of the answer that the client has: 304 if it is still good.",
            "schema": {"type": "string"},
        },
    ),
}
"""Parameters that many operations have, by place and name: ``components.parameters``."""

IMPLIED: Mapping[str, tuple[str, ...]] = {
    "idempotency-key": ("not-found", "idempotency-running", "idempotency-reused"),
    "story-ticket": ("ticket-missing", "ticket-expired"),
}
"""Problems that come with a header parameter."""

PROPERTIES: Mapping[str, str] = {
    "id": "The id, opaque.",
    "story_id": "The story's id.",
    "author_id": "The author's user id.",
    "user_id": "The user's id.",
    "viewer_id": "The viewer's user id.",
    "comment_id": "The comment's id.",
    "layer_id": "The layer's id.",
    "report_id": "The report's id.",
    "receipt_id": "The receipt's id.",
    "highlight_id": "The highlight's id.",
    "webhook_id": "The webhook's id.",
    "delivery_id": "The delivery's id.",
    "items": "The items of this page.",
    "next_cursor": "The `cursor` of the next page; null on the last one.",
    "created_at": "When it was created.",
    "posted_at": "When it went live; null before.",
    "expires_at": "When it ends.",
    "latest_at": "When the newest of the stories was posted.",
    "urls_expire_at": "When the first of the URLs ends; ask for the story again before.",
    "since": "Since when.",
    "at": "When.",
    "state": "The state.",
    "kind": "The kind.",
    "url": "The URL.",
    "media_url": "The media, a presigned URL that ends with `urls_expire_at`.",
    "poster_url": "A still picture, a presigned URL; null while it is uncertain whether the story still exists.",
    "download_url": "The media as an attachment, a presigned URL; null unless `can.download`.",
    "captions_url": "The captions track as `text/vtt`, a presigned URL; null without one.",
    "content_type": "The media type.",
    "size": "Bytes.",
    "width": "Pixels, as displayed.",
    "height": "Pixels, as displayed.",
    "duration_ms": "Milliseconds; null for a photo.",
    "has_audio": "Whether it has sound.",
    "codecs": "Codecs after RFC 6381, such as `avc1.640028,mp4a.40.2`; null for a photo.",
    "audience": "Who may see the story: everyone, followers, friends (who follow each other), or close friends.",
    "hide_from": "Users who never see the story, at most 1,000.",
    "comments": "Who may comment.",
    "reactions": "Whether viewers may react.",
    "sharing": "Whether viewers may get a link to share.",
    "download": "Whether viewers may download the media.",
    "view_list": "Whether the author sees who viewed the story.",
    "media": "The media to be uploaded.",
    "lifetime": "How long the story lives, one of `lifetimes` of `GET /v1/config`, such as `24h`.",
    "caption": "The caption, at most 2,200 code points.",
    "alt_text": "What is to be seen, for people who do not see it; at most 2,200 code points.",
    "captions_track": "Subtitles as WebVTT, at most 64 KiB.",
    "sound": "The music of the story and the part of it to play.",
    "layers": "What lies over the media, at most 50.",
    "split": "Whether a longer clip becomes several parts instead of being refused.",
    "progress": "How far the media work has come, 0 to 1.",
    "series_id": "The id that all parts of a split clip share; null if it is not split.",
    "part": "Which part of a split clip this is, from 1.",
    "parts": "How many parts the clip was split into.",
    "seen": "Whether the caller has seen the story.",
    "can": "What the caller may do.",
    "ring": "`unseen` if a story of the author is unseen, else `seen`; `none` without a story that the caller may see.",
    "views": "Plays.",
    "viewers": "People who viewed.",
    "shares": "Viewers who asked for a link.",
    "text": "The text.",
    "emoji": "One emoji, fully qualified; a bare one is normalised.",
    "total": "How many there are in all.",
    "complete": "Whether every store has confirmed.",
    "start_ms": "Where to begin, in milliseconds.",
    "length_ms": "How much to play, in milliseconds.",
    "title": "The title.",
    "artist": "The artist.",
    "forward": "Taps to the next story.",
    "back": "Taps to the story before.",
    "exit": "Taps out of the player.",
    "preview": "What to show until the media is there.",
    "blurhash": "A blurred picture, as a BlurHash.",
    "color": "The colour, `#RRGGBB` or with alpha `#RRGGBBAA`.",
    "font": "The typeface.",
    "align": "The alignment of the lines.",
    "sticker_id": "The sticker, in the client's own set.",
    "tag": "The hashtag, as written, without `#`.",
    "question": "The question.",
    "options": "The options, 2 to 4.",
    "correct": "The index of the right option; only the author gets it.",
    "prompt": "What to answer.",
    "code": "The code.",
    "terms": "The terms of the offer.",
    "sound_id": "The sound's id, of the client's own.",
    "name": "The name, in the client's own set.",
}
"""Descriptions of properties by name, or by ``Schema.property``."""

USER_IDS = frozenset({"author_id", "user_id", "viewer_id"})
CLIENT_IDS = frozenset({"sound_id", "sticker_id", "play_id"})
"""Ids that are not UUIDs."""
ID_NAMES = frozenset({"id", "reply_to", "up_to"})

DESCRIPTION = """\
Stories that live for a day: an author posts a clip or a photo, followers see a ring and watch it, react, comment and
share; then it is erased from every store, and a receipt confirms it.

**Authentication.** `Authorization: Bearer <JWT>` of your identity provider. The token's user claim is the user.

**Lifecycle.** `POST /v1/stories` answers with an upload form; POST the file to the object store with it; `POST
/v1/stories/{story_id}/publish?wait=10` answers with the live story. Viewers find it in `GET /v1/tray` and read `GET
/v1/users/{user_id}/stories`; each item has presigned media URLs and a `ticket`, which goes into the header
`Story-Ticket` of everything that a viewer does with the story.

**Formats.** Times are RFC 3339 in UTC with milliseconds. Ids are opaque. Sizes are in bytes, durations in `_ms`. Lists
take `limit` and `cursor`. Requests with unknown fields are refused; responses may get new fields and new values of an
enumeration at any time, so a client ignores what it does not know.

**Errors** are `application/problem+json` (RFC 9457). Each operation lists its types. Request lines and headers over
64 KiB are answered by the gateway with a bare 431.

**Retries.** After 429 and 503 wait `Retry-After` seconds. `Idempotency-Key` makes a POST that creates something safe to
repeat. All other requests may be repeated.
"""
