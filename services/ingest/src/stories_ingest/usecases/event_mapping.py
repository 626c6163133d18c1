"""Stories as the facts that other services hear."""

from dataclasses import asdict

import msgspec
from stories_shared.events import StoryDeleted, StoryPosted

from stories_ingest.domain.story import Ended, Story


def story_posted(story: Story) -> StoryPosted:
    """What is true of a live story now."""
    posted, overlay = story.posted, story.overlay
    assert posted is not None, "only a live story is said"
    fields = {
        **asdict(story.settings),
        "story_id": story.id,
        "author_id": story.author_id,
        "posted_at": posted.posted_at,
        "expires_at": posted.expires_at,
        "kind": posted.media.kind,
        "media": asdict(posted.media),
        "caption": overlay.caption,
        "alt_text": overlay.alt_text,
        "captions_track": overlay.captions_track,
        "layers": overlay.layers,
        "sound": asdict(overlay.sound) if overlay.sound else None,
        "series_id": posted.series_id,
        "part": posted.part,
        "parts": posted.parts,
        "revision": posted.revision,
        "access_revision": posted.access_revision,
    }
    return msgspec.convert(fields, StoryPosted)


def story_deleted(ended: Ended) -> StoryDeleted:
    """That a story was taken back."""
    fields = {"story_id": ended.id, "author_id": ended.author_id, "deleted_at": ended.at, "by": ended.by}
    return msgspec.convert(fields, StoryDeleted)
