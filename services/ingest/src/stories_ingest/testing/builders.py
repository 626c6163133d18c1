"""Builders of stories, quotas and media with defaults."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from stories_shared.events.ids import new_id

from stories_ingest.domain.media import Media
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import Job, NewPart, Overlay, Posted, State, Story, StorySettings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BOUNDS = QuotaLimits(drafts=10, live=100, posted_24h=200)


def draft(author_id: str = "ann", now: datetime = NOW, **fields: Any) -> Story:
    """A draft of a video."""
    story = Story(
        id=new_id(),
        author_id=author_id,
        state=State.DRAFT,
        created_at=now,
        content_type="video/mp4",
        size=1_000,
        lifetime=timedelta(hours=24),
        split=True,
        settings=StorySettings(),
        overlay=Overlay(),
        vanishes_at=now + timedelta(hours=1),
    )
    return replace(story, **fields)


def processing(author_id: str = "ann", now: datetime = NOW, worker: str | None = None, **fields: Any) -> Story:
    """A published story, leased to `worker` if given."""
    lease = now + timedelta(seconds=15) if worker else now
    job = Job(etag="etag", since=now, lease_until=lease, worker=worker, attempts=1 if worker else 0)
    return draft(author_id, now, state=State.PROCESSING, vanishes_at=None, job=job, **fields)


def media(story_id: str, name: str = "one") -> Media:
    """The media of a clip of five seconds."""
    return Media(
        kind="video",
        key=f"stories/{story_id}/{name}.mp4",
        poster_key=f"stories/{story_id}/{name}.poster.jpg",
        content_type="video/mp4",
        size=1_000,
        width=1080,
        height=1920,
        duration_ms=5_000,
        has_audio=True,
        codecs="avc1.640028,mp4a.40.2",
    )


def part(story_id: str) -> NewPart:
    """One transcoded part."""
    return NewPart(id=story_id, media=media(story_id), captions_track=None)


def live(
    author_id: str = "ann", now: datetime = NOW, lifetime: timedelta = timedelta(hours=24), **fields: Any
) -> Story:
    """A live story, posted now; `series_id`, `part` and `parts` make it one of several."""
    series = {name: fields.pop(name) for name in ("series_id", "part", "parts") if name in fields}
    story = draft(author_id, now, state=State.LIVE, vanishes_at=None, lifetime=lifetime, **fields)
    posted = Posted(
        media=media(story.id),
        posted_at=now,
        expires_at=now + lifetime,
        **{"series_id": None, "part": 1, "parts": 1, **series},
    )
    return replace(story, posted=posted)
