"""Where expiry is put together, by hand."""

from datetime import timedelta

from fastapi import FastAPI
from stories_shared.clock import Clock, system_now
from stories_shared.events.ids import new_id
from stories_shared.http.rate_limits import Limits
from stories_shared.kafka.topics import Topics
from stories_shared.mongo.idempotency import Claims
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.metrics import Catalogue
from stories_shared.runtime.provision import prepare
from stories_shared.runtime.service import Foundation

from stories_expiry import store
from stories_expiry.domain.endings import TELLING_TOPICS
from stories_expiry.domain.timers import Wheel
from stories_expiry.handlers import SERVICE, event_handlers
from stories_expiry.jobs import FiringLoop, Gauges, OverdueLook, Resaying
from stories_expiry.metrics import ExpiryMetrics
from stories_expiry.routes import http_routes
from stories_expiry.settings import ExpirySettings
from stories_expiry.store.accounts import demands
from stories_expiry.store.stories import endings
from stories_expiry.usecases.accounts import AcceptServiceAnswer, EraseAccount, ForgetUser, ReadAccountReceipt
from stories_expiry.usecases.endings import AcceptAnswers, RecordDeletion, SayAgain, Silences
from stories_expiry.usecases.receipts import AuditErasure, CountTimers, ReadReceipt
from stories_expiry.usecases.timers import LOAD_EVERY, ArmTimers, FireDue, FireOverdue, LoadAhead, RollCall

A_SECOND = timedelta(seconds=1)
# Counting a million timers takes the store half a second.
COUNT_EVERY = timedelta(seconds=15)


def build_app(settings: ExpirySettings, now: Clock = system_now) -> FastAPI:
    """One expiry process: consumers, loops, outboxes and routes on one foundation."""
    catalogue = Catalogue()
    metrics = ExpiryMetrics(catalogue)
    foundation = Foundation(SERVICE, settings, catalogue, now)
    stories = store.Stories(foundation.mongo, settings.receipt_retention)
    accounts = store.Accounts(foundation.mongo, settings.receipt_retention)

    endings_outbox = Outbox("endings", stories.collection, endings, foundation.publisher, now)
    accounts_outbox = Outbox("accounts", accounts.collection, demands, foundation.publisher, now)
    foundation.outbox(endings_outbox)
    foundation.outbox(accounts_outbox)

    wheel = Wheel()
    roll_call = RollCall(store.Roster(foundation.mongo), new_id(), now)
    firing = FiringLoop(FireDue(stories, wheel, roll_call.current, now), wheel, endings_outbox, metrics, now)
    overdue = OverdueLook(FireOverdue(stories, roll_call.current, now), endings_outbox, metrics)
    audit = AuditErasure(stories, now)
    foundation.sweep("roll-call", A_SECOND, roll_call)
    foundation.sweep("load-ahead", LOAD_EVERY, LoadAhead(stories, wheel, now))
    foundation.sweep("fire-due", A_SECOND, firing.turn)
    foundation.sweep("fire-overdue", A_SECOND, overdue.turn)
    leases = Leases(foundation.mongo, now)
    endings_again, accounts_again = (
        SayAgain(stories, now, endings_outbox.wake),
        SayAgain(accounts, now, accounts_outbox.wake),
    )

    def impaired() -> bool:
        return not {"kafka", "mongodb"}.isdisjoint(foundation.health.problems())

    resaying = Resaying(endings_again, accounts_again, metrics, impaired)
    foundation.sweep("say-again", A_SECOND, leases.exclusive("say-again", resaying.turn))
    foundation.sweep("count", COUNT_EVERY, Gauges(CountTimers(stories, now), audit, leases, metrics).turn)

    handlers = event_handlers(
        ArmTimers(stories, wheel, now, firing.wake),
        RecordDeletion(stories, now),
        AcceptAnswers(stories, endings_again, Silences(now), now),
        ForgetUser(accounts, stories, foundation.publisher.say, now),
        AcceptServiceAnswer(accounts, accounts_again, Silences(now), now),
        metrics,
    )
    routes = http_routes(
        ReadReceipt(stories, clears_after(Topics.for_settings(settings))),
        audit,
        EraseAccount(accounts, now, accounts_outbox.wake),
        ReadAccountReceipt(accounts),
        Claims(foundation.mongo[store.CLAIMS], now),
    )
    limits = Limits(
        {"reads": settings.limit_reads, "writes": settings.limit_writes},
        lambda name: foundation.metrics.rate_limited.labels(name).inc(),
        now,
    )
    return foundation.app("Stories: expiry", handlers, routes, limits=limits)


def clears_after(topics: Topics) -> timedelta:
    """How long at most a topic keeps a record with a story's content or a viewer's id, parked ones included."""
    telling = [
        topic for topic in topics.values() if (topic.parked_of[0] if topic.parked_of else topic.name) in TELLING_TOPICS
    ]
    return max(topic.clears_after for topic in telling)


async def init(settings: ExpirySettings, *, settle: bool = False) -> None:
    """Make expiry's collections, indexes and topics where they are not there yet."""
    await prepare(SERVICE, settings, store.ensure, settle=settle)
