"""Fields that may remain of an ended story, by collection and by topic.

A field that is not listed counts as content. A collection or topic without an entry may contain nothing of an ended
story. A test compares both tables with the inventory in docs/privacy.md.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

_OUTBOX = ("pending.n", "pending.since", "pending.retry_at", "pending.tries", "pending.traceparent")
_CLAIM = ("_id", "user_id", "body", "resource_id", "at", "lease", "status")
_SLOTS = ("drafts", "held", "live", "posted")

NOTHING: frozenset[str] = frozenset()

IN_COLLECTIONS: Mapping[str, frozenset[str]] = {
    "stories_ingest.stories": NOTHING,
    "stories_ingest.ended": frozenset(
        {"_id", "author_id", "how", "at", "series_id", "by", "event_id", "erased_at", "erase_at", *_OUTBOX}
    ),
    "stories_ingest.archive": frozenset({"_id", "author_id", "removed_at", "erased_at", "erase_at"}),
    "stories_ingest.quotas": frozenset(
        {
            "_id",
            "lapses_at",
            "writes",
            "suspended_at",
            "suspended_until",
            *(f"{slot}.{field}" for slot in _SLOTS for field in ("story", "until")),
        }
    ),
    "stories_ingest.holds": frozenset({"_id", "author_id", "at", "until", "kept_at", "delete_at"}),
    "stories_ingest.claims": frozenset(_CLAIM),
    "stories_ingest.leases": frozenset({"_id", "holder", "until", "position"}),
    "stories_feed.stories": NOTHING,
    "stories_feed.ended": frozenset({"_id", "at", "how", "marked_at"}),
    "stories_feed.leases": frozenset({"_id", "holder", "until"}),
    "stories_engagement.stories": NOTHING,
    "stories_engagement.views": frozenset(
        {"_id", "author_id", "expires_at", "viewers", "plays", "ended", "how", "since", "erase_at"}
    ),
    "stories_engagement.engagements": frozenset(
        {"_id", "author_id", "seq", "at", "reaction", "comment", "share", "answer", "ended"}
    ),
    "stories_engagement.viewers": NOTHING,
    "stories_engagement.reactions": NOTHING,
    "stories_engagement.comments": NOTHING,
    "stories_engagement.shares": NOTHING,
    "stories_engagement.answers": NOTHING,
    "stories_engagement.claims": NOTHING,
    "stories_engagement.insights": frozenset(
        {
            *("_id", "author_id", "posted_at", "sealed_at", "delete_at", "series_id", "part", *_OUTBOX),
            *("viewers", "followers", "plays", "completed", "watched_ms", "forward", "back", "exit"),
            *("reactions", "emoji.emoji", "emoji.count", "comments", "shares", "answered"),
            *("layers.layer_id", "layers.kind", "layers.tallies"),
        }
    ),
    "stories_engagement.events": NOTHING,
    "stories_engagement.reported": frozenset(
        {
            *("_id", "kind", "story_id", "comment_id", "user_id", "copy", "reports", "state", "first_at", "delete_at"),
            *("hold_until", "events.hold", "events.release"),
            *("action", "days", "admin_id", "decided_at", "events.deletion", "events.suspension", *_OUTBOX),
        }
    ),
    "stories_engagement.reports": frozenset(
        {"_id", "target", "reporter_id", "reason", "remark", "at", "state", "delete_at"}
    ),
    "stories_engagement.deliveries": frozenset(
        {
            *("_id", "webhook_id", "event", "event_id", "source", "at", "story_id", "order", "data", "user_ids"),
            *("revision", "state", "attempts", "created_at", "first_at", "next_at", "delete_at"),
            *("last_attempt_at", "last_status", "last_error", "delivered_at"),
        }
    ),
    "stories_engagement.audit": frozenset(
        {"_id", "report_id", "kind", "story_id", "comment_id", "user_id", "action", "days", "admin_id", "at"}
    ),
    "stories_expiry.stories": frozenset(
        {
            *("_id", "author_id", "author_erased", "posted_at", "expires_at", "due", "revision"),
            *("ended", "ended_at", "by", "event.id", "event.at", "event.call", "send_count", "resend_at", *_OUTBOX),
            *("backing_off", "backoff_from", "expected"),
            *("erased.media", "erased.feed", "erased.engagement", "erased.moderation", "held_until"),
            *("erased.archive", "archived", "waiting", "completed_at", "delete_at"),
        }
    ),
}
"""Field paths by collection; the elements of an array share the path of the array."""

SUBJECTS = frozenset(
    {"stories_ingest.stories", "stories_ingest.archive", "stories_feed.stories", "stories_engagement.stories"}
)
"""Collections whose `_id` is a story id: in the document of another story the id is only a reference."""

IN_TOPICS: Mapping[str, frozenset[str]] = {
    "story-posted": NOTHING,
    "story-expired": frozenset({"story_id", "author_id", "expires_at", "expired_at"}),
    "user-mentioned": frozenset({"story_id", "author_id", "user_id", "at"}),
    "story-deleted": frozenset({"story_id", "author_id", "deleted_at", "by"}),
    "story-viewed": NOTHING,
    "story-engaged": frozenset({"story_id", "author_id", "kind", "total", "seq", "at"}),
    "story-insights-sealed": frozenset(
        {
            *("story_id", "sealed_at", "series_id", "part", "reach", "plays", "completion_rate", "mean_watch_ms"),
            *("taps", "drop_off", "reactions", "comments", "shares", "answers"),
        }
    ),
    "story-erased": frozenset({"story_id", "store", "erased_at", "archived", "held_until"}),
    "story-held": frozenset({"story_id", "author_id", "until", "at"}),
    "comment-created": NOTHING,
    "comment-removed": NOTHING,
    "story-reacted": NOTHING,
}
"""Fields of records that may contain the id of an ended story within the retention of their topic."""


def content_fields(collection: str, document: Mapping[str, Any], story_id: str) -> list[str]:
    """The fields of a document that names an ended story and that may not remain.

    Args:
        collection: with its database's default name, such as `stories_feed.seen`.
        document: as MongoDB holds it.
        story_id: the story that it names.
    """
    if collection in SUBJECTS and document.get("_id") != story_id:
        return []
    allowed = IN_COLLECTIONS.get(collection, NOTHING)
    return [path for path in paths(document) if path not in allowed]


def record_has_content(topic: str, value: bytes | None) -> bool:
    """Whether a record of a topic, or of one of its dead-letter topics, has more than may remain."""
    if not value:
        return False
    try:
        document = msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return True
    return not isinstance(document, dict) or not document.keys() <= IN_TOPICS.get(topic, NOTHING)


def paths(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The paths of all non-empty fields, each once."""
    found: dict[str, None] = {}
    for name, value in document.items():
        found.update(dict.fromkeys(_paths(value, f"{prefix}{name}")))
    yield from found


def _paths(value: Any, path: str) -> Iterable[str]:
    if isinstance(value, Mapping):
        return paths(value, f"{path}.")
    if isinstance(value, list):
        return [inner for each in value for inner in _paths(each, path)]
    return [] if value is None else [path]
