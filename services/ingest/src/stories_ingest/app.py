"""The composition root of ingest: plain constructor calls."""

import asyncio
import math
from contextlib import suppress
from datetime import timedelta
from functools import partial

from fastapi import FastAPI
from minio.error import S3Error
from stories_shared.auth.tickets import Tickets
from stories_shared.clock import Clock, system_now
from stories_shared.errors import S3, Unavailable
from stories_shared.events import StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.http.paging import Cursors
from stories_shared.http.rate_limits import RateLimits
from stories_shared.kafka.topics import RETENTION_AFTER_LIFETIME
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.idempotency import IdempotencyStore
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.rollout.file import PolicyFile
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.provision import provision
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.user_erasure import RESUME_EVERY, EraseUser
from stories_shared.s3.objects import Objects

from stories_ingest import media, store
from stories_ingest.domain.access_edges import RecentEdges
from stories_ingest.domain.keys import ARCHIVE, FINAL, HELD, STAGING
from stories_ingest.handlers import SERVICE, event_handlers
from stories_ingest.jobs.access_reader import AccessReader
from stories_ingest.jobs.media_worker import counted_scratch_folder, run_renditions, run_worker
from stories_ingest.jobs.periodic import count_scheduled, watch_pause
from stories_ingest.metrics import IngestMetrics
from stories_ingest.routes.archive import archive_routes
from stories_ingest.routes.config import config_route
from stories_ingest.routes.drafts import draft_routes
from stories_ingest.routes.errors import install_error_handlers
from stories_ingest.routes.highlights import highlight_routes
from stories_ingest.routes.me import me_routes
from stories_ingest.routes.stories import story_routes
from stories_ingest.settings import IngestSettings
from stories_ingest.store.access_edges import MongoAccessEdges
from stories_ingest.store.archive import MongoArchive
from stories_ingest.store.bucket import Bucket, BucketCheck
from stories_ingest.store.cleanup import MongoCleanup
from stories_ingest.store.documents import CLAIMS, ENDED, STORIES
from stories_ingest.store.highlights import MongoHighlights
from stories_ingest.store.holds import MongoHolds
from stories_ingest.store.jobs import MongoJobs, MongoRenditionJobs
from stories_ingest.store.partition_counts import MongoPartitionCounts
from stories_ingest.store.rollout import MongoSignals
from stories_ingest.store.scratch_folders import Scratch, remove_abandoned, work_folder
from stories_ingest.store.stories import MongoStories, deleted_events, posted_events
from stories_ingest.usecases.access_edges import DropStoredEdges, FindHidden
from stories_ingest.usecases.accounts import EraseAccount, SuspendUser
from stories_ingest.usecases.add_renditions import AddRenditions
from stories_ingest.usecases.archive import DeleteArchived, EmptyArchive, EraseArchived, ExpireStory, RepeatErasure
from stories_ingest.usecases.deletions import DeleteAllStories, DeleteStory
from stories_ingest.usecases.drafts import CreateStory, RenewForm, RepostStory, UploadForm
from stories_ingest.usecases.endings import EndDeleted, EndExpired, EraseMedia
from stories_ingest.usecases.highlights import ReadHighlights, WriteHighlights
from stories_ingest.usecases.holds import EraseUnlessHeld, HoldMedia, ReleaseHolds
from stories_ingest.usecases.me import ListStories, ReadQuota, ReadStory
from stories_ingest.usecases.post_scheduled import PostScheduled
from stories_ingest.usecases.republish_stale import RepublishIfStale
from stories_ingest.usecases.rollout import Rollout, WatchPause
from stories_ingest.usecases.run_media_job import RunMediaJob
from stories_ingest.usecases.stories import CancelStory, ChangeStory, PublishStory
from stories_ingest.usecases.sweeps import DiscardOverdue, EraseMissedExpiries, RecheckErasures, SweepObjects
from stories_ingest.usecases.tombstones import Tombstones
from stories_ingest.usecases.wakeups import Wakeups

TITLE = "Stories: ingest"
A_SECOND = timedelta(seconds=1)
A_DAY = timedelta(days=1)
SWEEP_EVERY = timedelta(seconds=20)
"""Interval of the bucket sweeps; orphaned uploads are removed within a minute, as docs/http.md promises."""
SWEEP_LEASE = timedelta(seconds=30)
"""A sweep's pages of object storage can take longer than most iterations."""
UPLOAD_PAGES = 100
"""Pages of uploads per iteration; the next iteration follows without a pause until the end."""
MEDIA_PAGES = 10
"""Pages of media per iteration: a million stories in about an hour, with little load on the store."""
SCHEDULED_EVERY = timedelta(milliseconds=400)
"""A scheduled story goes live within a second of its time."""
ROLLOUT_EVERY = timedelta(seconds=2)
"""A changed rollout file is in force within 5 s, as docs/http.md promises."""
PARTITION_COUNTS_EVERY = timedelta(seconds=30)
"""Interval of recording partition counts; they seldom change, and old counts matter for days."""
CPU_SHARE = 3
"""CPU seconds of all threads of a media worker, for each second of MEDIA_TIMEOUT."""
MISSED_FOR_DAYS = 30
"""Days until the bucket's lifecycle rule deletes media that was never erased; ended records are kept as long."""
MAX_HOLD_DAYS = 30
"""The longest MODERATION_HOLD."""


def build_app(settings: IngestSettings, now: Clock = system_now, sweep_every: timedelta = SWEEP_EVERY) -> FastAPI:
    """The ingest application: HTTP, consumers, media workers and sweeps, depending on ROLE."""
    registry = MetricsRegistry()
    metrics = IngestMetrics(registry)
    runtime = ServiceRuntime(SERVICE, settings, registry, now)
    mongo = runtime.mongo
    objects = Objects.of(settings, settings.ca_bundle, runtime.observe(S3))
    bucket = Bucket(objects)
    stories = MongoStories(mongo, now)
    signals = MongoSignals(mongo, now)
    wakeups = Wakeups()
    policy_file = PolicyFile(settings.rollout_file, metrics.rollout_reloaded(now))
    posted = Outbox("story-posted", mongo[STORIES], posted_events, runtime.publisher, now)
    endings = Outbox("story-deleted", mongo[ENDED], deleted_events, runtime.publisher, now)
    limits = RateLimits(settings.own_limits, lambda name: runtime.metrics.rate_limited.labels(name).inc(), now)

    async def close_objects() -> None:
        objects.close()

    runtime.outbox(posted)
    runtime.outbox(endings)
    bucket_check = BucketCheck(objects)
    runtime.periodic("bucket", A_SECOND * 2, bucket_check)
    runtime.degraded_check(S3, lambda: bucket_check.no_answer)
    runtime.readiness_check("bucket", lambda: bucket_check.missing)
    runtime.on_stop(wakeups.close)
    runtime.on_close(close_objects)

    if settings.role != "api":
        start_workers(settings, runtime, metrics, stories, bucket, posted, signals, wakeups, now)
    if settings.role == "worker":
        return runtime.app(TITLE, limits=limits)

    cleanup, archive, holds = MongoCleanup(mongo), MongoArchive(mongo), MongoHolds(mongo)
    highlights, access_edges = MongoHighlights(mongo), MongoAccessEdges(mongo)
    claims = IdempotencyStore(mongo[CLAIMS], now)
    leases = Leases(mongo, now, lease_for=SWEEP_LEASE)
    retention = max(settings.story_lifetimes) + RETENTION_AFTER_LIFETIME
    publisher = runtime.publisher
    tombstones = Tombstones(publisher, MongoPartitionCounts(mongo), retention, now)
    quota_limits, upload_policy = settings.quota_limits, settings.upload_policy
    cursors = Cursors(settings.ticket_secrets)

    rollout = Rollout(lambda: policy_file.policy)
    recent_edges = RecentEdges()
    access_reader = AccessReader(runtime.kafka, recent_edges, timedelta(milliseconds=settings.stale_after_ms), now)
    find_hidden = FindHidden(recent_edges, access_edges, access_reader)
    read = ReadStory(stories, bucket.media_url, now)
    form = UploadForm(bucket, upload_policy, now)
    create = CreateStory(stories, upload_policy, quota_limits, now)
    post_scheduled = PostScheduled(cleanup.due_scheduled, stories, bucket, posted, wakeups, quota_limits, now)
    delete_all = DeleteAllStories(cleanup, stories, endings, now)
    expire = ExpireStory(stories, archive, bucket, now, settings.archive)
    erase_archived = EraseArchived(archive, bucket, publisher, now)
    unless_held = EraseUnlessHeld(bucket, holds, now)
    release_holds = ReleaseHolds(bucket, holds, publisher, now)
    erase = EraseMedia(unless_held, cleanup, archive, publisher, tombstones, now)
    erase_account = EraseAccount(cleanup, stories, bucket, endings, release_holds, now, erase_archived)
    erase_user = EraseUser(SERVICE, MongoErasedUsers(mongo, now), erase_account, publisher.publish, now)

    async def set_gauges() -> None:
        """On one replica; 0 on the others."""
        counts = await leases.acquire("count")
        metrics.media_jobs.labels("waiting").set(await MongoJobs(mongo).waiting(now()) if counts else 0)
        metrics.held_stories.set(await holds.kept() if counts else 0)
        metrics.archive_erasures_overdue.set(await erase_archived.overdue() if counts else 0)

    uploads = SweepObjects(bucket, STAGING, cleanup.referenced_uploads, now, UPLOAD_PAGES)
    media_objects = SweepObjects(bucket, FINAL, cleanup.referenced_keys, now, MEDIA_PAGES, always_pause=True)
    archived = SweepObjects(bucket, ARCHIVE, archive.referenced_archived, now, MEDIA_PAGES, always_pause=True)
    discard = DiscardOverdue(cleanup, stories, bucket, now)
    empty_archive = EmptyArchive(archive, erase_archived, now, settings.archive)
    missed_expiries = EraseMissedExpiries(cleanup, expire, erase, now)
    recheck = RecheckErasures(cleanup, bucket, now)
    watch = WatchPause(rollout, signals, now)
    exclusive, resumable = leases.exclusive, leases.resumable
    periodic = runtime.periodic
    periodic("scheduled", SCHEDULED_EVERY, partial(count_scheduled, post_scheduled, metrics))
    periodic("deletions", A_SECOND, exclusive("deletions", delete_all.sweep))
    periodic("discard-drafts", A_SECOND * 5, exclusive("discard-drafts", discard))
    periodic("uploads", sweep_every, resumable("uploads", uploads))
    periodic("objects", sweep_every, resumable("objects", media_objects))
    periodic("archived-objects", sweep_every, resumable("archived-objects", archived))
    periodic("archive-erasures", A_SECOND * 5, exclusive("archive", erase_archived.sweep))
    periodic("archive-switch", A_SECOND * 60, exclusive("archive-switch", empty_archive))
    periodic("unfinished-uploads", sweep_every, exclusive("unfinished-uploads", bucket.abort_uploads))
    periodic("missed-expiries", A_SECOND * 60, exclusive("missed-expiries", missed_expiries))
    periodic("release-holds", A_SECOND, exclusive("release-holds", release_holds))
    periodic("erase-users", RESUME_EVERY, erase_user.resume)
    periodic("recheck-erasures", A_SECOND * 5, exclusive("recheck-erasures", recheck))
    periodic("partition-counts", PARTITION_COUNTS_EVERY, partial(tombstones.record_partition_count, StoryPosted))
    periodic("count-jobs", A_SECOND * 5, set_gauges)
    periodic("rollout-file", ROLLOUT_EVERY, partial(asyncio.to_thread, policy_file.reload))
    periodic("rollout-pause", ROLLOUT_EVERY, partial(watch_pause, watch, metrics))
    periodic("job-counts", timedelta(minutes=10), exclusive("job-counts", signals.forget_old))
    periodic("recent-edges", A_SECOND * 5, DropStoredEdges(recent_edges, access_edges, now))
    runtime.tail(access_reader.tail)

    app = runtime.app(
        TITLE,
        draft_routes(
            create,
            RenewForm(stories, form, now),
            form,
            read,
            claims,
            settings.story_lifetimes,
            rollout,
            RepostStory(stories, bucket, find_hidden, create, settings.story_lifetimes[0], now),
            Tickets(settings.ticket_secrets),
            now,
        ),
        story_routes(
            PublishStory(stories, bucket, wakeups, quota_limits, rollout, now),
            CancelStory(stories, bucket, cleanup, now),
            ChangeStory(stories, read, posted, now),
            DeleteStory(stories, unless_held, endings, now, archive, erase_archived),
            delete_all,
            read,
        ),
        me_routes(
            read,
            ListStories(stories, bucket.media_url, now),
            ReadQuota(stories, quota_limits, now),
            cursors,
            quota_limits,
            rollout,
        ),
        archive_routes(settings.archive, archive, DeleteArchived(archive, erase_archived), bucket, cursors, now),
        highlight_routes(
            settings.archive,
            WriteHighlights(highlights, now),
            ReadHighlights(highlights, find_hidden),
            bucket,
            cursors,
            claims,
            rollout,
            now,
        ),
        config_route(settings),
        event_handlers(
            EndExpired(expire, erase, now),
            EndDeleted(stories, bucket, endings, erase, now, erase_archived),
            RepublishIfStale(stories, publisher, tombstones),
            erase_user,
            SuspendUser(cleanup.suspend, now),
            access_edges,
            HoldMedia(holds, release_holds, now),
            RepeatErasure(stories, erase_archived, now),
            metrics,
        ),
        limits=limits,
    )
    install_error_handlers(app)
    return app


def start_workers(
    settings: IngestSettings,
    runtime: ServiceRuntime,
    metrics: IngestMetrics,
    stories: MongoStories,
    bucket: Bucket,
    posted: Outbox,
    signals: MongoSignals,
    wakeups: Wakeups,
    now: Clock,
) -> None:
    """Start the media workers of this process."""
    scratch, limits = Scratch(), media_limits(settings)
    if settings.role == "worker":
        runtime.readiness_check("scratch", lambda: scratch.fault)
    else:  # the API in the same process needs no disk
        runtime.degraded_check("scratch", lambda: scratch.fault)
    metrics.media_workers.set(settings.media_workers)
    for number in range(1, settings.media_workers + 1):
        work = RunMediaJob(
            worker=new_id(),
            jobs=MongoJobs(runtime.mongo),
            stories=stories,
            bucket=bucket,
            transcode=lambda source, declared, split, into, progress: media.make(
                source, declared, split, limits, into, progress
            ),
            scratch=partial(counted_scratch_folder, metrics),
            posted=posted,
            wakeups=wakeups,
            now=now,
            trace=lambda parent: runtime.tracer.span("run media job", "consumer", [parent]),
        )
        worker = partial(run_worker, work, scratch, wakeups, metrics, count_job=signals.count_job)
        runtime.background_task(f"media-{number}", worker)
    if settings.renditions:
        add = AddRenditions(
            worker=new_id(),
            jobs=MongoRenditionJobs(runtime.mongo),
            stories=stories,
            bucket=bucket,
            downscale=lambda source, into: media.make_smaller(source, limits, into),
            scratch=work_folder,
            posted=posted,
            now=now,
        )
        runtime.background_task("renditions", partial(run_renditions, add, metrics))
    runtime.periodic("left-behind", timedelta(minutes=10), partial(asyncio.to_thread, remove_abandoned))


def media_limits(settings: IngestSettings) -> media.MediaLimits:
    """This installation's limits of media workers."""
    return media.MediaLimits(
        max_clip_ms=settings.max_clip_ms,
        max_parts=settings.max_parts,
        max_bytes=settings.max_upload_bytes,
        still_images=settings.still_images,
        renditions=settings.renditions,
        wall_seconds=settings.media_timeout.total_seconds(),
        cpu_seconds=math.ceil(CPU_SHARE * settings.media_timeout.total_seconds()),
    )


async def init(settings: IngestSettings, *, settle: bool = False) -> None:
    """Create the bucket, collections, indexes and topics. Idempotent."""
    objects = Objects.of(settings, settings.ca_bundle)
    try:
        await objects.ensure_bucket()
        await objects.ensure_backstop(backstop(settings))
        await objects.ensure_cors(settings.cors_origins)
    finally:
        objects.close()
    await provision(SERVICE, settings, store.ensure, settle=settle)


def backstop(settings: IngestSettings) -> dict[str, int]:
    """Days per prefix after which the bucket's lifecycle rule deletes objects that no sweep removed."""
    return {
        STAGING: math.ceil(settings.draft_ttl / A_DAY) + 1,
        FINAL: math.ceil(max(settings.story_lifetimes) / A_DAY) + MISSED_FOR_DAYS,
        HELD: MAX_HOLD_DAYS + MISSED_FOR_DAYS,
    }


async def check(settings: IngestSettings) -> None:
    """Validate the bucket before serving; a missing or unreachable bucket makes the service unready instead.

    Raises ValueError with the name of the setting for a versioned or public bucket.
    """
    objects = Objects.of(settings, settings.ca_bundle)
    try:
        with suppress(Unavailable, S3Error):
            if await objects.ready():
                await objects.ensure_bucket()
    finally:
        objects.close()
