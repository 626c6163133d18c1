"""Builders of events and records, with defaults for everything."""

from datetime import datetime, timedelta
from typing import Any, TypeVar

from stories_shared.events import Event, Media, StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id

E = TypeVar("E", bound=Event)


def story_posted(now: datetime, *, lives: timedelta = timedelta(hours=24), **given: Any) -> StoryPosted:
    """A story posted now that expires after `lives`; any field can be given."""
    story_id = given.setdefault("story_id", new_id())
    folder = f"stories/{story_id}/"
    media = Media(
        key=f"{folder}media.mp4",
        poster_key=f"{folder}poster.jpg",
        content_type="video/mp4",
        size=1_000,
        width=1080,
        height=1920,
        duration_ms=10_000,
    )
    filled: dict[str, Any] = {
        "author_id": "ann",
        "posted_at": now,
        "expires_at": now + lives,
        "kind": "video",
        "media": media,
    }
    return StoryPosted(**(filled | given))


def record(
    event: E, at: datetime, *, source: str | None = "/stories/ingest", event_id: str | None = None
) -> ReceivedEvent[E]:
    """The event as a consumed record; `source=None` is an external producer without headers."""
    return ReceivedEvent(
        event=event,
        key=event.key.encode(),
        topic=event.topic,
        partition=0,
        offset=0,
        source=source,
        id=event_id or (new_id() if source else None),
        produced_at=at,
        appended_at=at,
    )
