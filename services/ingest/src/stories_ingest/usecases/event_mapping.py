"""Stories as the facts that other services hear."""

from dataclasses import asdict

import msgspec
from stories_shared.events import StoryDeleted, StoryPosted

from stories_ingest.domain.story import Ended, Story


def story_posted(story: Story) -> StoryPosted:
    """What is true of a live story now."""
    posted, words = story.posted, story.words
    assert posted is not None, "only a live story is said"
    fact = {
        **asdict(story.choices),
        "story_id": story.id,
        "author_id": story.author_id,
        "posted_at": posted.posted_at,
        "expires_at": posted.expires_at,
        "kind": posted.media.kind,
        "media": asdict(posted.media),
        "caption": words.caption,
        "alt_text": words.alt_text,
        "captions_track": words.captions_track,
        "layers": words.layers,
        "sound": asdict(words.sound) if words.sound else None,
        "series_id": posted.series_id,
        "part": posted.part,
        "parts": posted.parts,
        "revision": posted.revision,
        "access_revision": posted.access_revision,
    }
    return msgspec.convert(fact, StoryPosted)


def story_deleted(ended: Ended) -> StoryDeleted:
    """That a story was taken back."""
    fact = {"story_id": ended.id, "author_id": ended.author_id, "deleted_at": ended.at, "by": ended.by}
    return msgspec.convert(fact, StoryDeleted)
