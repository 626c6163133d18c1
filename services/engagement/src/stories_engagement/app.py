"""The composition root of engagement."""

from datetime import timedelta
from functools import partial

from fastapi import FastAPI
from stories_shared.clock import Clock, system_now
from stories_shared.events import StoryViewed
from stories_shared.http.paging import Cursors
from stories_shared.http.rate_limits import RateLimits
from stories_shared.kafka.batch_publisher import BatchPublisher
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.idempotency import IdempotencyStore
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.provision import provision
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.user_erasure import RESUME_EVERY, EraseUser
from stories_shared.runtime.wakeup import Wakeup
from stories_shared.tls import client_context

from stories_engagement.domain.access_state import AccessState
from stories_engagement.domain.recent_plays import RecentPlays
from stories_engagement.handlers import story_handlers, user_handlers, view_handlers, webhook_handlers
from stories_engagement.jobs.access_reader import AccessReader, PruneAccessState
from stories_engagement.jobs.webhook_client import WebhookClient
from stories_engagement.jobs.webhook_sender import WebhookSender
from stories_engagement.metrics import EngagementMetrics
from stories_engagement.routes.answers import answer_routes
from stories_engagement.routes.comments import comment_routes
from stories_engagement.routes.engagements import count_routes, reaction_routes, share_routes
from stories_engagement.routes.errors import install_error_handlers
from stories_engagement.routes.insights import insight_routes
from stories_engagement.routes.me import me_routes
from stories_engagement.routes.reports import report_routes
from stories_engagement.routes.views import view_routes
from stories_engagement.routes.webhooks import webhook_routes
from stories_engagement.settings import EngagementSettings
from stories_engagement.store.answers import MongoAnswers
from stories_engagement.store.blocks import MongoBlocks
from stories_engagement.store.comments import MongoComments
from stories_engagement.store.engagements import MongoReactions, MongoShares
from stories_engagement.store.erasure import MongoUserErasure
from stories_engagement.store.hidden_words import MongoHiddenWords
from stories_engagement.store.insights import MongoInsights, insight_events
from stories_engagement.store.privacy import MongoPrivacy
from stories_engagement.store.reports import MongoReports
from stories_engagement.store.schema import CLAIMS, ENGAGEMENTS, EVENTS, INSIGHTS, REPORTED, ensure_schema
from stories_engagement.store.stories import MongoStories
from stories_engagement.store.story_counters import CounterWriter, engagement_events, outbox_events
from stories_engagement.store.views import MongoViews
from stories_engagement.store.webhooks import MongoDeliveries, MongoWebhooks
from stories_engagement.usecases.access import CheckAccess
from stories_engagement.usecases.answers import GiveAnswer, ListAnswers, WithdrawAnswer
from stories_engagement.usecases.blocks import DropStoredBlocks, FindBlocked
from stories_engagement.usecases.comments import DeleteComment, ReadComments, WriteComment
from stories_engagement.usecases.engagements import React, Share, WithdrawReaction
from stories_engagement.usecases.hidden_words import ApplyHiddenWords, SetHiddenWords
from stories_engagement.usecases.insights import ReadInsights
from stories_engagement.usecases.privacy import SetPrivacy, Unlist
from stories_engagement.usecases.reports import DecideReport, FileReport
from stories_engagement.usecases.stories import DeleteOrphanViews, EndStories, StoreStories
from stories_engagement.usecases.views import CountViews, ListViewers, ReportViews
from stories_engagement.usecases.webhooks import DeliverDue, QueueDeliveries

TITLE = "Stories: engagement"

A_SECOND = timedelta(seconds=1)

ORPHAN_AFTER = timedelta(hours=24)
"""Added to the longest lifetime: longer than `story-posted` may lag behind the views of its story."""


def build_app(settings: EngagementSettings, now: Clock = system_now) -> FastAPI:
    """Build one engagement process."""
    registry = MetricsRegistry()
    metrics = EngagementMetrics(registry)
    runtime = ServiceRuntime("engagement", settings, registry, now)
    mongo = runtime.mongo

    engagements_outbox = Outbox("engagements", mongo[ENGAGEMENTS], engagement_events, runtime.publisher, now)
    insights_outbox = Outbox("insights", mongo[INSIGHTS], insight_events, runtime.publisher, now)

    def on_sealed(number: int) -> None:
        metrics.insights_sealed.inc(number)
        insights_outbox.wake()

    insights = MongoInsights(mongo, settings.insights_floor, settings.insights_retention, on_sealed)
    events_outbox = Outbox("events", mongo[EVENTS], outbox_events, runtime.publisher, now, delete_published=True)

    def wake_relays() -> None:
        engagements_outbox.wake()
        events_outbox.wake()

    counter_writer = CounterWriter(mongo, now, wake_relays)
    view_store = MongoViews(mongo)
    stories = MongoStories(mongo, now, insights)
    blocks = MongoBlocks(mongo)
    privacy = MongoPrivacy(mongo)
    answers = MongoAnswers(counter_writer)
    comments = MongoComments(counter_writer)
    reactions = MongoReactions(counter_writer)
    shares = MongoShares(counter_writer)
    words = MongoHiddenWords(counter_writer)
    reports = MongoReports(mongo, comments, now, settings.moderation_hold)
    webhooks = MongoWebhooks(mongo)
    deliveries = MongoDeliveries(mongo)
    stores = (counter_writer, insights, privacy, words, blocks, reports, deliveries)
    user_data = MongoUserErasure(mongo, [view_store.erase_viewer, *(store.erase_user for store in stores)])

    access_state, recent = AccessState(), RecentPlays()
    stale_after = timedelta(milliseconds=settings.stale_after_ms)
    access_reader = AccessReader(runtime.kafka, access_state, stories, stale_after, now)
    blocked = FindBlocked(access_state, blocks)
    check_access = CheckAccess(runtime.tickets.read, access_state, blocked, access_reader, now)
    cursors = Cursors(settings.ticket_secrets)
    claims = IdempotencyStore(mongo[CLAIMS], now)
    erased_users = MongoErasedUsers(mongo, now)
    erase_user = EraseUser("engagement", erased_users, user_data.erase_user, runtime.publisher.publish, now)
    end_stories = EndStories(stories, runtime.publisher.publish_all, now)
    unlist = Unlist(privacy, view_store.unlist_some, now)
    apply_words = ApplyHiddenWords(words, now)
    words_changed = Wakeup()

    async def apply_changed_words() -> bool:
        if not await apply_words():
            await words_changed.wait(A_SECOND.total_seconds())
        return True

    publish_views = partial(BatchPublisher(runtime.publisher).publish_all, StoryViewed)
    write = WriteComment(comments, blocked, now)
    delete_orphans = DeleteOrphanViews(stories, max(settings.story_lifetimes) + ORPHAN_AFTER, now)

    leases = Leases(mongo, now)
    decisions_outbox = Outbox("decisions", mongo[REPORTED], reports.carry_out, runtime.publisher, now)

    async def count_open_reports() -> None:
        metrics.open_reports.set(await reports.open_reports())

    client_tls = client_context(settings.ca_bundle)

    def webhook_client() -> WebhookClient:
        return WebhookClient(client_tls, allow_private=settings.webhooks_allow_private)

    def count_attempt(outcome: str) -> None:
        metrics.webhook_deliveries.labels(outcome).inc()

    sender = WebhookSender(webhooks, DeliverDue(deliveries, count_attempt, now), leases, webhook_client)

    async def measure_webhooks() -> None:
        pending, oldest = await deliveries.backlog()
        metrics.webhooks_pending.set(pending)
        metrics.webhooks_oldest.set(max(0.0, (now() - oldest).total_seconds()) if oldest else 0.0)

    runtime.background_task("webhooks", sender.run, lambda: sender.iterations)
    runtime.periodic("measure-webhooks", A_SECOND * 15, measure_webhooks)
    runtime.outbox(engagements_outbox)
    runtime.outbox(insights_outbox)
    runtime.outbox(decisions_outbox)
    runtime.outbox(events_outbox)
    runtime.periodic("count-reports", A_SECOND * 15, count_open_reports)
    runtime.tail(access_reader.tail)
    runtime.periodic("erase-users", RESUME_EVERY, erase_user.resume)
    runtime.periodic("hidden-words", A_SECOND, apply_changed_words)
    runtime.periodic("unlist", A_SECOND, unlist)
    runtime.periodic("erase", A_SECOND, end_stories.continue_erasing)
    runtime.periodic("delete-orphans", timedelta(minutes=1), leases.exclusive("delete-orphans", delete_orphans))
    runtime.periodic(
        "prune",
        A_SECOND * 5,
        PruneAccessState(access_state, DropStoredBlocks(access_state, blocks, now), metrics, now),
    )

    app = runtime.app(
        TITLE,
        view_routes(
            check_access,
            ReportViews(check_access, blocked, privacy, publish_views, now),
            ListViewers(view_store, blocked),
            cursors,
            metrics,
        ),
        reaction_routes(
            check_access,
            React(reactions, now),
            WithdrawReaction(reactions, check_access, now),
            reactions,
        ),
        comment_routes(
            check_access,
            write,
            ReadComments(comments, words, blocked),
            DeleteComment(comments, access_state, now),
            claims,
            cursors,
        ),
        answer_routes(
            check_access,
            GiveAnswer(answers, now),
            WithdrawAnswer(answers, check_access, now),
            ListAnswers(answers, blocked),
            cursors,
        ),
        insight_routes(ReadInsights(insights, access_state, access_reader, settings.insights_floor, now), cursors, now),
        share_routes(check_access, Share(shares.put, settings.share_link, now), claims),
        count_routes(check_access, counter_writer.counts),
        me_routes(
            privacy,
            SetPrivacy(privacy, unlist, now),
            words,
            SetHiddenWords(words, now, words_changed.set),
        ),
        report_routes(
            FileReport(reports, comments, runtime.tickets.read, access_state, now, decisions_outbox.wake),
            reports,
            DecideReport(reports, decisions_outbox.publish_now, now),
            cursors,
            metrics,
        ),
        webhook_routes(
            webhooks,
            deliveries,
            sender.wake,
            claims,
            cursors,
            now,
            allow_private=settings.webhooks_allow_private,
        ),
        webhook_handlers(QueueDeliveries(webhooks, deliveries, sender.wake, now)),
        story_handlers(StoreStories(stories), end_stories),
        view_handlers(CountViews(view_store, recent, now), metrics),
        user_handlers(blocks, erase_user),
        access_state=access_state,
        recent=recent,
        limits=RateLimits(settings.quotas, lambda name: runtime.metrics.rate_limited.labels(name).inc(), now),
    )
    install_error_handlers(app, metrics)
    return app


async def init(settings: EngagementSettings, *, settle: bool = False) -> None:
    """Create topics, collections and indexes. Idempotent."""
    await provision("engagement", settings, ensure_schema, settle=settle)
