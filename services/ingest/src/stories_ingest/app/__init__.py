"""The composition root: ingest, wired by hand."""

import math
from contextlib import suppress
from datetime import timedelta
from functools import partial

from fastapi import APIRouter, FastAPI
from faststream.kafka import KafkaRouter
from minio.error import S3Error
from stories_shared.clock import Clock, system_now
from stories_shared.errors import Unavailable
from stories_shared.http.rate_limits import RateLimits
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.idempotency import INDEXES as CLAIM_INDEXES
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.provision import provision
from stories_shared.runtime.service import ServiceRuntime

from stories_ingest import store
from stories_ingest.app.background import (
    report_reload,
    start_access_reader,
    start_rollout,
    start_sweeps,
    watch_bucket,
)
from stories_ingest.app.entrypoints import handlers, http_routes
from stories_ingest.app.stores import Stores, objects_of
from stories_ingest.app.usecases import SharedUseCases
from stories_ingest.app.workers import start_workers
from stories_ingest.domain.keys import FINAL, HELD, STAGING
from stories_ingest.handlers import SERVICE
from stories_ingest.metrics import IngestMetrics
from stories_ingest.routes.errors import install_error_handlers
from stories_ingest.settings import IngestSettings
from stories_ingest.store.documents import CLAIMS

SWEEP_EVERY = timedelta(seconds=20)
"""Interval of the bucket sweeps; orphaned uploads are removed within a minute, as docs/http.md promises."""
A_DAY = timedelta(days=1)
MISSED_FOR_DAYS = 30
"""Days until the bucket's lifecycle rule deletes media that was never erased; ended records are kept as long."""


MAX_HOLD_DAYS = 30
"""The longest MODERATION_HOLD."""


def build_app(settings: IngestSettings, now: Clock = system_now, sweep_every: timedelta = SWEEP_EVERY) -> FastAPI:
    """The ingest application: HTTP, consumers, media workers and sweeps, depending on ROLE."""
    registry = MetricsRegistry()
    metrics = IngestMetrics(registry)
    runtime = ServiceRuntime(SERVICE, settings, registry, now)
    stores = Stores(settings, runtime, now)
    usecases = SharedUseCases(stores, settings, runtime, now, partial(report_reload, metrics, now))
    runtime.outbox(stores.posted)
    runtime.outbox(stores.endings)
    routers: list[APIRouter | KafkaRouter] = []
    if settings.role in ("all", "worker"):
        start_workers(settings, runtime, stores, usecases.wakeups, metrics, now)
    if settings.role in ("all", "api"):
        start_sweeps(runtime, stores, usecases, metrics, sweep_every, now)
        start_rollout(runtime, stores, usecases, metrics, now)
        start_access_reader(runtime, stores, usecases, now)
        routers = [*http_routes(settings, stores, usecases, now), handlers(stores, usecases, metrics, now)]
    watch_bucket(runtime, stores.objects)
    runtime.on_stop(usecases.wakeups.close)
    runtime.on_close(stores.close)
    limits = RateLimits(settings.own_limits, lambda name: runtime.metrics.rate_limited.labels(name).inc(), now)
    app = runtime.app("Stories: ingest", *routers, limits=limits)
    install_error_handlers(app)
    return app


async def init(settings: IngestSettings, *, settle: bool = False) -> None:
    """Create the bucket, collections, indexes and topics. Idempotent."""
    objects = objects_of(settings)
    try:
        await objects.ensure_bucket()
        await objects.ensure_backstop(backstop(settings))
        await objects.ensure_cors(settings.cors_origins)
    finally:
        objects.close()
    await provision(SERVICE, settings, ensure, settle=settle)


def backstop(settings: IngestSettings) -> dict[str, int]:
    """Days per prefix after which the bucket's lifecycle rule deletes objects that no sweep removed."""
    return {
        STAGING: math.ceil(settings.draft_ttl / A_DAY) + 1,
        FINAL: math.ceil(max(settings.story_lifetimes) / A_DAY) + MISSED_FOR_DAYS,
        HELD: MAX_HOLD_DAYS + MISSED_FOR_DAYS,
    }


async def ensure(mongo: Mongo) -> None:
    """Create the collections and indexes of ingest."""
    await store.ensure(mongo)
    await mongo.ensure(CLAIMS, *CLAIM_INDEXES)


async def check(settings: IngestSettings) -> None:
    """Validate the bucket before serving; a missing or unreachable bucket makes the service unready instead.

    Raises ValueError with the name of the setting for a versioned or public bucket.
    """
    objects = objects_of(settings)
    try:
        with suppress(Unavailable, S3Error):
            if await objects.ready():
                await objects.ensure_bucket()
    finally:
        objects.close()
