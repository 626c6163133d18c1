"""Read one's own stories and quota."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from stories_shared.clock import Clock

from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import Requester, State, Story
from stories_ingest.usecases.ports import StoryRepository

SignUrl = Callable[[str, datetime, datetime], str | None]
"""A URL of a key that ends before the story does, as of now; None with less than a second left."""


@dataclass(frozen=True, slots=True)
class StoryWithParts:
    """A story as its author sees it, with the ids of the live parts of its series and, while it is live, its URLs."""

    story: Story
    part_ids: tuple[str, ...]
    media_url: str | None = None
    poster_url: str | None = None


@dataclass(frozen=True, slots=True)
class ReadStory:
    """Returns one story to its author or an admin, in any state until it ends."""

    stories: StoryRepository
    sign_url: SignUrl
    now: Clock

    async def __call__(self, requester: Requester, story_id: str) -> StoryWithParts:
        """Raises NoSuchStory."""
        story = await self.stories.find(story_id)
        if story is None or not requester.may_see(story.author_id) or story.is_over(self.now()):
            raise NoSuchStory(story_id)
        return await self.with_parts(story)

    async def is_author(self, user_id: str, story_id: str) -> bool:
        """Whether the user is the author of a story that has not ended."""
        story = await self.stories.find(story_id)
        return story is not None and story.author_id == user_id

    async def access_revision(self, story_id: str) -> int | None:
        """The access revision of a live story, None for any other."""
        story = await self.stories.find(story_id)
        is_live = story is not None and not story.is_over(self.now())
        return story.posted.access_revision if story is not None and is_live and story.posted else None

    async def with_parts(self, story: Story) -> StoryWithParts:
        """The story with the ids of its series."""
        [own] = await with_parts(self.stories, [story], self.sign_url, self.now())
        return own


async def with_parts(
    repository: StoryRepository, stories: Sequence[Story], sign_url: SignUrl, now: datetime
) -> list[StoryWithParts]:
    """Each story with the ids of its series, one query for all, and its URLs."""
    series_ids = {story.posted.series_id for story in stories if story.posted and story.posted.series_id}
    parts = await repository.part_ids(series_ids) if series_ids else {}

    def own(story: Story) -> StoryWithParts:
        if story.posted is None:
            return StoryWithParts(story, ())
        media, ends, series_id = story.posted.media, story.posted.expires_at, story.posted.series_id
        part_ids = parts.get(series_id, ()) if series_id else (story.id,)
        urls = sign_url(media.key, ends, now), sign_url(media.poster_key, ends, now)
        return StoryWithParts(story, tuple(part_ids), *urls)

    return [own(story) for story in stories]


@dataclass(frozen=True, slots=True)
class StoryPage:
    """Stories of an author; `more` is whether older ones exist."""

    stories: Sequence[StoryWithParts]
    more: bool


@dataclass(frozen=True, slots=True)
class ListStories:
    """Pages through an author's own stories, newest first."""

    stories: StoryRepository
    sign_url: SignUrl
    now: Clock

    async def __call__(self, author_id: str, state: State | None, before: str | None, limit: int) -> StoryPage:
        """At most `limit` stories."""
        now = self.now()
        found = await self.stories.page(author_id, state, before, now, limit + 1)
        return StoryPage(await with_parts(self.stories, found[:limit], self.sign_url, now), len(found) > limit)


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """Usage of the quota, and in how many seconds one more story may be posted."""

    live: int
    posted_24h: int
    retry_after_s: int


@dataclass(frozen=True, slots=True)
class ReadQuota:
    """Returns an author's quota usage; only stories that went live count."""

    stories: StoryRepository
    bounds: QuotaLimits
    now: Clock

    async def __call__(self, author_id: str) -> QuotaUsage:
        """The current usage."""
        now = self.now()
        quota = (await self.stories.quota(author_id)).pruned(now)
        wait = quota.retry_after(now, self.bounds).total_seconds()
        return QuotaUsage(len(quota.live), len(quota.posted), int(-(-wait // 1)))
