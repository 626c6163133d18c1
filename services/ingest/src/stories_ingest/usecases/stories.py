"""Publish, change and cancel stories."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.tracing import current_traceparent

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory, NothingUploaded
from stories_ingest.domain.keys import staging_key
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import ACCESS_FIELDS, EndReason, Requester, State, Story
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.endings import RECHECK_AFTER
from stories_ingest.usecases.me import ReadStory, StoryWithParts
from stories_ingest.usecases.ports import CleanupRepository, MediaBucket, OutboxRelay, StoryObjects, StoryRepository
from stories_ingest.usecases.rollout import Rollout
from stories_ingest.usecases.wakeups import Wakeups

JOBS_TOPIC = "work"
"""The wake-up topic of media workers."""
POLL_EVERY_S = 0.5
"""Poll interval of waiting requests, aligned to the clock so that they share queries."""


@dataclass(frozen=True, slots=True)
class PublishStory:
    """Starts the media job of a draft. Idempotent."""

    stories: StoryRepository
    bucket: MediaBucket
    wakeups: Wakeups
    bounds: QuotaLimits
    rollout: Rollout
    now: Clock

    async def __call__(
        self,
        requester: Requester,
        story_id: str,
        wait: timedelta,
        country: str | None = None,
        publish_at: datetime | None = None,
    ) -> Story:
        """The story: processing, live or refused. Waits up to `wait` while it is processing, unless the process stops.

        With `publish_at` a draft is scheduled, and nothing is waited for.
        Raises NoSuchStory, NotInFuture, NothingUploaded, and NotInRollout for a draft,
        and TooMany when the quota is reached.
        """
        story = await self._find_own(requester, story_id)
        if story.state is State.DRAFT:
            self.rollout.require_create(requester.user_id, country)
            story = await self._start(requester, story, publish_at)
        return await self._wait_until_decided(requester, story, wait)

    async def _start(self, requester: Requester, story: Story, publish_at: datetime | None) -> Story:
        etag = "" if story.background else await self.bucket.etag(staging_key(story.id))
        story_id = story.id
        if etag is None:
            return await self._reload_or_nothing_uploaded(requester, story_id)
        now = truncate_to_ms(self.now())

        def transition(snapshot: StorySnapshot) -> StoryChange:
            if publish_at is not None:
                return transitions.schedule(snapshot, etag, publish_at, now)
            return transitions.publish(snapshot, etag, now, self.bounds, current_traceparent())

        await self.stories.transact(story_id, transition)
        self.wakeups.notify(JOBS_TOPIC)
        return await self._find_own(requester, story_id)

    async def _reload_or_nothing_uploaded(self, requester: Requester, story_id: str) -> Story:
        """There is no upload: nothing was sent yet, or the job has already finished."""
        story = await self._find_own(requester, story_id)
        if story.state is State.DRAFT:
            raise NothingUploaded(story_id)
        return story

    async def _wait_until_decided(self, requester: Requester, story: Story, wait: timedelta) -> Story:
        if not wait or story.shown_state is not State.PROCESSING:
            return story
        until, state = self.now() + wait, await self.stories.state(story.id)
        while state is State.PROCESSING and not self.wakeups.closed:
            remaining = (until - self.now()).total_seconds()
            if remaining <= 0:
                break
            await self.wakeups.wait(story.id, min(remaining, self._until_next_poll()))
            state = await self.stories.state(story.id)
        return await self._find_own(requester, story.id)

    def _until_next_poll(self) -> float:
        return POLL_EVERY_S - self.now().timestamp() % POLL_EVERY_S

    async def _find_own(self, requester: Requester, story_id: str) -> Story:
        story = await self.stories.find(story_id)
        if story is None or not requester.owns(story.author_id) or story.is_over(self.now()):
            raise NoSuchStory(story_id)
        return story


@dataclass(frozen=True, slots=True)
class ChangeStory:
    """Applies an author's changes to a draft or to every part of a live series."""

    stories: StoryRepository
    read: ReadStory
    posted: OutboxRelay
    now: Clock

    async def __call__(self, requester: Requester, story_id: str, changes: Mapping[str, Any]) -> StoryWithParts:
        """Return the changed story; a change of an access field is published before this returns.

        `publish_at` moves a scheduled story.
        Raises NoSuchStory, WrongState, NotInFuture, and Unavailable("kafka"), after which the change is kept.
        """

        publish_at = changes.get("publish_at")
        others = {name: value for name, value in changes.items() if name != "publish_at"}

        def transition(snapshot: StorySnapshot) -> StoryChange:
            if not requester.owns(snapshot.story.author_id):
                raise NoSuchStory(story_id)
            return transitions.change(snapshot, lambda settings: replace(settings, **others), self.now(), publish_at)

        await self.stories.transact(story_id, transition)
        own = await self.read(requester, story_id)
        if ACCESS_FIELDS & changes.keys():
            await asyncio.gather(*(self.posted.publish_now(part) for part in own.part_ids))
        else:
            self.posted.wake()
        return own


@dataclass(frozen=True, slots=True)
class CancelStory:
    """Discards a draft, a processing or a scheduled story, its upload and its finished media."""

    stories: StoryRepository
    objects: StoryObjects
    cleanup: CleanupRepository
    now: Clock

    async def __call__(self, requester: Requester, story_id: str) -> None:
        """Raises NoSuchStory, WrongState if it is live or refused, and Unavailable("s3") until its upload is erased."""

        def transition(snapshot: StorySnapshot) -> StoryChange:
            if not requester.owns(snapshot.story.author_id) or snapshot.story.is_over(self.now()):
                raise NoSuchStory(story_id)
            return transitions.cancel(snapshot, truncate_to_ms(self.now()))

        try:
            ended_ids = [ended.id for ended in (await self.stories.transact(story_id, transition)).ended]
        except NoSuchStory:
            await self._require_unfinished(requester, story_id)
            ended_ids = [story_id]
        await self.objects.erase(*ended_ids)
        at = truncate_to_ms(self.now())
        await self.cleanup.record_erasure(ended_ids, at, at + RECHECK_AFTER)

    async def _require_unfinished(self, requester: Requester, story_id: str) -> None:
        """Allow a retry after the upload could not be erased. Raises NoSuchStory otherwise."""
        ended = await self.stories.ended(story_id)
        unfinished = ended is not None and ended.how is EndReason.DISCARDED and ended.erased_at is None
        if ended is None or not unfinished or not requester.owns(ended.author_id):
            raise NoSuchStory(story_id)
