"""Builders of stories, tickets, records and views, with defaults for everything."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from msgspec import structs
from stories_shared.auth.tickets import Ticket
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import Event, Media, StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id

from stories_engagement.domain.views import Play, View
from stories_engagement.usecases.access import StoryAccess

E = TypeVar("E", bound=Event)

NOON = (system_now() - timedelta(hours=12)).replace(hour=12, minute=0, second=0, microsecond=0)
"""The latest noon: MongoDB's TTL indexes use its own clock."""

OUTSIDE = "/players"

_offsets = count()


def a_story(author_id: str = "ann", **changes: Any) -> StoryPosted:
    """A story as ingest publishes it, posted now for an hour."""
    story_id = changes.pop("story_id", None) or new_id()
    posted_at = changes.pop("posted_at", None) or truncate_to_ms(system_now())
    fields: dict[str, Any] = {
        "story_id": story_id,
        "author_id": author_id,
        "posted_at": posted_at,
        "expires_at": posted_at + timedelta(hours=1),
        "kind": "photo",
        "media": Media(
            key=f"stories/{story_id}/media.jpg",
            poster_key=f"stories/{story_id}/poster.jpg",
            content_type="image/jpeg",
            size=1000,
            width=1080,
            height=1920,
        ),
    }
    return StoryPosted(**fields | changes)


def a_layer(kind: str, layer_id: str | None = None, **own: Any) -> dict[str, Any]:
    """A sticker as `story-posted` carries it."""
    return {"kind": kind, "x": 0.1, "y": 0.1, "w": 0.5, "h": 0.2, "id": layer_id or new_id(), **own}


def a_quiz(correct: int = 1) -> dict[str, Any]:
    """A quiz with three options."""
    return a_layer("quiz", question="Which?", options=["a", "b", "c"], correct=correct)


def a_poll(options: int = 2) -> dict[str, Any]:
    """A poll."""
    return a_layer("poll", question="Which?", options=[f"option {n}" for n in range(options)])


def a_ticket(story: StoryPosted, viewer_id: str, **changes: Any) -> Ticket:
    """A ticket for a story as the feed issues it."""
    ticket = Ticket(
        viewer_id=viewer_id,
        author_id=story.author_id,
        story_id=story.story_id,
        access_revision=story.access_revision,
        ends_at=min(story.expires_at, truncate_to_ms(system_now()) + timedelta(hours=1)),
        expires_at=story.expires_at,
        comments=story.comments,
        friend=False,
        reactions=story.reactions,
        sharing=story.sharing,
        download=story.download,
        view_list=story.view_list,
        part=story.part,
        parts=story.parts,
        series_id=story.series_id,
    )
    return structs.replace(ticket, **changes)


def an_access(story_id: str, user_id: str, author_id: str = "ann", **changes: Any) -> StoryAccess:
    """Access to a story on which everything is allowed."""
    access = StoryAccess(
        story_id=story_id,
        user_id=user_id,
        author_id=author_id,
        comments="everyone",
        friend=False,
        reactions=True,
        sharing=True,
        view_list=True,
    )
    return replace(access, **changes)


def a_record(
    event: E, *, source: str = "/stories/engagement", at: datetime | None = None, event_id: str | None = None
) -> ReceivedEvent[E]:
    """A record as a consumer gets it; `at` is its append time."""
    return ReceivedEvent(
        event=event,
        key=event.key.encode(),
        topic=event.topic,
        partition=0,
        offset=next(_offsets),
        source=source,
        id=event_id or new_id(),
        produced_at=at or NOON,
        appended_at=at or datetime(2100, 1, 1, tzinfo=UTC),
    )


def a_view(story_id: str, viewer_id: str, play_id: str = "play-0001", **changes: Any) -> View:
    """A view at noon, listed, with nothing watched."""
    author_id, listed = changes.pop("author_id", "ann"), changes.pop("listed", True)
    follower = changes.pop("follower", False)
    play = Play(changes.pop("at", NOON), **changes)
    return View(story_id, viewer_id, play_id, author_id, listed, play, follower)
