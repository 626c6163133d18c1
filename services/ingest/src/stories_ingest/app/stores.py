"""Everything that reads and writes MongoDB and the bucket, with the outboxes."""

from collections.abc import Callable
from datetime import timedelta

from stories_shared.clock import Clock
from stories_shared.kafka.topics import RETENTION_AFTER_LIFETIME
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.idempotency import IdempotencyStore
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.s3.objects import Objects

from stories_ingest.settings import IngestSettings
from stories_ingest.store.access_edges import MongoAccessEdges
from stories_ingest.store.archive import MongoArchive
from stories_ingest.store.bucket import Bucket
from stories_ingest.store.cleanup import MongoCleanup
from stories_ingest.store.documents import CLAIMS, ENDED, STORIES
from stories_ingest.store.highlights import MongoHighlights
from stories_ingest.store.holds import MongoHolds
from stories_ingest.store.jobs import MongoJobs, MongoRenditionJobs
from stories_ingest.store.partition_counts import MongoPartitionCounts
from stories_ingest.store.rollout import MongoSignals
from stories_ingest.store.stories import MongoStories, deleted_events, posted_events
from stories_ingest.usecases.tombstones import TombstonePublisher

SWEEP_LEASE = timedelta(seconds=30)
"""A sweep's pages of object storage can take longer than most iterations."""

Observe = Callable[[str, float, str], None]


class Stores:
    """The repositories, the bucket, the outboxes and the publisher of this process."""

    def __init__(self, settings: IngestSettings, runtime: ServiceRuntime, now: Clock) -> None:
        mongo = runtime.mongo
        self.objects = objects_of(settings, runtime.observe("s3"))
        self.bucket = Bucket(self.objects)
        self.stories = MongoStories(mongo, now)
        self.jobs = MongoJobs(mongo)
        self.rendition_jobs = MongoRenditionJobs(mongo)
        self.cleanup = MongoCleanup(mongo)
        self.archive = MongoArchive(mongo)
        self.highlights = MongoHighlights(mongo)
        self.holds = MongoHolds(mongo)
        self.access_edges = MongoAccessEdges(mongo)
        self.signals = MongoSignals(mongo, now)
        self.erased_users = MongoErasedUsers(mongo, now)
        self.claims = IdempotencyStore(mongo[CLAIMS], now)
        self.leases = Leases(mongo, now, lease_for=SWEEP_LEASE)
        self.posted = Outbox("story-posted", mongo[STORIES], posted_events, runtime.publisher, now)
        self.endings = Outbox("story-deleted", mongo[ENDED], deleted_events, runtime.publisher, now)
        retention = max(settings.story_lifetimes) + RETENTION_AFTER_LIFETIME
        self.publisher = TombstonePublisher(runtime.publisher, MongoPartitionCounts(mongo), retention, now)

    async def close(self) -> None:
        """Stop the threads of the S3 client."""
        self.objects.close()


def objects_of(settings: IngestSettings, observe: Observe = lambda *_: None) -> Objects:
    """The S3 client."""
    return Objects.of(settings, settings.ca_bundle, observe)
