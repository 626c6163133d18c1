"""Dependencies of the use cases."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from stories_shared.clock import Clock
from stories_shared.events.ids import deterministic_id, new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.http.paging import Cursors
from stories_shared.kafka.topics import RETENTION_AFTER_LIFETIME
from stories_shared.mongo.client import Document
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.idempotency import IdempotencyStore
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.rollout.file import PolicyFile
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.user_erasure import EraseUser
from stories_shared.s3.objects import Objects

from stories_ingest.domain.access_edges import RecentEdges
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.uploads import UploadPolicy
from stories_ingest.jobs.access_reader import AccessReader
from stories_ingest.settings import IngestSettings
from stories_ingest.store.access_edges import MongoAccessEdges
from stories_ingest.store.archive import MongoArchive
from stories_ingest.store.bucket import Bucket
from stories_ingest.store.cleanup import MongoCleanup
from stories_ingest.store.documents import CLAIMS, ENDED, STORIES, ended_of, story_of
from stories_ingest.store.highlights import MongoHighlights
from stories_ingest.store.holds import MongoHolds
from stories_ingest.store.jobs import MongoJobs, MongoRenditionJobs
from stories_ingest.store.partition_counts import MongoPartitionCounts
from stories_ingest.store.rollout import MongoSignals
from stories_ingest.store.stories import MongoStories
from stories_ingest.usecases.access_edges import FindHidden
from stories_ingest.usecases.archive import EmptyArchive, EraseArchived, ExpireStory
from stories_ingest.usecases.delete import DeleteAllStories
from stories_ingest.usecases.endings import EraseMedia
from stories_ingest.usecases.erasure import EraseAccount
from stories_ingest.usecases.event_mapping import story_deleted, story_posted, users_mentioned
from stories_ingest.usecases.holds import EraseUnlessHeld, LetGo
from stories_ingest.usecases.read import ReadStory
from stories_ingest.usecases.rollout import Rollout
from stories_ingest.usecases.tombstones import TombstonePublisher
from stories_ingest.usecases.wakeups import Wakeups

SWEEP_LEASE = timedelta(seconds=30)
"""A sweep's pages of object storage can take longer than most iterations."""

Observe = Callable[[str, float, str], None]


class Parts:
    """Dependencies of use cases, and the use cases that several entry points share."""

    def __init__(
        self,
        settings: IngestSettings,
        runtime: ServiceRuntime,
        now: Clock,
        on_policy_reload: Callable[[bool, bool], None],
    ) -> None:
        self.now = now
        self.bounds = QuotaLimits(
            drafts=settings.max_drafts, live=settings.max_live, posted_24h=settings.max_posted_24h
        )
        self.policy = UploadPolicy(
            max_bytes=settings.max_upload_bytes,
            form_ttl=settings.upload_ttl,
            draft_ttl=settings.draft_ttl,
            still_images=settings.still_images,
        )
        self.objects = objects_of(settings, runtime.observe("s3"))
        self.bucket = Bucket(self.objects)
        self.stories = MongoStories(runtime.mongo, now)
        self.jobs = MongoJobs(runtime.mongo)
        self.rendition_jobs = MongoRenditionJobs(runtime.mongo)
        self.cleanup = MongoCleanup(runtime.mongo)
        self.policy_file = PolicyFile(settings.rollout_file, on_policy_reload)
        self.rollout = Rollout(self.policy_file)
        self.signals = MongoSignals(runtime.mongo, now)
        self.claims = IdempotencyStore(runtime.mongo[CLAIMS], now)
        self.cursors = Cursors(settings.ticket_secrets)
        self.wakeups = Wakeups()
        self.posted = Outbox("story-posted", runtime.mongo[STORIES], posted_events, runtime.publisher, now)
        self.endings = Outbox("story-deleted", runtime.mongo[ENDED], deleted_events, runtime.publisher, now)
        retention = max(settings.story_lifetimes) + RETENTION_AFTER_LIFETIME
        self.publisher = TombstonePublisher(runtime.publisher, MongoPartitionCounts(runtime.mongo), retention, now)
        self.delete_all = DeleteAllStories(self.cleanup, self.stories, self.endings, now, new_id)
        self.read = ReadStory(self.stories, self.bucket.media_url, now)
        self.archive = MongoArchive(runtime.mongo)
        self.highlights = MongoHighlights(runtime.mongo)
        self.access_edges = MongoAccessEdges(runtime.mongo)
        self.recent_edges = RecentEdges()
        self.access_reader = AccessReader(
            runtime.kafka, self.recent_edges, timedelta(milliseconds=settings.stale_after_ms), now
        )
        self.find_hidden = FindHidden(self.recent_edges, self.access_edges, self.access_reader)
        self.expire = ExpireStory(self.stories, self.archive, self.bucket, now, settings.archive)
        self.erase_archived = EraseArchived(self.archive, self.bucket, self.publisher, now)
        self.empty_archive = EmptyArchive(self.archive, self.erase_archived, now, settings.archive)
        self.holds = MongoHolds(runtime.mongo)
        self.unless_held = EraseUnlessHeld(self.bucket, self.holds, now)
        self.let_go = LetGo(self.bucket, self.holds, self.publisher, now)
        self.erase = EraseMedia(self.unless_held, self.cleanup, self.archive, self.publisher, now)
        self.erase_user = EraseUser(
            "ingest",
            MongoErasedUsers(runtime.mongo, now),
            EraseAccount(
                self.cleanup, self.stories, self.bucket, self.endings, self.let_go, now, new_id, self.erase_archived
            ),
            runtime.publisher.publish,
            now,
        )
        self.leases = Leases(runtime.mongo, now, lease_for=SWEEP_LEASE)

    async def close(self) -> None:
        """Stop the threads of the S3 client."""
        self.objects.close()


def posted_events(document: Document) -> Sequence[OutgoingEvent]:
    """The events of a story's document. Mentions have the same ids in each revision: they are published once more."""
    story = story_of(document)
    if story.posted is None:
        return []
    mentions = [
        OutgoingEvent(event, deterministic_id(f"user-mentioned/{event.story_id}/{event.user_id}"), event.at)
        for event in users_mentioned(story)
    ]
    return [OutgoingEvent(story_posted(story)), *mentions]


def deleted_events(document: Document) -> Sequence[OutgoingEvent]:
    """The event of an ended story's document; its id and time are the same on each retry."""
    ended = ended_of(document)
    return [OutgoingEvent(story_deleted(ended), event_id=ended.event_id, at=ended.at)]


def objects_of(settings: IngestSettings, observe: Observe = lambda *_: None) -> Objects:
    """The S3 client."""
    return Objects.of(settings, settings.ca_bundle, observe)
