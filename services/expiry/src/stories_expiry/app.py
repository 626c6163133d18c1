"""Where expiry is put together, by hand."""

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
from stories_expiry.usecases.accounts import AcceptServiceAnswer, EraseAccount, EraseUserData, ReadAccountReceipt
from stories_expiry.usecases.endings import AcceptAnswers, OutageDetector, RecordDeletion, ResendUnanswered
from stories_expiry.usecases.receipts import AuditErasure, CountTimers, ReadReceipt
from stories_expiry.usecases.timers import LOAD_EVERY, ArmTimers, FireDue, FireOverdue, Heartbeat, LoadAhead

A_SECOND = timedelta(seconds=1)
# Counting a million timers takes the store half a second.
COUNT_EVERY = timedelta(seconds=15)


def build_app(settings: ExpirySettings, now: Clock = system_now) -> FastAPI:
    """One expiry process: consumers, loops, outboxes and routes on one runtime."""
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
    roll_call = Heartbeat(store.MongoReplicas(runtime.mongo), new_id(), now)
    firing = FiringLoop(FireDue(stories, wheel, roll_call.current, now), wheel, endings_outbox, metrics, now)
    overdue = OverdueSweep(FireOverdue(stories, roll_call.current, now), endings_outbox, metrics)
    audit = AuditErasure(stories, now)
    runtime.periodic("roll-call", A_SECOND, roll_call)
    runtime.periodic("load-ahead", LOAD_EVERY, LoadAhead(stories, wheel, now))
    runtime.periodic("fire-due", A_SECOND, firing.turn)
    runtime.periodic("fire-overdue", A_SECOND, overdue.turn)
    leases = Leases(runtime.mongo, now)
    endings_again, accounts_again = (
        ResendUnanswered(stories, now, endings_outbox.wake),
        ResendUnanswered(accounts, now, accounts_outbox.wake),
    )

    def impaired() -> bool:
        return not {"kafka", "mongodb"}.isdisjoint(runtime.health.failing())

    resending = ResendSweep(endings_again, accounts_again, metrics, impaired)
    runtime.periodic("say-again", A_SECOND, leases.exclusive("say-again", resending.turn))
    runtime.periodic("count", COUNT_EVERY, Gauges(CountTimers(stories, now), audit, leases, metrics).turn)

    handlers = event_handlers(
        ArmTimers(stories, wheel, now, firing.wake),
        RecordDeletion(stories, now),
        AcceptAnswers(stories, endings_again, OutageDetector(now), now),
        EraseUserData(accounts, stories, runtime.publisher.publish, now),
        AcceptServiceAnswer(accounts, accounts_again, OutageDetector(now), now),
        metrics,
    )
    routes = http_routes(
        ReadReceipt(stories, clears_after(Topics.for_settings(settings))),
        audit,
        EraseAccount(accounts, now, accounts_outbox.wake),
        ReadAccountReceipt(accounts),
        IdempotencyStore(runtime.mongo[store.CLAIMS], now),
    )
    limits = RateLimits(
        {"reads": settings.limit_reads, "writes": settings.limit_writes},
        lambda name: runtime.metrics.rate_limited.labels(name).inc(),
        now,
    )
    return runtime.app("Stories: expiry", handlers, routes, limits=limits)


def clears_after(topics: Topics) -> timedelta:
    """How long at most a topic keeps a record with a story's content or a viewer's id, dead-lettered ones included."""
    telling = [
        topic
        for topic in topics.values()
        if (topic.dead_letters_of[0] if topic.dead_letters_of else topic.name) in CONTENT_TOPICS
    ]
    return max(topic.max_record_age for topic in telling)


async def init(settings: ExpirySettings, *, settle: bool = False) -> None:
    """Make expiry's collections, indexes and topics where they are not there yet."""
    await provision(SERVICE, settings, store.ensure, settle=settle)
