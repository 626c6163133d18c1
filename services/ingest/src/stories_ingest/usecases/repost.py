"""Repost a story: a draft whose media is a copy of it."""

from dataclasses import dataclass
from datetime import timedelta

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events.layers import mentions_of

from stories_ingest.domain.errors import MediaRefused, NoSuchStory, SharingOff
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import PHOTOS, Overlay, Posted, RepostedFrom, State, Story, StorySettings
from stories_ingest.domain.uploads import UploadPolicy
from stories_ingest.usecases.access_edges import FindHidden
from stories_ingest.usecases.ports import MediaBucket, StoryRepository


@dataclass(frozen=True, slots=True)
class RepostStory:
    """Creates a draft that copies a live story. The copy is made by the object store."""

    stories: StoryRepository
    bucket: MediaBucket
    find_hidden: FindHidden
    policy: UploadPolicy
    bounds: QuotaLimits
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
        is_photo = posted.media.content_type in PHOTOS and not self.policy.still_images
        if is_photo and original.background is None:
            raise MediaRefused("still_images_off")
        now = truncate_to_ms(self.now())
        vanishes_at = now + self.policy.draft_ttl
        draft = Story(
            id=story_id,
            author_id=author_id,
            state=State.DRAFT,
            created_at=now,
            content_type=posted.media.content_type,
            size=posted.media.size,
            lifetime=self.lifetime,
            split=True,
            settings=StorySettings(),
            overlay=Overlay(),
            vanishes_at=vanishes_at,
            background=original.background if is_photo else None,
            reposted_from=RepostedFrom(story_id=original.id, author_id=original.author_id),
        )
        await self.stories.create(draft, lambda quota: quota.draft(story_id, vanishes_at, now, self.bounds))
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
