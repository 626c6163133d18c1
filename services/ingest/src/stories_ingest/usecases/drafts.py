"""Create drafts, also by reposting a story, and sign their upload forms."""

from dataclasses import dataclass
from datetime import timedelta

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events.layers import mentions_of

from stories_ingest.domain.errors import MediaRefused, NoSuchStory, SharingOff, WrongState
from stories_ingest.domain.keys import staging_key
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import (
    PHOTOS,
    Background,
    Overlay,
    Posted,
    RepostedFrom,
    Requester,
    State,
    Story,
    StorySettings,
)
from stories_ingest.domain.uploads import PresignedPost, UploadPolicy
from stories_ingest.usecases.access_edges import FindHidden
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

    async def __call__(self, story_id: str, author_id: str, request: DraftRequest) -> None:
        """Create the draft; an existing id changes nothing.

        Raises MediaRefused when the declared size or type is not accepted, TooMany when a limit is reached.
        """
        if request.size > self.policy.max_bytes:
            raise MediaRefused("too_large")
        if request.content_type in PHOTOS and not (self.policy.still_images or request.background):
            raise MediaRefused("still_images_off")
        await self.store(story_id, author_id, request)

    async def store(
        self, story_id: str, author_id: str, request: DraftRequest, reposted_from: RepostedFrom | None = None
    ) -> None:
        """Store the draft without checks of its media; an existing id changes nothing. Raises TooMany."""
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
            reposted_from=reposted_from,
        )
        await self.stories.create(draft, lambda quota: quota.draft(story_id, vanishes_at, now, self.bounds))


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


@dataclass(frozen=True, slots=True)
class RepostStory:
    """Creates a draft that copies a live story. The copy is made by the object store."""

    stories: StoryRepository
    bucket: MediaBucket
    find_hidden: FindHidden
    create: CreateStory
    lifetime: timedelta
    now: Clock

    async def __call__(self, story_id: str, author_id: str, original_id: str, access_revision: int | None) -> None:
        """Create the draft; an existing id only gets its copy again.

        `access_revision` is that of the caller's ticket, None for the author of the original. Raises NoSuchStory, which
        also stands for one that the caller may not repost, SharingOff, MediaRefused, TooMany and Unavailable.
        """
        original = await self.stories.find(original_id)
        if original is None or original.posted is None or original.is_over(self.now()):
            raise NoSuchStory(original_id)
        posted = original.posted
        if author_id != original.author_id:
            await self._require_allowed(original, posted, author_id, access_revision)
        # Where photos are not taken, the picture of a text story is drawn again.
        is_photo = posted.media.content_type in PHOTOS and not self.create.policy.still_images
        if is_photo and original.background is None:
            raise MediaRefused("still_images_off")
        request = DraftRequest(
            content_type=posted.media.content_type,
            size=posted.media.size,
            lifetime=self.lifetime,
            split=True,
            settings=StorySettings(),
            overlay=Overlay(),
            background=original.background if is_photo else None,
        )
        reposted_from = RepostedFrom(story_id=original.id, author_id=original.author_id)
        await self.create.store(story_id, author_id, request, reposted_from)
        if not is_photo:
            await self.bucket.copy_to_staging(posted.media.key, story_id)

    async def _require_allowed(
        self, original: Story, posted: Posted, user_id: str, access_revision: int | None
    ) -> None:
        if await self.find_hidden.is_hidden(original.author_id, user_id):  # the ticket may be older
            raise NoSuchStory(original.id)
        if access_revision != posted.access_revision or user_id in original.settings.hide_from:
            raise NoSuchStory(original.id)
        if user_id in mentions_of(original.overlay.caption, original.overlay.layers):
            return
        if not original.settings.sharing:
            raise SharingOff
        if original.settings.audience != "everyone":
            raise NoSuchStory(original.id)
