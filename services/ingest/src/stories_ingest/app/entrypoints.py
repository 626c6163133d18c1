"""Wiring of HTTP routes and Kafka handlers."""

from fastapi import APIRouter
from faststream.kafka import KafkaRouter
from stories_shared.auth.tickets import Tickets
from stories_shared.events.ids import new_id
from stories_shared.events.layers import KINDS as LAYER_KINDS
from stories_shared.runtime.service import version_of
from stories_shared.runtime.settings import duration_text

from stories_ingest.app.parts import Parts
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
from stories_ingest.usecases.access_edges import StoreAccessEdge
from stories_ingest.usecases.archive import DeleteArchived, ListArchive, RepeatErasure
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


def http_routes(settings: IngestSettings, parts: Parts) -> list[APIRouter]:
    """All HTTP routes of ingest."""
    form = UploadForm(parts.bucket, parts.policy, parts.now)
    draft_router = draft_routes(
        CreateStory(parts.stories, parts.policy, parts.bounds, parts.now),
        RenewForm(parts.stories, form, parts.now),
        form,
        parts.read,
        parts.claims,
        settings.story_lifetimes,
        new_id,
        parts.rollout,
        RepostStory(
            parts.stories,
            parts.bucket,
            parts.find_hidden,
            parts.policy,
            parts.bounds,
            settings.story_lifetimes[0],
            parts.now,
        ),
        Tickets(settings.ticket_secrets),
        parts.now,
    )
    story_router = story_routes(
        PublishStory(parts.stories, parts.bucket, parts.wakeups, parts.bounds, parts.rollout, parts.now),
        CancelStory(parts.stories, parts.bucket, parts.cleanup, parts.now),
        ChangeStory(parts.stories, parts.read, parts.posted, parts.now),
        DeleteStory(
            parts.stories,
            parts.unless_held,
            parts.endings,
            parts.now,
            new_id,
            parts.archive,
            parts.erase_archived,
        ),
        parts.delete_all,
        parts.read,
    )
    me_router = me_routes(
        parts.read,
        ListStories(parts.stories, parts.bucket.media_url, parts.now),
        ReadQuota(parts.stories, parts.bounds, parts.now),
        parts.cursors,
        parts.bounds,
        parts.rollout,
    )
    archive_router = archive_routes(
        settings.archive,
        parts.archive,
        ListArchive(parts.archive),
        DeleteArchived(parts.archive, parts.erase_archived),
        parts.bucket,
        parts.cursors,
        parts.now,
    )
    highlight_router = highlight_routes(
        settings.archive,
        WriteHighlights(parts.highlights, parts.now),
        ReadHighlights(parts.highlights, parts.find_hidden),
        parts.bucket,
        parts.cursors,
        parts.claims,
        parts.rollout,
        parts.now,
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


def handlers(parts: Parts, metrics: IngestMetrics) -> KafkaRouter:
    """All Kafka handlers of ingest."""
    return event_handlers(
        EndExpired(parts.expire, parts.erase, parts.now),
        EndDeleted(
            parts.stories,
            parts.bucket,
            parts.endings,
            parts.erase,
            parts.now,
            new_id,
            parts.erase_archived,
        ),
        RepublishIfStale(parts.stories, parts.publisher),
        parts.erase_user,
        SuspendUser(parts.cleanup.suspend, parts.now),
        StoreAccessEdge(parts.access_edges),
        HoldMedia(parts.holds, parts.let_go, parts.now),
        RepeatErasure(parts.stories, parts.erase_archived, parts.now),
        metrics,
    )
