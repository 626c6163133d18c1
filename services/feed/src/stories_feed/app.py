"""Where the feed is put together, by plain constructor calls."""

from fastapi import FastAPI
from stories_shared.clock import Clock, system_now
from stories_shared.errors import S3
from stories_shared.http.paging import Cursors
from stories_shared.http.rate_limits import RateLimits
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.provision import provision
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.s3.objects import Objects

from stories_feed import store
from stories_feed.domain.ttl import TtlPolicy
from stories_feed.handlers import story_handlers, user_handlers
from stories_feed.jobs import EXPIRE_EVERY, RECHECK_EVERY, LiveIndexConsumer
from stories_feed.metrics import FeedMetrics
from stories_feed.routes import edge_routes, story_routes, tray_routes
from stories_feed.settings import FeedSettings
from stories_feed.store.edges import EDGES, EdgeRelay, MongoEdges, events_of
from stories_feed.store.erasure import MongoUserData
from stories_feed.store.seen import MongoSeenMarks
from stories_feed.store.signed_urls import SignedUrlCache
from stories_feed.store.stories import MongoStories
from stories_feed.usecases.edges import ApplyEdgeEvents, ChangeEdge
from stories_feed.usecases.endings import EndStories
from stories_feed.usecases.erasure import EraseUser
from stories_feed.usecases.items import BuildItems
from stories_feed.usecases.reels import ReadForYou, ReadReel, ReadReels, ReadStory
from stories_feed.usecases.seen import MarkSeen, MarkSeenUpTo, StoreEngagement
from stories_feed.usecases.stories import StoreStories
from stories_feed.usecases.trays import ReadRings, ReadTray
from stories_feed.usecases.visible_stories import VisibleStories

SERVICE = "feed"


def build_app(settings: FeedSettings, now: Clock = system_now) -> FastAPI:
    """The whole service."""
    registry = MetricsRegistry()
    metrics = FeedMetrics(registry)
    runtime = ServiceRuntime(SERVICE, settings, registry, now)
    longest = max(settings.story_lifetimes)
    lives = TtlPolicy(ticket=settings.ticket_ttl, restricted=settings.restricted_ttl)

    stories = MongoStories(runtime.mongo, now, metrics.unreadable.inc)
    edges = MongoEdges(runtime.mongo, now)
    seen = MongoSeenMarks(runtime.mongo, longest)
    people = MongoUserData(runtime.mongo, stories, now)
    objects = objects_of(settings, runtime)
    media = SignedUrlCache(objects)

    outbox = Outbox(EDGES, runtime.mongo[EDGES], events_of, runtime.publisher, now)
    reader = LiveIndexConsumer(runtime.kafka, stories, metrics, settings.stale_after_ms / 1000, longest, now)
    runtime.outbox(outbox)
    runtime.tail(reader.tail)
    runtime.periodic("index", EXPIRE_EVERY, reader.tidy)
    runtime.periodic("erased-users", RECHECK_EVERY, people.look_again)

    async def let_go() -> None:
        objects.close()

    runtime.on_close(let_go)

    sight = VisibleStories(reader.index, edges, stories, reader, now)
    show = BuildItems(sight, stories, media, runtime.tickets, lives)
    decide = ChangeEdge(edges, EdgeRelay(outbox), now)
    cursors = Cursors(settings.ticket_secrets)
    limits = RateLimits(
        {"reads": settings.limit_reads, "edges": settings.limit_edges},
        lambda name: runtime.metrics.rate_limited.labels(name).inc(),
        now,
    )
    return runtime.app(
        "Stories feed",
        story_handlers(
            StoreStories(stories, people, now),
            EndStories(stories, runtime.publisher, now),
            MarkSeen(seen, stories, people, longest, now),
            StoreEngagement(stories),
        ),
        user_handlers(ApplyEdgeEvents(edges), EraseUser(people, runtime.publisher, now)),
        tray_routes(
            ReadTray(sight, edges, seen, stories, media, lives), ReadRings(sight, seen, stories), cursors, lives, now
        ),
        story_routes(
            ReadReel(sight, show, seen),
            ReadReels(sight, show, seen),
            ReadStory(sight, show, seen),
            ReadForYou(sight, show, seen, edges),
            MarkSeenUpTo(reader.index, sight, stories, seen, now),
            cursors,
            lives,
            now,
        ),
        edge_routes(decide, edges, cursors, open_graph=settings.follows == "open"),
        limits=limits,
    )


def objects_of(settings: FeedSettings, runtime: ServiceRuntime) -> Objects:
    """The bucket that URLs are signed for."""
    return Objects.of(settings, settings.ca_bundle, runtime.observe(S3))


async def init(settings: FeedSettings, *, settle: bool = False) -> None:
    """Make the collections and indexes that are the feed's own, and its topics; what is there already stays."""
    await provision(SERVICE, settings, store.ensure, settle=settle)
