"""Map stories to the events that other services consume."""

from dataclasses import asdict

import msgspec
from stories_shared.events import StoryDeleted, StoryPosted, UserMentioned
from stories_shared.events.layers import hashtags_of, mentions_of

from stories_ingest.domain.story import Ended, Story


def story_posted(story: Story) -> StoryPosted:
    """The event for the current version of a live story."""
    posted, overlay = story.posted, story.overlay
    assert posted is not None, "only a live story has an event"
    fields = {
        **asdict(story.settings),
        "story_id": story.id,
        "author_id": story.author_id,
        "posted_at": posted.posted_at,
        "expires_at": posted.expires_at,
        "kind": posted.media.kind,
        "media": posted.media,
        "renditions": posted.media.renditions,
        "preview": posted.media.preview,
        "caption": overlay.caption,
        "alt_text": overlay.alt_text,
        "captions_track": overlay.captions_track,
        "layers": overlay.layers,
        "hashtags": hashtags_of(overlay.caption, overlay.layers),
        "mentions": mentions_of(overlay.caption, overlay.layers),
        "sound": overlay.sound,
        "reposted_from": story.reposted_from,
        "series_id": posted.series_id,
        "part": posted.part,
        "parts": posted.parts,
        "revision": posted.revision,
        "access_revision": posted.access_revision,
    }
    return msgspec.convert(fields, StoryPosted, from_attributes=True)


def users_mentioned(story: Story) -> list[UserMentioned]:
    """The events for the users whom a live story mentions; of a series, the first part's."""
    posted, hidden = story.posted, {story.author_id, *story.settings.hide_from}
    assert posted is not None, "only a live story has an event"
    if posted.part != 1:
        return []
    return [
        UserMentioned(story_id=story.id, author_id=story.author_id, user_id=user_id, at=posted.posted_at)
        for user_id in mentions_of(story.overlay.caption, story.overlay.layers)
        if user_id not in hidden
    ]


def story_deleted(ended: Ended) -> StoryDeleted:
    """The event for a deleted story."""
    fields = {"story_id": ended.id, "author_id": ended.author_id, "deleted_at": ended.at, "by": ended.by}
    return msgspec.convert(fields, StoryDeleted)
