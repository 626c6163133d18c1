"""MongoDB documents of this service, and their conversion.

`stories` holds drafts to live stories, `ended` records of ended ones (ids and times), `quotas` an author's slots,
`archive` what authors keep.
Layers are stored as JSON text: their keys come from clients and may not be valid MongoDB field names.
"""

import json
from datetime import UTC, datetime, timedelta

import msgspec
from stories_shared.mongo.client import Document

from stories_ingest.domain.highlights import Highlight
from stories_ingest.domain.quota import Quota
from stories_ingest.domain.story import Ended, Story

A_TIME = {"$lt": datetime(9000, 1, 1, tzinfo=UTC)}
"""Filter of partial indexes for non-null times; implied by `$lte` of any time before."""

STORIES = "stories"
ENDED = "ended"
QUOTAS = "quotas"
CLAIMS = "claims"
PARTITION_COUNTS = "partition_counts"
PUBLISH_OUTCOMES = "publish_outcomes"
PAUSES = "pauses"
DELETIONS = "deletions"
HOLDS = "holds"
ARCHIVE = "archive"
ARCHIVE_SETTINGS = "archive_settings"
HIGHLIGHTS = "highlights"
ACCESS_EDGES = "access_edges"

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
ENDED_RETENTION = timedelta(days=30)
"""Longer than Kafka retains any record about a story, so that no late record can restore it."""


def story_document(story: Story) -> Document:
    """The document of a story, without its id."""
    document = _document(story)
    document["lifetime_ms"] = document.pop("lifetime") // timedelta(milliseconds=1)
    document["choices"] = document.pop("settings")
    document["words"] = document.pop("overlay") | {"layers": json.dumps(story.overlay.layers, ensure_ascii=False)}
    return document


def story_of(document: Document) -> Story:
    """The story of a document."""
    overlay = document["words"]
    fields = document | {
        "id": document["_id"],
        "lifetime": timedelta(milliseconds=document["lifetime_ms"]),
        "settings": document["choices"],
        "overlay": overlay | {"layers": json.loads(overlay["layers"])},
    }
    return msgspec.convert(fields, Story)


def ended_document(ended: Ended) -> Document:
    """The document of an ended story."""
    return {"_id": ended.id, **_document(ended)}


def ended_of(document: Document) -> Ended:
    """The ended story of a document; an erased account's has no author."""
    return msgspec.convert({"author_id": None, **document, "id": document["_id"]}, Ended)


def quota_document(quota: Quota) -> Document:
    """The document of a quota; a TTL index deletes it at `lapses_at`, when its last slot and the suspension expire."""
    ends = [quota.suspended_until or LONG_AGO, *(slot.until for slot in quota.slots)]
    return _document(quota) | {"lapses_at": max(ends)}


def quota_of(document: Document | None) -> Quota:
    """The quota of a document; empty without one."""
    return msgspec.convert(document or {}, Quota)


def highlight_document(highlight: Highlight) -> Document:
    """The document of a highlight, without its id."""
    return _document(highlight)


def highlight_of(document: Document) -> Highlight:
    """The highlight of a document."""
    return msgspec.convert({**document, "id": document["_id"]}, Highlight)


def _document(value: Story | Ended | Quota | Highlight) -> Document:
    """The fields of a value, without its id."""
    fields: Document = msgspec.to_builtins(value, builtin_types=(datetime, timedelta))
    fields.pop("id", None)
    return fields
