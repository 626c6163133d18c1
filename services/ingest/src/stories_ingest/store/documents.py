"""MongoDB documents of this service, and their conversion.

`stories` holds drafts to live stories, `ended` records of ended ones (ids and times), `quotas` an author's slots,
`archive` what authors keep.
Layers are stored as JSON text: their keys come from clients and may not be valid MongoDB field names.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from stories_shared.mongo.client import Document

from stories_ingest.domain.quota import Quota, Slot
from stories_ingest.domain.story import (
    Background,
    Ended,
    EndReason,
    Job,
    NewPart,
    Overlay,
    Posted,
    RepostedFrom,
    Sound,
    State,
    Story,
    StorySettings,
)

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
    return {
        "author_id": story.author_id,
        "state": str(story.state),
        "created_at": story.created_at,
        "content_type": story.content_type,
        "size": story.size,
        "lifetime_ms": story.lifetime // timedelta(milliseconds=1),
        "split": story.split,
        "background": _lists(asdict(story.background)) if story.background else None,
        "choices": _lists(asdict(story.settings)),
        "words": {**asdict(story.overlay), "layers": json.dumps(story.overlay.layers, ensure_ascii=False)},
        "vanishes_at": story.vanishes_at,
        "job": _lists(asdict(story.job)) if story.job else None,
        "reason": story.reason,
        "posted": asdict(story.posted) if story.posted else None,
        "reposted_from": asdict(story.reposted_from) if story.reposted_from else None,
        "publish_at": story.publish_at,
        "prepared": [asdict(part) for part in story.prepared],
        "traceparent": story.traceparent,
    }


def story_of(document: Document) -> Story:
    """The story of a document."""
    overlay = document["words"]
    return Story(
        id=document["_id"],
        author_id=document["author_id"],
        state=State(document["state"]),
        created_at=document["created_at"],
        content_type=document["content_type"],
        size=document["size"],
        lifetime=timedelta(milliseconds=document["lifetime_ms"]),
        split=document["split"],
        settings=StorySettings(**_tuples(document["choices"])),
        overlay=Overlay(
            caption=overlay["caption"],
            alt_text=overlay["alt_text"],
            captions_track=overlay["captions_track"],
            sound=Sound(**overlay["sound"]) if overlay["sound"] else None,
            layers=tuple(json.loads(overlay["layers"])),
        ),
        background=Background(**_tuples(document["background"])) if document.get("background") else None,
        vanishes_at=document["vanishes_at"],
        job=Job(**_tuples(document["job"])) if document["job"] else None,
        reason=document["reason"],
        posted=_posted(document["posted"]) if document["posted"] else None,
        reposted_from=RepostedFrom(**document["reposted_from"]) if document.get("reposted_from") else None,
        publish_at=document.get("publish_at"),
        prepared=msgspec.convert(document.get("prepared", []), tuple[NewPart, ...]),
        traceparent=document.get("traceparent"),
    )


def ended_document(ended: Ended) -> Document:
    """The document of an ended story."""
    document = asdict(ended)
    return {"_id": document.pop("id"), **document, "how": str(ended.how)}


def ended_of(document: Document) -> Ended:
    """The ended story of a document."""
    return Ended(
        id=document["_id"],
        author_id=document.get("author_id"),
        how=EndReason(document["how"]),
        at=document["at"],
        series_id=document.get("series_id"),
        by=document.get("by"),
        event_id=document.get("event_id"),
        erased_at=document.get("erased_at"),
    )


def quota_document(quota: Quota) -> Document:
    """The document of a quota; a TTL index deletes it at `lapses_at`, when its last slot and the suspension expire."""
    slots = {name: [asdict(slot) for slot in slots] for name, slots in quota.by_kind()}
    ends = [slot.until for _, kind_slots in quota.by_kind() for slot in kind_slots]
    return {
        **slots,
        "suspended_at": quota.suspended_at,
        "suspended_until": quota.suspended_until,
        "lapses_at": max([quota.suspended_until or LONG_AGO, *ends]),
    }


def quota_of(document: Document | None) -> Quota:
    """The quota of a document; empty without one."""
    if document is None:
        return Quota()
    names = ("drafts", "held", "live", "posted")
    slots = {name: tuple(Slot(**slot) for slot in document.get(name, ())) for name in names}
    suspended = document.get("suspended_at"), document.get("suspended_until")
    return Quota(**slots, suspended_at=suspended[0], suspended_until=suspended[1])


def _posted(document: Document) -> Posted:
    return msgspec.convert(document, Posted)


def _lists(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
