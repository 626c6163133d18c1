"""The composition root of expiry."""

from datetime import timedelta

from fastapi import FastAPI
from stories_shared.clock import Clock, system_now
from stories_shared.events.ids import new_id
from stories_shared.http.rate_limits import RateLimits
from stories_shared.kafka.topics import Topics
from stories_shared.mongo.idempotency import IdempotencyStore
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.provision import provision
from stories_shared.runtime.service import ServiceRuntime

from stories_expiry import store
from stories_expiry.domain.endings import CONTENT_TOPICS
from stories_expiry.domain.timers import TimerWheel
from stories_expiry.handlers import SERVICE, event_handlers
from stories_expiry.jobs import FiringLoop, Gauges, OverdueSweep, ResendSweep
from stories_expiry.metrics import ExpiryMetrics
from stories_expiry.routes import http_routes
from stories_expiry.settings import ExpirySettings
from stories_expiry.store.accounts import user_erased_events
from stories_expiry.store.stories import endings
from stories_expiry.usecases.accounts import AcceptServiceConfirmation, EraseAccount, EraseUserData
from stories_expiry.usecases.endings import AcceptConfirmations, OutageDetector, RecordDeletion, ResendUnconfirmed
from stories_expiry.usecases.receipts import ReadReceipt
from stories_expiry.usecases.timers import LOAD_EVERY, ArmTimers, FireDue, FireOverdue, Heartbeat, LoadAhead

A_SECOND = timedelta(seconds=1)
# Counting a million timers takes MongoDB half a second.
COUNT_EVERY = timedelta(seconds=15)


def build_app(settings: ExpirySettings, now: Clock = system_now) -> FastAPI:
    """Build one expiry process: consumers, background tasks, outboxes and routes."""
    registry = MetricsRegistry()
    metrics = ExpiryMetrics(registry)
    runtime = ServiceRuntime(SERVICE, settings, registry, now)
    stories = store.MongoStories(runtime.mongo, settings.receipt_retention)
    accounts = store.MongoAccounts(runtime.mongo, settings.receipt_retention)

    endings_outbox = Outbox("endings", stories.collection, endings, runtime.publisher, now)
    accounts_outbox = Outbox("accounts", accounts.collection, user_erased_events, runtime.publisher, now)
    runtime.outbox(endings_outbox)
    runtime.outbox(accounts_outbox)

    wheel = TimerWheel()
    heartbeat = Heartbeat(store.MongoReplicas(runtime.mongo).heartbeat, new_id(), now)
    firing = FiringLoop(FireDue(stories, wheel, heartbeat.current, now), wheel, endings_outbox, metrics, now)
    runtime.periodic("heartbeat", A_SECOND, heartbeat)
    runtime.periodic("load-ahead", LOAD_EVERY, LoadAhead(stories, wheel, now))
    runtime.periodic("fire-due", A_SECOND, firing)
    overdue = FireOverdue(stories, heartbeat.current, now)
    runtime.periodic("fire-overdue", A_SECOND, OverdueSweep(overdue, endings_outbox, metrics))
    leases = Leases(runtime.mongo, now)
    resend_endings = ResendUnconfirmed(stories, now, endings_outbox.wake)
    resend_accounts = ResendUnconfirmed(accounts, now, accounts_outbox.wake)

    def impaired() -> bool:
        return not {"kafka", "mongodb"}.isdisjoint(runtime.health.failing())

    resending = ResendSweep(resend_endings, resend_accounts, metrics, impaired)
    runtime.periodic("resend", A_SECOND, leases.exclusive("resend", resending))
    runtime.periodic("count", COUNT_EVERY, Gauges(stories, leases, metrics, now))

    handlers = event_handlers(
        ArmTimers(stories, wheel, now, firing.wake),
        RecordDeletion(stories, now),
        AcceptConfirmations(stories, resend_endings, OutageDetector(now), now),
        EraseUserData(accounts, stories, runtime.publisher.publish, now),
        AcceptServiceConfirmation(accounts, resend_accounts, OutageDetector(now), now),
        metrics,
    )
    routes = http_routes(
        ReadReceipt(stories, content_record_age(Topics.for_settings(settings))),
        EraseAccount(accounts, now, accounts_outbox.wake),
        stories,
        accounts,
        IdempotencyStore(runtime.mongo[store.CLAIMS], now),
        now,
    )
    limits = RateLimits(
        {"reads": settings.limit_reads, "writes": settings.limit_writes},
        lambda name: runtime.metrics.rate_limited.labels(name).inc(),
        now,
    )
    return runtime.app("Stories: expiry", handlers, routes, limits=limits)


def content_record_age(topics: Topics) -> timedelta:
    """The longest time that a topic keeps a story's content or a viewer's id, dead-letter topics included."""
    content_topics = [
        topic
        for topic in topics.values()
        if (topic.dead_letters_of[0] if topic.dead_letters_of else topic.name) in CONTENT_TOPICS
    ]
    return max(topic.max_record_age for topic in content_topics)


async def init(settings: ExpirySettings, *, settle: bool = False) -> None:
    """Create topics, collections and indexes. Idempotent."""
    await provision(SERVICE, settings, store.ensure, settle=settle)
