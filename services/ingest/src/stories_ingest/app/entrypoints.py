"""Wiring of HTTP routes and Kafka handlers."""

from fastapi import APIRouter
from faststream.kafka import KafkaRouter
from stories_shared.auth.tickets import Tickets
from stories_shared.clock import Clock
from stories_shared.events.ids import new_id
from stories_shared.events.layers import KINDS as LAYER_KINDS
from stories_shared.http.paging import Cursors
from stories_shared.runtime.service import version_of
from stories_shared.runtime.settings import duration_text

from stories_ingest.app.stores import Stores
from stories_ingest.app.usecases import SharedUseCases
from stories_ingest.domain.media import AUDIO_CODECS, VIDEO_CODECS
from stories_ingest.domain.story import AUDIENCES, COMMENTS, PHOTOS, VIDEOS
from stories_ingest.handlers import event_handlers
from stories_ingest.metrics import IngestMetrics
from stories_ingest.routes.archive import archive_routes
from stories_ingest.routes.config import FEATURES, AcceptedCodecs, BatchResponse, ConfigResponse, config_route
from stories_ingest.routes.drafts import draft_routes
from stories_ingest.routes.highlights import highlight_routes
from stories_ingest.routes.me import me_routes
from stories_ingest.routes.stories import story_routes
from stories_ingest.settings import IngestSettings
from stories_ingest.usecases.archive import DeleteArchived, RepeatErasure
from stories_ingest.usecases.change import ChangeStory
from stories_ingest.usecases.create import CreateStory, RenewForm, UploadForm
from stories_ingest.usecases.delete import CancelStory, DeleteStory
from stories_ingest.usecases.endings import EndDeleted, EndExpired
from stories_ingest.usecases.highlights import ReadHighlights, WriteHighlights
from stories_ingest.usecases.holds import HoldMedia
from stories_ingest.usecases.publish import PublishStory
from stories_ingest.usecases.read import ListStories, ReadQuota
from stories_ingest.usecases.repost import RepostStory
from stories_ingest.usecases.republish_stale import RepublishIfStale
from stories_ingest.usecases.suspension import SuspendUser


def http_routes(settings: IngestSettings, stores: Stores, usecases: SharedUseCases, now: Clock) -> list[APIRouter]:
    """All HTTP routes of ingest."""
    bounds, policy, cursors = settings.quota_limits, settings.upload_policy, Cursors(settings.ticket_secrets)
    form = UploadForm(stores.bucket, policy, now)
    draft_router = draft_routes(
        CreateStory(stores.stories, policy, bounds, now),
        RenewForm(stores.stories, form, now),
        form,
        usecases.read,
        stores.claims,
        settings.story_lifetimes,
        new_id,
        usecases.rollout,
        RepostStory(
            stores.stories,
            stores.bucket,
            usecases.find_hidden,
            policy,
            bounds,
            settings.story_lifetimes[0],
            now,
        ),
        Tickets(settings.ticket_secrets),
        now,
    )
    story_router = story_routes(
        PublishStory(stores.stories, stores.bucket, usecases.wakeups, bounds, usecases.rollout, now),
        CancelStory(stores.stories, stores.bucket, stores.cleanup, now),
        ChangeStory(stores.stories, usecases.read, stores.posted, now),
        DeleteStory(
            stores.stories,
            usecases.unless_held,
            stores.endings,
            now,
            new_id,
            stores.archive,
            usecases.erase_archived,
        ),
        usecases.delete_all,
        usecases.read,
    )
    me_router = me_routes(
        usecases.read,
        ListStories(stores.stories, stores.bucket.media_url, now),
        ReadQuota(stores.stories, bounds, now),
        cursors,
        bounds,
        usecases.rollout,
    )
    archive_router = archive_routes(
        settings.archive,
        stores.archive,
        DeleteArchived(stores.archive, usecases.erase_archived),
        stores.bucket,
        cursors,
        now,
    )
    highlight_router = highlight_routes(
        settings.archive,
        WriteHighlights(stores.highlights, now),
        ReadHighlights(stores.highlights, usecases.find_hidden),
        stores.bucket,
        cursors,
        stores.claims,
        usecases.rollout,
        now,
    )
    config = config_route(config_of(settings))
    return [draft_router, story_router, me_router, archive_router, highlight_router, config]


def config_of(settings: IngestSettings) -> ConfigResponse:
    """The settings that clients may read."""
    switched = {"archive": settings.archive, "photos": settings.still_images, "renditions": bool(settings.renditions)}
    return ConfigResponse(
        version=version_of("ingest"),
        lifetimes=[duration_text(lifetime) for lifetime in settings.story_lifetimes],
        max_clip_ms=settings.max_clip_ms,
        max_parts=settings.max_parts,
        max_upload_bytes=settings.max_upload_bytes,
        content_types=[*VIDEOS, *(PHOTOS if settings.still_images else ())],
        codecs=AcceptedCodecs(video=list(VIDEO_CODECS), audio=list(AUDIO_CODECS)),
        audiences=list(AUDIENCES),
        comments=list(COMMENTS),
        layer_kinds=list(LAYER_KINDS),
        follows=settings.follows,
        features=sorted({*FEATURES, *(name for name, on in switched.items() if on)}),
        batch=BatchResponse(rings=100, reels=20, views=100),
        limits=settings.all_limits,
    )


def handlers(stores: Stores, usecases: SharedUseCases, metrics: IngestMetrics, now: Clock) -> KafkaRouter:
    """All Kafka handlers of ingest."""
    return event_handlers(
        EndExpired(usecases.expire, usecases.erase, now),
        EndDeleted(
            stores.stories,
            stores.bucket,
            stores.endings,
            usecases.erase,
            now,
            new_id,
            usecases.erase_archived,
        ),
        RepublishIfStale(stores.stories, stores.publisher),
        usecases.erase_user,
        SuspendUser(stores.cleanup.suspend, now),
        stores.access_edges,
        HoldMedia(stores.holds, usecases.let_go, now),
        RepeatErasure(stores.stories, usecases.erase_archived, now),
        metrics,
    )
