"""The composition root of the feed: plain constructor calls."""

import asyncio
from functools import partial

from fastapi import FastAPI
from stories_shared.clock import Clock, system_now
from stories_shared.errors import S3
from stories_shared.http.paging import Cursors
from stories_shared.http.rate_limits import RateLimits
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.rollout.file import PolicyFile
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.provision import provision
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.user_erasure import RESUME_EVERY, EraseUser
from stories_shared.runtime.wakeup import Wakeup
from stories_shared.s3.objects import Objects

from stories_feed import store
from stories_feed.domain.ranking import FreshnessAndEngagement, RankedStories, Ranking
from stories_feed.domain.recency import RecencyLists, mentioned_users, public_hashtags
from stories_feed.domain.ttl import TtlPolicy
from stories_feed.handlers import SERVICE, story_handlers, user_handlers
from stories_feed.jobs import (
    ANNOUNCE_EVERY,
    EXPIRE_EVERY,
    HEARTBEAT_EVERY,
    POLL_EVERY,
    ROLLOUT_EVERY,
    LiveIndexConsumer,
    LiveUpdatesJob,
)
from stories_feed.metrics import FeedMetrics
from stories_feed.routes import edge_routes, hashtag_routes, live_routes, story_routes, tray_routes
from stories_feed.routes.browser_tokens import BrowserTokens
from stories_feed.settings import FeedSettings
from stories_feed.store.announcements import MongoAnnouncements
from stories_feed.store.edge_documents import events_of
from stories_feed.store.edges import EDGES, MongoEdges
from stories_feed.store.erasure import MongoUserData
from stories_feed.store.seen import MongoSeenMarks
from stories_feed.store.signed_urls import SignedUrlCache
from stories_feed.store.stories import MongoStories
from stories_feed.usecases.build_items import BuildItems
from stories_feed.usecases.edges import ApplyEdgeEvents, ChangeEdge
from stories_feed.usecases.endings import EndStories
from stories_feed.usecases.explain import ExplainStory
from stories_feed.usecases.for_you import ReadForYou
from stories_feed.usecases.live_updates import LiveUpdates
from stories_feed.usecases.newest import ReadNewest
from stories_feed.usecases.notifications import AnnounceStories
from stories_feed.usecases.reels import ReadReel, ReadReels, ReadStory
from stories_feed.usecases.seen import MarkSeen, MarkSeenUpTo, StoreEngagement
from stories_feed.usecases.stories import StoreStories
from stories_feed.usecases.trays import ReadRings, ReadTray
from stories_feed.usecases.visible_stories import VisibleStories


def build_app(settings: FeedSettings, now: Clock = system_now) -> FastAPI:
    """The feed service."""
    registry = MetricsRegistry()
    metrics = FeedMetrics(registry)
    runtime = ServiceRuntime(SERVICE, settings, registry, now)
    max_lifetime = max(settings.story_lifetimes)
    ttl_policy = TtlPolicy(ticket=settings.ticket_ttl, restricted=settings.restricted_ttl)

    stories = MongoStories(runtime.mongo, now, metrics.unreadable.inc)
    edges = MongoEdges(runtime.mongo, now)
    seen = MongoSeenMarks(runtime.mongo, max_lifetime)
    user_data = MongoUserData(runtime.mongo, stories)
    objects = Objects.of(settings, settings.ca_bundle, runtime.observe(S3))
    media = SignedUrlCache(objects)

    policy_file = PolicyFile(settings.rollout_file, metrics.rollout_reloaded(now))

    def may_view(user_id: str, country: str | None) -> str | None:
        return policy_file.policy.may_view(user_id, country)

    runtime.periodic("rollout-file", ROLLOUT_EVERY, partial(asyncio.to_thread, policy_file.reload))

    outbox = Outbox(EDGES, runtime.mongo[EDGES], events_of, runtime.publisher, now)
    ranked = RankedStories(ranking_of(settings))
    index_consumer = LiveIndexConsumer(
        runtime.kafka, stories, metrics, settings.stale_after_ms / 1000, max_lifetime, now, ranked
    )
    runtime.outbox(outbox)
    runtime.tail(index_consumer.tail)
    runtime.periodic("index", EXPIRE_EVERY, index_consumer.expire)
    erased_users = MongoErasedUsers(runtime.mongo, now)
    erase_user = EraseUser(SERVICE, erased_users, user_data.erase, runtime.publisher.publish, now)
    runtime.periodic("erase-users", RESUME_EVERY, erase_user.resume)

    async def close_objects() -> None:
        objects.close()

    runtime.on_close(close_objects)

    visible_stories = VisibleStories(index_consumer.index, edges, stories, index_consumer.tail, now)
    build_items = BuildItems(visible_stories, stories, media, runtime.tickets, ttl_policy)
    wakeup = Wakeup()
    live_updates = LiveUpdates(
        visible_stories, edges, seen, stories, user_data.erased, now, settings.live_connections, may_view, wakeup.set
    )
    hashtags, mentions = RecencyLists(public_hashtags), RecencyLists(mentioned_users)
    for on_change in (hashtags.on_change, mentions.on_change, live_updates.on_change):
        index_consumer.index.subscribe(on_change)
    live_job = LiveUpdatesJob(live_updates, wakeup, metrics)
    runtime.background_task("live-announcements", live_job.announce, lambda: live_job.iterations)
    runtime.periodic("live-look", POLL_EVERY, live_job.poll)
    runtime.periodic("live-heartbeat", HEARTBEAT_EVERY, live_job.heartbeat)
    runtime.on_stop(live_updates.close)
    announce_stories = AnnounceStories(
        MongoAnnouncements(runtime.mongo),
        edges,
        index_consumer.index,
        runtime.publisher.publish_all,
        may_view,
        settings.notify_per_second,
        lambda: runtime.kafka_problem is None,
        now,
    )
    leases = Leases(runtime.mongo, now)
    runtime.periodic("announcements", ANNOUNCE_EVERY, leases.exclusive("announcements", announce_stories))
    change_edge = ChangeEdge(edges, outbox, now)
    cursors = Cursors(settings.ticket_secrets)
    limits = RateLimits(
        {"reads": settings.limit_reads, "edges": settings.limit_edges},
        lambda name: runtime.metrics.rate_limited.labels(name).inc(),
        now,
    )
    return runtime.app(
        "Stories feed",
        story_handlers(
            StoreStories(stories, user_data.erased, now),
            EndStories(stories.end, runtime.publisher.publish_all, now),
            MarkSeen(seen, stories.seen_keys, user_data.erased, max_lifetime, now),
            StoreEngagement(stories.save_engagement),
        ),
        user_handlers(ApplyEdgeEvents(edges), erase_user),
        tray_routes(
            ReadTray(visible_stories, edges, seen, stories, media, ttl_policy),
            ReadRings(visible_stories, seen, stories),
            cursors,
            ttl_policy,
            may_view,
            now,
        ),
        story_routes(
            ReadReel(visible_stories, build_items, seen),
            ReadReels(visible_stories, build_items, seen),
            ReadStory(visible_stories, build_items, seen),
            ReadForYou(ranked, visible_stories, build_items, seen, edges),
            MarkSeenUpTo(visible_stories, stories.seen_keys, seen),
            ExplainStory(visible_stories, stories, may_view),
            may_view,
            cursors,
            ttl_policy,
            now,
        ),
        hashtag_routes(
            hashtags,
            ReadNewest(hashtags, visible_stories, build_items, seen),
            ReadNewest(mentions, visible_stories, build_items, seen),
            visible_stories,
            cursors,
            may_view,
        ),
        live_routes(live_updates, BrowserTokens(settings.ticket_secrets, now), now),
        edge_routes(change_edge, edges, cursors, open_graph=settings.follows == "open"),
        limits=limits,
    )


def ranking_of(settings: FeedSettings) -> Ranking:
    """The ranking of For You. Another one is put in here (docs/ranking.md)."""
    weights = {
        "reaction": settings.rank_reaction,
        "comment": settings.rank_comment,
        "share": settings.rank_share,
        "answer": settings.rank_answer,
    }
    return FreshnessAndEngagement(settings.rank_tau.total_seconds(), weights)


async def init(settings: FeedSettings, *, settle: bool = False) -> None:
    """Create the feed's collections, indexes and topics where they do not exist."""
    await provision(SERVICE, settings, store.ensure, settle=settle)
