"""Builders of events; a test spells out only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from stories_shared.clock import truncate_to_ms
from stories_shared.events import Event, Media, StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id

E = TypeVar("E", bound=Event)
# Far in the future, so that no TTL index of a real server deletes what a test stores.
NOON = datetime(2040, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


def posted(author_id: str = "ann", at: datetime = NOON, lifetime: timedelta = DAY, **fields: Any) -> StoryPosted:
    """A story of an author, posted at a time."""
    story_id = fields.pop("story_id", None) or new_id()
    at = truncate_to_ms(at)
    return StoryPosted(
        story_id=story_id,
        author_id=author_id,
        posted_at=at,
        expires_at=at + lifetime,
        kind="video",
        media=Media(
            key=f"stories/{story_id}/media.mp4",
            poster_key=f"stories/{story_id}/poster.jpg",
            content_type="video/mp4",
            size=734_003,
            width=1080,
            height=1920,
            duration_ms=14_500,
            has_audio=True,
            codecs="avc1.640028,mp4a.40.2",
        ),
        **fields,
    )


def received(event: E, *, is_internal: bool = True, appended_at: datetime = NOON, offset: int = 0) -> ReceivedEvent[E]:
    """The event as a consumer receives it."""
    source = "/stories/ingest" if is_internal else "/host"
    return ReceivedEvent(
        event=event,
        key=event.key.encode(),
        topic=event.topic,
        partition=0,
        offset=offset,
        source=source,
        id=new_id(),
        produced_at=appended_at,
        appended_at=appended_at,
    )
