"""What the verbs of ingest are made of."""

from collections.abc import Callable, Sequence

from stories_shared.clock import Clock
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import Saying
from stories_shared.http.paging import Cursors
from stories_shared.kafka.topics import AFTER_LIFETIME
from stories_shared.mongo.client import Document
from stories_shared.mongo.idempotency import Claims
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.service import Foundation
from stories_shared.s3.objects import Objects

from stories_ingest.domain.quota import Bounds
from stories_ingest.domain.uploads import Uploading
from stories_ingest.jobs.single_replica import InTurn
from stories_ingest.settings import IngestSettings
from stories_ingest.store.bucket import Bucket
from stories_ingest.store.cleanup import MongoCleaning, MongoTurns
from stories_ingest.store.documents import CLAIMS, ENDED, STORIES, ended_of, story_of
from stories_ingest.store.jobs import MongoJobs
from stories_ingest.store.partition_counts import MongoWidths
from stories_ingest.store.stories import MongoStories
from stories_ingest.usecases.endings import EraseMedia
from stories_ingest.usecases.erasure import EraseAccount
from stories_ingest.usecases.event_mapping import story_deleted, story_posted
from stories_ingest.usecases.read import ReadStory
from stories_ingest.usecases.tombstones import Telling
from stories_ingest.usecases.wakeups import Bell

Observe = Callable[[str, float, str], None]


class Parts:
    """What verbs are made of, and the verbs that several doors use."""

    def __init__(self, settings: IngestSettings, base: Foundation, now: Clock) -> None:
        self.now = now
        self.bounds = Bounds(drafts=settings.max_drafts, live=settings.max_live, posted_24h=settings.max_posted_24h)
        self.rules = Uploading(
            max_bytes=settings.max_upload_bytes,
            form_ttl=settings.upload_ttl,
            draft_ttl=settings.draft_ttl,
            still_images=settings.still_images,
        )
        self.objects = objects_of(settings, base.observe("s3"))
        self.bucket = Bucket(self.objects)
        self.stories = MongoStories(base.mongo, now)
        self.jobs = MongoJobs(base.mongo)
        self.cleaning = MongoCleaning(base.mongo)
        self.claims = Claims(base.mongo[CLAIMS], now)
        self.cursors = Cursors(settings.ticket_secrets)
        self.bell = Bell()
        self.posted = Outbox("story-posted", base.mongo[STORIES], say_posted, base.publisher, now)
        self.endings = Outbox("story-deleted", base.mongo[ENDED], say_deleted, base.publisher, now)
        kept = max(settings.story_lifetimes) + AFTER_LIFETIME
        self.news = Telling(base.publisher, MongoWidths(base.mongo), kept, now)
        self.read = ReadStory(self.stories, self.stories, now)
        self.erase = EraseMedia(self.bucket, self.cleaning, self.news, now)
        self.erase_account = EraseAccount(self.cleaning, self.stories, self.bucket, self.endings, now, new_id)
        self.in_turn = InTurn(MongoTurns(base.mongo), new_id(), now)

    async def close(self) -> None:
        """Let go of the bucket's threads."""
        self.objects.close()


def say_posted(document: Document) -> Sequence[Saying]:
    """What a story's document says now."""
    story = story_of(document)
    return [Saying(story_posted(story))] if story.posted else []


def say_deleted(document: Document) -> Sequence[Saying]:
    """What an ended story's document says: the same fact each time."""
    ended = ended_of(document)
    return [Saying(story_deleted(ended), fact_id=ended.fact_id, at=ended.at)]


def objects_of(settings: IngestSettings, observe: Observe = lambda *_: None) -> Objects:
    """The bucket's client."""
    return Objects.of(settings, settings.ca_bundle, observe)
