"""Media jobs: claim a published story with a lease, transcode it, write the final keys, post it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.concurrency import gather_limited
from stories_shared.errors import Unavailable, failed_dependency
from stories_shared.events.ids import new_id
from stories_shared.tracing import continue_trace

from stories_ingest.domain import transitions, web_vtt
from stories_ingest.domain.errors import LeaseLost, MachineFault, MediaRefused, NoSuchStory, is_machine_fault
from stories_ingest.domain.keys import final_key, staging_key
from stories_ingest.domain.media import CONTENT_TYPES, Media, MediaPart
from stories_ingest.domain.story import BACKGROUND, NewPart, State, Story
from stories_ingest.usecases.ports import MediaBucket, OutboxRelay, StoryRepository
from stories_ingest.usecases.wakeups import Wakeups

LEASE = timedelta(seconds=15)
"""A worker that has not renewed for this long is considered dead; it renews every two seconds."""
RENEW_EVERY_S = 2.0
RETRY_AFTER = timedelta(seconds=2)
"""Delay after a failure of a dependency or this machine, and initial backoff after a bug."""
MAX_BACKOFF = timedelta(hours=1)
"""Maximum backoff, so that a release with the fix takes effect within an hour."""
MAX_CRASHES = 5
"""Claims of one job that ended without a release, after which its lease is as long as the backoff."""
SPACE_FACTOR = 3
"""Disk space per job in sizes of its upload: the upload, its parts, and growth by encoding."""
TRANSCODE_SHARE = 0.9
"""Progress when transcoding is done and only the final keys remain to be written."""
CONCURRENT_UPLOADS = 4
"""Parts of a long clip that are uploaded concurrently."""


Transcoder = Callable[[Path, str, bool, Path, Callable[[float], None]], Awaitable[Sequence[MediaPart]]]
"""Transcodes an upload of a declared type, in parts if it may be split, into a folder, and reports its progress.

The finished parts come in order; the keys of their media are names of files in the folder. Raises MediaRefused,
MachineFault, WorkerCrashed.
"""

ScratchFolder = Callable[[], AbstractAsyncContextManager[Path]]
"""Creates a temporary folder for a job; it is removed when the context exits."""


class MediaQueue(Protocol):
    """Media jobs of published stories."""

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        """The oldest waiting job, leased to this worker; None when the queue is empty."""

    async def renew(self, story_id: str, worker: str, until: datetime, progress: float, parts: Sequence[str]) -> bool:
        """Renew the lease; False when this worker no longer holds it."""

    async def release(self, story_id: str, worker: str, until: datetime, *, counted: bool) -> None:
        """Release the job for a retry at `until`; `counted` is False if the worker stopped or a dependency failed."""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """Result of a job: `posted`, `scheduled`, `refused` with a reason, `lost` or `failed`; and how long it took."""

    result: str
    kind: str
    duration: timedelta
    reason: str = ""
    error: Exception | None = None


@dataclass(slots=True)
class ClaimedJob:
    """A claimed job, and the state that its lease renewals report."""

    story: Story
    worker: str
    progress: float = 0.0
    parts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    lease_lost: bool = False

    @property
    def attempts(self) -> int:
        """Claims so far without a result, including this one."""
        return self.story.job.attempts if self.story.job else 0

    @property
    def lease(self) -> timedelta:
        """The duration of the lease; after repeated crashes of workers it is as long as the backoff."""
        return LEASE if self.attempts <= MAX_CRASHES else max(LEASE, backoff(self.attempts))

    def set_progress(self, share: float) -> None:
        """Report how much is transcoded, 0 to 1."""
        self.progress = max(self.progress, min(share, 1.0) * TRANSCODE_SHARE)


def backoff(attempts: int) -> timedelta:
    """Exponential backoff: 2 s, 4 s, … one hour."""
    return min(RETRY_AFTER * (1 << min(attempts - 1, 30)), MAX_BACKOFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMediaJob:
    """Runs one job, from claim to posted or refused."""

    worker: str
    jobs: MediaQueue
    stories: StoryRepository
    bucket: MediaBucket
    transcode: Transcoder
    scratch: ScratchFolder
    posted: OutboxRelay
    wakeups: Wakeups
    now: Clock
    renew_every_s: float = RENEW_EVERY_S
    trace: Callable[[str | None], AbstractContextManager[object]] = continue_trace

    async def __call__(self) -> JobOutcome | None:
        """Run the oldest waiting job; None when the queue is empty.

        When a dependency fails the job is released and the error raised, as MachineFault if this machine is at fault.
        A job that fails by a bug is `failed` and retried with exponential backoff. One that was cancelled, ended or
        taken over meanwhile is `lost`. The objects that it wrote are removed.
        """
        now = self.now()
        attempt = f"{self.worker}/{new_id()}"
        story = await self.jobs.claim(attempt, now, now + LEASE)
        if story is None:
            return None
        assert story.job is not None, "a claimed story has a job"
        claimed = ClaimedJob(story, attempt)
        error: Exception | None = None
        try:
            with self.trace(story.traceparent):
                result, reason = await self._run_under_lease(claimed)
        except Exception as failure:
            if failed_dependency(failure) is not None or isinstance(failure, MachineFault):
                raise
            result, reason, error = "failed", "", failure
        duration = self.now() - story.job.since
        self.wakeups.notify(story.id)
        return JobOutcome(
            result, "photo" if story.content_type.startswith("image/") else "video", duration, reason, error
        )

    async def _run_under_lease(self, claimed: ClaimedJob) -> tuple[str, str]:
        """Run the job while renewing its lease; stop immediately when the lease is lost."""
        work = asyncio.ensure_future(self._run(claimed))
        renewing = asyncio.ensure_future(self._renew_periodically(claimed, work))
        try:
            return await work
        except asyncio.CancelledError:
            if not claimed.lease_lost or _is_stopping():
                await self._release(claimed, timedelta(0), counted=False)
                raise
            await self._delete_written(claimed)
            return "lost", ""
        except (LeaseLost, NoSuchStory):
            await self._delete_written(claimed)
            return "lost", ""
        except Exception as error:
            if is_machine_fault(error):
                await self._release(claimed, RETRY_AFTER, counted=False)
                raise MachineFault(str(error), SPACE_FACTOR * claimed.story.size) from error
            is_bug = failed_dependency(error) is None
            await self._release(claimed, backoff(claimed.attempts) if is_bug else RETRY_AFTER, counted=is_bug)
            raise
        finally:
            work.cancel()
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _run(self, claimed: ClaimedJob) -> tuple[str, str]:
        if claimed.lease > LEASE:
            await self._renew_lease(claimed)
        try:
            state = await self._transcode_and_post(claimed)
        except MediaRefused as error:
            reason = error.reason
            await self.stories.transact(
                claimed.story.id,
                lambda snapshot: transitions.refuse(snapshot, claimed.worker, reason, truncate_to_ms(self.now())),
            )
            await self._delete_written(claimed)
            return "refused", reason
        return ("scheduled" if state is State.SCHEDULED else "posted"), ""

    async def _transcode_and_post(self, claimed: ClaimedJob) -> State:
        story = claimed.story
        assert story.job is not None, "a claimed story has a job"
        async with self.scratch() as scratch:
            upload = scratch / "upload"
            declared_type = await self._fetch(story, upload)
            output_dir = scratch / "made"
            output_dir.mkdir()
            outputs = await self.transcode(upload, declared_type, story.split, output_dir, claimed.set_progress)
            parts = await self._write(claimed, outputs, output_dir)
        changes = await self.stories.transact(
            story.id, lambda snapshot: transitions.go_live(snapshot, claimed.worker, parts, truncate_to_ms(self.now()))
        )
        self.posted.wake()
        self.wakeups.notify(story.id)
        with suppress(Unavailable):  # the story is live; a sweep removes what is left
            await self.bucket.remove(staging_key(story.id))
        return changes.upserts[0].state

    async def _fetch(self, story: Story, path: Path) -> str:
        """Write what the media worker reads, and return what it is: the upload, or the background of a text story."""
        if story.background is not None:
            described = {"colors": story.background.colors, "angle": story.background.angle or 0}
            await asyncio.to_thread(path.write_text, json.dumps(described))
            return BACKGROUND
        assert story.job is not None, "a claimed story has a job"
        await self.bucket.fetch(staging_key(story.id), story.job.etag, path, story.size)
        return story.content_type

    async def _write(self, claimed: ClaimedJob, outputs: Sequence[MediaPart], folder: Path) -> list[NewPart]:
        """Write every part under its own story's prefix; the job names them first so that no sweep removes them."""
        story = claimed.story
        claimed.parts = [story.id, *(new_id() for _ in outputs[1:])]
        await self._renew_lease(claimed)

        async def write(output: tuple[str, MediaPart]) -> NewPart:
            part = await self._write_part(claimed, *output, folder)
            claimed.progress = max(claimed.progress, TRANSCODE_SHARE) + (1 - TRANSCODE_SHARE) / (len(outputs) + 1)
            return part

        return await gather_limited(write, zip(claimed.parts, outputs, strict=True), CONCURRENT_UPLOADS)

    async def _write_part(self, claimed: ClaimedJob, part_id: str, output: MediaPart, folder: Path) -> NewPart:
        captions, media = self._captions(claimed.story, output, len(claimed.parts)), output.media
        if captions is not None:
            file = f"captions-{claimed.parts.index(part_id) + 1}.vtt"
            await asyncio.to_thread((folder / file).write_text, captions, "utf-8")
            media = replace(media, captions_key=file)
        stored = await self._store(claimed, part_id, media, folder)
        return NewPart(id=part_id, media=stored, captions_track=captions, lacks_smaller=output.lacks_smaller)

    async def _store(self, claimed: ClaimedJob, part_id: str, media: Media, folder: Path) -> Media:
        """Write each file of the media to a key that only this attempt uses."""
        name = new_id()
        keys = {file: final_key(part_id, name, f".{file}") for file in media.keys}
        claimed.keys += keys.values()
        for file, key in keys.items():
            await self.bucket.put(key, folder / file, CONTENT_TYPES[Path(file).suffix])
        return media.renamed(keys.__getitem__)

    def _captions(self, story: Story, output: MediaPart, parts: int) -> str | None:
        track, duration_ms = story.overlay.captions_track, output.media.duration_ms
        if track is None or parts == 1 or duration_ms is None:
            return track
        return web_vtt.cut(track, output.starts_ms, output.starts_ms + duration_ms)

    async def _renew_periodically(self, claimed: ClaimedJob, work: "asyncio.Future[tuple[str, str]]") -> None:
        while True:
            await asyncio.sleep(self.renew_every_s)
            try:
                await self._renew_lease(claimed)
            except LeaseLost:
                claimed.lease_lost = await self._lease_was_taken(claimed)
                if claimed.lease_lost:
                    work.cancel()
                return
            except Exception:  # noqa: BLE001, S112  (the job itself gets the same error and reports it)
                continue

    async def _renew_lease(self, claimed: ClaimedJob) -> None:
        until = self.now() + claimed.lease
        if not await self.jobs.renew(claimed.story.id, claimed.worker, until, claimed.progress, claimed.parts):
            raise LeaseLost(claimed.story.id)

    async def _lease_was_taken(self, claimed: ClaimedJob) -> bool:
        """Whether somebody else ended the lease; this worker's own result ends it too."""
        story = await self.stories.find(claimed.story.id)
        if story is None or story.state is State.DRAFT or story.state is State.PROCESSING:
            return True
        return story.posted is not None and story.posted.media.key not in claimed.keys

    async def _delete_written(self, claimed: ClaimedJob) -> None:
        """Remove the objects of this attempt, and the upload unless another worker needs it; sweeps remove the rest."""
        with suppress(Exception):
            story = await self.stories.find(claimed.story.id)
            staged = [] if story is not None and story.state is State.PROCESSING else [staging_key(claimed.story.id)]
            await self.bucket.remove(*claimed.keys, *staged)

    async def _release(self, claimed: ClaimedJob, delay: timedelta, *, counted: bool) -> None:
        """Release the job for a retry after the delay, and remove the objects of this attempt."""
        with suppress(Exception):
            await self.jobs.release(claimed.story.id, claimed.worker, self.now() + delay, counted=counted)
            story = await self.stories.find(claimed.story.id)
            if story is None or story.state is State.PROCESSING:
                await self.bucket.remove(*claimed.keys)


def _is_stopping() -> bool:
    """Whether this task itself is being cancelled, not only the job that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
