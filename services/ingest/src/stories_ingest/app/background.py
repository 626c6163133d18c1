"""Wiring of the background tasks beside the media workers."""

import asyncio
from datetime import timedelta
from functools import partial

from stories_shared.clock import Clock
from stories_shared.errors import S3, Unavailable
from stories_shared.events import StoryPosted
from stories_shared.runtime.logging import logger
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.user_erasure import RESUME_EVERY
from stories_shared.s3.objects import Objects

from stories_ingest.app.stores import Stores
from stories_ingest.app.usecases import SharedUseCases
from stories_ingest.domain.keys import ARCHIVE, FINAL, STAGING
from stories_ingest.domain.story import State
from stories_ingest.metrics import IngestMetrics
from stories_ingest.usecases.access_edges import DropStoredEdges
from stories_ingest.usecases.archive import EraseArchived
from stories_ingest.usecases.post_scheduled import PAGE, PostScheduled
from stories_ingest.usecases.rollout import WatchPause
from stories_ingest.usecases.sweeps import DiscardOverdue, EraseMissedExpiries, RecheckErasures, SweepObjects

log = logger(__name__)

SCHEDULED_EVERY = timedelta(milliseconds=400)
"""A scheduled story goes live within a second of its time."""
LATE = timedelta(seconds=1)
ROLLOUT_EVERY = timedelta(seconds=2)
"""A changed rollout file is in force within 5 s, as docs/http.md promises."""

PARTITION_COUNTS_EVERY = timedelta(seconds=30)
"""Interval of recording partition counts; they seldom change, and old counts matter for days."""

UPLOAD_PAGES = 100
"""Pages of uploads per iteration; the next iteration follows without a pause until the end."""
MEDIA_PAGES = 10
"""Pages of media per iteration: a million stories in about an hour, with little load on the store."""


def start_sweeps(
    runtime: ServiceRuntime,
    stores: Stores,
    usecases: SharedUseCases,
    metrics: IngestMetrics,
    sweep_every: timedelta,
    now: Clock,
) -> None:
    """Start the sweeps, each on one replica at a time; every upload is checked within a minute."""
    discard = DiscardOverdue(stores.cleanup, stores.stories, stores.bucket, now)
    uploads = SweepObjects(stores.bucket, STAGING, stores.cleanup.referenced_uploads, now, UPLOAD_PAGES)
    media_objects = SweepObjects(
        stores.bucket, FINAL, stores.cleanup.referenced_keys, now, MEDIA_PAGES, always_pause=True
    )
    archived_objects = SweepObjects(
        stores.bucket, ARCHIVE, stores.archive.referenced_archived, now, MEDIA_PAGES, always_pause=True
    )
    recheck = RecheckErasures(stores.cleanup, stores.bucket, now)
    missed_expiries = EraseMissedExpiries(stores.cleanup, usecases.expire, usecases.erase, now)
    exclusive, resumable = stores.leases.exclusive, stores.leases.resumable
    runtime.periodic("scheduled", SCHEDULED_EVERY, partial(count_scheduled, usecases.post_scheduled, metrics))
    runtime.periodic("deletions", timedelta(seconds=1), exclusive("deletions", usecases.delete_all.sweep))
    runtime.periodic("discard-drafts", timedelta(seconds=5), exclusive("discard-drafts", discard))
    runtime.periodic("uploads", sweep_every, resumable("uploads", uploads))
    runtime.periodic("objects", sweep_every, resumable("objects", media_objects))
    runtime.periodic("archived-objects", sweep_every, resumable("archived-objects", archived_objects))
    runtime.periodic("archive-erasures", timedelta(seconds=5), exclusive("archive", usecases.erase_archived.sweep))
    runtime.periodic("archive-switch", timedelta(seconds=60), exclusive("archive-switch", usecases.empty_archive))
    runtime.periodic("unfinished-uploads", sweep_every, exclusive("unfinished-uploads", stores.bucket.abort_uploads))
    runtime.periodic("missed-expiries", timedelta(seconds=60), exclusive("missed-expiries", missed_expiries))
    runtime.periodic("release-holds", timedelta(seconds=1), exclusive("release-holds", usecases.let_go))
    runtime.periodic("erase-users", RESUME_EVERY, usecases.erase_user.resume)
    runtime.periodic("recheck-erasures", timedelta(seconds=5), exclusive("recheck-erasures", recheck))
    runtime.periodic(
        "partition-counts", PARTITION_COUNTS_EVERY, partial(stores.publisher.record_partition_count, StoryPosted)
    )
    runtime.periodic(
        "count-jobs", timedelta(seconds=5), partial(count_waiting_jobs, stores, usecases.erase_archived, metrics, now)
    )


def start_access_reader(runtime: ServiceRuntime, stores: Stores, usecases: SharedUseCases, now: Clock) -> None:
    """Follow blocks and hiding, by which highlights are shown and stories are reposted."""
    runtime.tail(usecases.access_reader.tail)
    drop_stored = DropStoredEdges(usecases.recent_edges, stores.access_edges, now)
    runtime.periodic("recent-edges", timedelta(seconds=5), drop_stored)


async def count_scheduled(post_scheduled: PostScheduled, metrics: IngestMetrics) -> bool:
    """Post what is due and count it; return whether there may be more."""
    done = await post_scheduled()
    for story in done:
        metrics.scheduled_lateness.observe(story.lateness.total_seconds())
        is_live = story.state is State.LIVE
        metrics.publishes.labels("posted" if is_live else "refused", "" if is_live else "quota").inc()
        if story.lateness > LATE:
            log.warning("scheduled_story_late", seconds=story.lateness.total_seconds())
    return len(done) == PAGE


async def count_waiting_jobs(stores: Stores, erase_archived: EraseArchived, metrics: IngestMetrics, now: Clock) -> None:
    """Set the gauges of waiting jobs, held media and overdue erasures on one replica; 0 on the others."""
    holds = await stores.leases.acquire("count")
    metrics.media_jobs.labels("waiting").set(await stores.jobs.waiting(now()) if holds else 0)
    metrics.held_stories.set(await stores.holds.kept() if holds else 0)
    metrics.archive_erasures_overdue.set(await erase_archived.overdue() if holds else 0)


def report_reload(metrics: IngestMetrics, now: Clock, succeeded: bool, changed: bool) -> None:
    """Set the gauges of the rollout file."""
    metrics.rollout_reload_success.set(succeeded)
    if changed:
        metrics.rollout_reload_timestamp.set(now().timestamp())


def start_rollout(
    runtime: ServiceRuntime, stores: Stores, usecases: SharedUseCases, metrics: IngestMetrics, now: Clock
) -> None:
    """Reload the rollout file, and pause `create` where the policy says so."""
    watch = WatchPause(usecases.rollout, stores.signals, now)

    async def reload() -> None:
        await asyncio.to_thread(usecases.policy_file.reload)

    async def watch_pause() -> None:
        was_paused = usecases.rollout.paused
        await watch()
        metrics.rollout_paused.labels("create").set(usecases.rollout.paused)
        if usecases.rollout.paused != was_paused:
            log.warning("rollout_paused" if usecases.rollout.paused else "rollout_resumed", causes=list(watch.causes))

    runtime.periodic("rollout-file", ROLLOUT_EVERY, reload)
    runtime.periodic("rollout-pause", ROLLOUT_EVERY, watch_pause)
    forget_old = stores.leases.exclusive("job-counts", stores.signals.forget_old)
    runtime.periodic("job-counts", timedelta(minutes=10), forget_old)


def watch_bucket(runtime: ServiceRuntime, objects: Objects) -> None:
    """Report unready while the bucket does not exist, and degraded while S3 does not respond."""
    exists, unreachable = True, False

    async def check() -> None:
        nonlocal exists, unreachable
        try:
            exists, unreachable = await objects.ready(), False
        except Unavailable:
            unreachable = True

    runtime.periodic("bucket", timedelta(seconds=2), check)
    runtime.degraded_check(S3, lambda: "no answer" if unreachable else None)
    runtime.readiness_check("bucket", lambda: None if exists else f"missing bucket: {objects.bucket}")
