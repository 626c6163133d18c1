"""Add the smaller renditions to a story that is live already."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.errors import failed_dependency
from stories_shared.events.ids import new_id

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import LeaseLost, MediaRefused, NoSuchStory, is_machine_fault
from stories_ingest.domain.keys import final_key
from stories_ingest.domain.media import Rendition
from stories_ingest.domain.story import Story
from stories_ingest.usecases.ports import MediaBucket, OutboxRelay, StoryRepository
from stories_ingest.usecases.run_media_job import LEASE, RENEW_EVERY_S, ScratchFolder

MAX_ATTEMPTS = 2
"""Attempts at a job: one that dies or fails by a bug is taken over once."""
RETRY_AFTER = timedelta(seconds=30)
"""Delay after a failure of a dependency or of this machine. The story is live meanwhile."""


Downscaler = Callable[[Path, Path], Awaitable[Sequence[Rendition]]]
"""Makes smaller renditions of a finished clip in a folder; their keys are names of files there.

Raises MediaRefused, MachineFault, WorkerCrashed.
"""


class RenditionQueue(Protocol):
    """Live stories that lack smaller renditions."""

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        """The oldest waiting job, leased to this worker; None when the queue is empty."""

    async def renew(self, story_id: str, worker: str, until: datetime) -> bool:
        """Renew the lease; False when this worker no longer holds it."""

    async def release(self, story_id: str, worker: str, until: datetime) -> None:
        """Release the job for a retry at `until`, because a dependency or this machine failed: it is not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRenditions:
    """Runs one job, from claim to a new revision of the story."""

    worker: str
    jobs: RenditionQueue
    stories: StoryRepository
    bucket: MediaBucket
    downscale: Downscaler
    scratch: ScratchFolder
    posted: OutboxRelay
    now: Clock
    renew_every_s: float = RENEW_EVERY_S

    async def __call__(self) -> str | None:
        """Run the oldest waiting job and return its result; None when the queue is empty.

        `added` is a new revision; `dropped` a job that was refused or failed for the second time, which leaves the
        story with the rendition that it has; `lost` a job that was taken over, or whose story has ended. A failure of
        a dependency or of this machine is raised, and the job retried later.
        """
        now, worker = self.now(), f"{self.worker}/{new_id()}"
        story = await self.jobs.claim(worker, now, now + LEASE)
        if story is None:
            return None
        assert story.posted is not None, "a claimed story is live"
        assert story.posted.renditions_job is not None, "a claimed story has a job"
        written: list[str] = []
        try:
            if story.posted.renditions_job.attempts > MAX_ATTEMPTS:
                renditions = []
            else:
                renditions = await self._make_under_lease(story, worker, written)
            await self.stories.transact(
                story.id, lambda snapshot: transitions.add_renditions(snapshot, worker, renditions)
            )
        except (LeaseLost, NoSuchStory):
            await self._remove(written)
            return "lost"
        except BaseException as error:
            await self._remove(written)
            if not isinstance(error, Exception) or failed_dependency(error) is not None or is_machine_fault(error):
                with suppress(Exception):
                    delay = RETRY_AFTER if isinstance(error, Exception) else timedelta(0)
                    await self.jobs.release(story.id, worker, self.now() + delay)
            raise
        self.posted.wake()
        return "added" if renditions else "dropped"

    async def _make_under_lease(self, story: Story, worker: str, written: list[str]) -> list[Rendition]:
        """Make the renditions while renewing the lease; stop when it is lost, which a deletion causes too."""
        work = asyncio.ensure_future(self._make(story, written))
        try:
            while not (await asyncio.wait({work}, timeout=self.renew_every_s))[0]:
                if not await self.jobs.renew(story.id, worker, self.now() + LEASE):
                    raise LeaseLost(story.id)
            return work.result()
        except MediaRefused:
            return []
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await work

    async def _make(self, story: Story, written: list[str]) -> list[Rendition]:
        assert story.posted is not None, "a claimed story is live"
        media = story.posted.media
        async with self.scratch() as scratch:
            if not await self.bucket.read(media.key, scratch / "clip", media.size):
                raise NoSuchStory(story.id)
            output_dir = scratch / "made"
            output_dir.mkdir()
            name, stored = new_id(), []
            for rendition in await self.downscale(scratch / "clip", output_dir):
                key = final_key(story.id, name, f".{rendition.key}")
                written.append(key)
                await self.bucket.put(key, output_dir / rendition.key, rendition.content_type)
                stored.append(replace(rendition, key=key))
            return stored

    async def _remove(self, written: list[str]) -> None:
        """Remove what this attempt wrote; a sweep removes what is left."""
        if written:
            with suppress(Exception):
                await self.bucket.remove(*written)
