"""Where the feed is put together, by plain constructor calls."""

from fastapi import FastAPI
from stories_shared.clock import Clock, system_now
from stories_shared.errors import S3
from stories_shared.http.paging import Cursors
from stories_shared.http.rate_limits import Limits
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.metrics import Catalogue
from stories_shared.runtime.provision import prepare
from stories_shared.runtime.service import Foundation
from stories_shared.s3.objects import Objects

from stories_feed import store
from stories_feed.domain.ttl import Lives
from stories_feed.handlers import story_handlers, user_handlers
from stories_feed.jobs import LOOK_AGAIN_EVERY, TIDY_EVERY, IndexReader
from stories_feed.metrics import FeedMetrics
from stories_feed.routes import edge_routes, story_routes, tray_routes
from stories_feed.settings import FeedSettings
from stories_feed.store.edges import EDGES, EdgeRelay, EdgeStore, facts_of
from stories_feed.store.erasure import PeopleStore
from stories_feed.store.seen import SeenStore
from stories_feed.store.signed_urls import SignedMedia
from stories_feed.store.stories import StoryStore
from stories_feed.usecases.edges import Decide, HearEdges
from stories_feed.usecases.endings import EndStories
from stories_feed.usecases.erasure import ForgetUser
from stories_feed.usecases.items import ShowStories
from stories_feed.usecases.reels import ReadForYou, ReadReel, ReadReels, ReadStory
from stories_feed.usecases.seen import KeepEngagement, MarkSeen, MarkSeenUpTo
from stories_feed.usecases.stories import PostStories
from stories_feed.usecases.trays import ReadRings, ReadTray
from stories_feed.usecases.visible_stories import Sight

SERVICE = "feed"


def build_app(settings: FeedSettings, now: Clock = system_now) -> FastAPI:
    """The whole service."""
    catalogue = Catalogue()
    metrics = FeedMetrics(catalogue)
    base = Foundation(SERVICE, settings, catalogue, now)
    longest = max(settings.story_lifetimes)
    lives = Lives(ticket=settings.ticket_ttl, restricted=settings.restricted_ttl)

    stories = StoryStore(base.mongo, now, metrics.unreadable.inc)
    edges = EdgeStore(base.mongo, now)
    seen = SeenStore(base.mongo, longest)
    people = PeopleStore(base.mongo, stories, now)
    objects = objects_of(settings, base)
    media = SignedMedia(objects)

    outbox = Outbox(EDGES, base.mongo[EDGES], facts_of, base.publisher, now)
    reader = IndexReader(base.kafka, stories, metrics, settings.stale_after_ms / 1000, longest, now)
    base.outbox(outbox)
    base.tail(reader.tail)
    base.sweep("index", TIDY_EVERY, reader.tidy)
    base.sweep("erased-users", LOOK_AGAIN_EVERY, people.look_again)

    async def let_go() -> None:
        objects.close()

    base.on_close(let_go)

    sight = Sight(reader.index, edges, stories, reader, now)
    show = ShowStories(sight, stories, media, base.tickets, lives)
    decide = Decide(edges, EdgeRelay(outbox), now)
    cursors = Cursors(settings.ticket_secrets)
    limits = Limits(
        {"reads": settings.limit_reads, "edges": settings.limit_edges},
        lambda name: base.metrics.rate_limited.labels(name).inc(),
        now,
    )
    return base.app(
        "Stories feed",
        story_handlers(
            PostStories(stories, people, now),
            EndStories(stories, base.publisher, now),
            MarkSeen(seen, stories, people, longest, now),
            KeepEngagement(stories),
        ),
        user_handlers(HearEdges(edges), ForgetUser(people, base.publisher, now)),
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


def objects_of(settings: FeedSettings, base: Foundation) -> Objects:
    """The bucket that URLs are signed for."""
    return Objects.of(settings, settings.ca_bundle, base.observe(S3))


async def init(settings: FeedSettings, *, settle: bool = False) -> None:
    """Make the collections and indexes that are the feed's own, and its topics; what is there already stays."""
    await prepare(SERVICE, settings, store.ensure, settle=settle)
