"""Create drafts and sign their upload forms."""

from dataclasses import dataclass
from datetime import timedelta

from stories_shared.clock import Clock, truncate_to_ms

from stories_ingest.domain.errors import MediaRefused, NoSuchStory, WrongState
from stories_ingest.domain.keys import staging_key
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import PHOTOS, Background, Overlay, Requester, State, Story, StorySettings
from stories_ingest.domain.uploads import PresignedPost, UploadPolicy
from stories_ingest.usecases.ports import MediaBucket, StoryRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRequest:
    """The fields of a new draft; a text story has a `background` and no size."""

    content_type: str
    size: int
    lifetime: timedelta
    split: bool
    settings: StorySettings
    overlay: Overlay
    background: Background | None = None


@dataclass(frozen=True, slots=True)
class UploadForm:
    """Signs the form for a draft's upload. The form expires no later than the draft."""

    bucket: MediaBucket
    policy: UploadPolicy
    now: Clock

    def __call__(self, draft: Story) -> PresignedPost:
        """A new form for this draft."""
        until = self.now() + self.policy.form_ttl
        if draft.vanishes_at is not None:
            until = min(until, draft.vanishes_at)
        return self.bucket.form(staging_key(draft.id), draft.content_type, draft.size, truncate_to_ms(until))


@dataclass(frozen=True, slots=True)
class CreateStory:
    """Creates a draft."""

    stories: StoryRepository
    policy: UploadPolicy
    bounds: QuotaLimits
    now: Clock

    async def __call__(self, story_id: str, author_id: str, request: DraftRequest) -> Story:
        """Create the draft; an existing id changes nothing.

        Raises MediaRefused when the declared size or type is not accepted, TooMany when a limit is reached.
        """
        if request.size > self.policy.max_bytes:
            raise MediaRefused("too_large")
        if request.content_type in PHOTOS and not (self.policy.still_images or request.background):
            raise MediaRefused("still_images_off")
        now = truncate_to_ms(self.now())
        vanishes_at = now + self.policy.draft_ttl
        draft = Story(
            id=story_id,
            author_id=author_id,
            state=State.DRAFT,
            created_at=now,
            content_type=request.content_type,
            size=request.size,
            lifetime=request.lifetime,
            split=request.split,
            settings=request.settings,
            overlay=request.overlay,
            background=request.background,
            vanishes_at=vanishes_at,
        )
        await self.stories.create(draft, lambda quota: quota.draft(story_id, vanishes_at, now, self.bounds))
        return draft


@dataclass(frozen=True, slots=True)
class RenewForm:
    """Renews the form of a draft."""

    stories: StoryRepository
    form: UploadForm
    now: Clock

    async def __call__(self, requester: Requester, story_id: str) -> PresignedPost:
        """A new form. Raises NoSuchStory, and WrongState when the story is no longer a draft."""
        story = await self.stories.find(story_id)
        if story is None or not requester.owns(story.author_id) or story.is_over(self.now()):
            raise NoSuchStory(story_id)
        if story.state is not State.DRAFT or not story.takes_upload:
            raise WrongState(story.state if story.takes_upload else "without an upload")
        return self.form(story)
