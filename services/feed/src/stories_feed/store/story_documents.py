"""The documents of stories: the event as the published bytes, and the fields that are queried."""

from stories_shared.events import StoryPosted, encode
from stories_shared.mongo.client import Document

from stories_feed.domain.live import LiveStory

STORIES = "stories"
LIVE_FIELDS = dict.fromkeys(
    (
        *("author_id", "posted_at", "expires_at", "audience", "hide_from", "series_id", "part", "revision"),
        *("hashtags", "mentions", "size", "seen_key", "engaged"),
    ),
    1,
)


def as_document(story: StoryPosted) -> Document:
    """The fields of a story's document beside its id."""
    body = encode(story)
    return {
        "author_id": story.author_id,
        "posted_at": story.posted_at,
        "expires_at": story.expires_at,
        "audience": story.audience,
        "hide_from": list(story.hide_from),
        "series_id": story.series_id,
        "part": story.part,
        "revision": story.revision,
        "hashtags": list(story.hashtags),
        "mentions": list(story.mentions),
        "poster_key": story.media.poster_key,
        "size": len(body),
        "body": body,
    }


def live_story_from_document(document: Document) -> LiveStory:
    """The index entry of a stored story."""
    return LiveStory(
        story_id=document["_id"],
        author_id=document["author_id"],
        posted_at=document["posted_at"],
        expires_at=document["expires_at"],
        audience=document["audience"],
        hide_from=frozenset(document["hide_from"]),
        series_id=document["series_id"],
        part=document["part"],
        revision=document["revision"],
        hashtags=tuple(document.get("hashtags", ())),
        mentions=tuple(document.get("mentions", ())),
        size=document["size"],
        seen_key=document["seen_key"],
        engaged={kind: (each["seq"], each["total"]) for kind, each in document.get("engaged", {}).items()} or None,
    )
