"""The composition root: ingest, wired by hand."""

import math
from contextlib import suppress
from datetime import timedelta

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
from stories_ingest.app.background import start_sweeps, start_workers, watch_bucket
from stories_ingest.app.entrypoints import handlers, http_routes
from stories_ingest.app.parts import Parts, objects_of
from stories_ingest.domain.keys import FINAL, STAGING
from stories_ingest.handlers import SERVICE
from stories_ingest.metrics import IngestMetrics
from stories_ingest.settings import IngestSettings
from stories_ingest.store.documents import CLAIMS

SWEEP_EVERY = timedelta(seconds=20)
"""How long the looks through the bucket rest; stray uploads go within a minute, as docs/http.md promises."""
A_DAY = timedelta(days=1)
MISSED_FOR_DAYS = 30
"""How long media may outlive their story while everything that erases them stands still: as long as ended marks do."""


def build_app(settings: IngestSettings, now: Clock = system_now, sweep_every: timedelta = SWEEP_EVERY) -> FastAPI:
    """Ingest as one application: HTTP, consumers, media workers and sweeps, as its ROLE wants them."""
    registry = MetricsRegistry()
    metrics = IngestMetrics(registry)
    runtime = ServiceRuntime(SERVICE, settings, registry, now)
    parts = Parts(settings, runtime, now)
    runtime.outbox(parts.posted)
    runtime.outbox(parts.endings)
    routers: list[APIRouter | KafkaRouter] = []
    if settings.role in ("all", "worker"):
        start_workers(settings, runtime, parts, metrics)
    if settings.role in ("all", "api"):
        start_sweeps(runtime, parts, metrics, sweep_every)
        routers = [*http_routes(settings, parts), handlers(parts)]
    watch_bucket(runtime, parts)
    runtime.on_stop(parts.wakeups.close)
    runtime.on_close(parts.close)
    limits = RateLimits(settings.own_limits, lambda name: runtime.metrics.rate_limited.labels(name).inc(), now)
    return runtime.app("Stories: ingest", *routers, limits=limits)


async def init(settings: IngestSettings, *, settle: bool = False) -> None:
    """Make the bucket, the collections with their indexes, and the topics; safe to repeat."""
    objects = objects_of(settings)
    try:
        await objects.ensure_bucket()
        await objects.ensure_backstop(backstop(settings))
        await objects.ensure_cors(settings.cors_origins)
    finally:
        objects.close()
    await provision(SERVICE, settings, ensure, settle=settle)


def backstop(settings: IngestSettings) -> dict[str, int]:
    """After how many days the bucket drops what no sweep found, by prefix: long after all of them should have."""
    return {
        STAGING: math.ceil(settings.draft_ttl / A_DAY) + 1,
        FINAL: math.ceil(max(settings.story_lifetimes) / A_DAY) + MISSED_FOR_DAYS,
    }


async def ensure(mongo: Mongo) -> None:
    """Make every collection and index of ingest."""
    await store.ensure(mongo)
    await store.date_erasures(mongo)
    await mongo.ensure(CLAIMS, *CLAIM_INDEXES)


async def check(settings: IngestSettings) -> None:
    """Look at the bucket before serving; one that is not there yet, or does not answer, is waited for later.

    Raises ValueError with the name of the setting for a bucket that is versioned or open to anybody.
    """
    objects = objects_of(settings)
    try:
        with suppress(Unavailable, S3Error):
            if await objects.ready():
                await objects.ensure_bucket()
    finally:
        objects.close()
