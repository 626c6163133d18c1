"""Kafka consumers: each event calls one use case."""

from collections.abc import Sequence
from typing import Final

from faststream.kafka import KafkaRouter
from stories_shared.events import (
    StoryDeleted,
    StoryErased,
    StoryExpired,
    StoryHeld,
    StoryPosted,
    UserEdge,
    UserErased,
    UserSuspended,
)
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.kafka.subscriber import Batch, for_batch, for_each_event, for_each_record, subscribe
from stories_shared.runtime.user_erasure import EraseUser

from stories_ingest.metrics import IngestMetrics
from stories_ingest.usecases.access_edges import EDGE_EVENTS, AccessEdgeRepository, edge_of
from stories_ingest.usecases.accounts import SuspendUser
from stories_ingest.usecases.archive import RepeatErasure
from stories_ingest.usecases.endings import EndDeleted, EndExpired
from stories_ingest.usecases.holds import HoldMedia
from stories_ingest.usecases.republish_stale import RepublishIfStale

SERVICE: Final = "ingest"
CONCURRENCY = 8
"""Events handled concurrently: each waits for MongoDB and Kafka."""
ENDINGS_BATCH = 100
"""Stories ended in one transaction and erased together: a listing of objects each. A rebalance waits for the batch."""


def event_handlers(
    expire: EndExpired,
    delete: EndDeleted,
    republish: RepublishIfStale,
    erase_user: EraseUser,
    suspend: SuspendUser,
    edges: AccessEdgeRepository,
    hold: HoldMedia,
    repeat_erasure: RepeatErasure,
    metrics: IngestMetrics,
) -> KafkaRouter:
    """All subscribers of ingest."""
    router = KafkaRouter()

    async def store_edge(record: ReceivedEvent[UserEdge]) -> None:
        await edges.put(*edge_of(record))

    @subscribe(router, StoryPosted, service=SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Correct stale records. Redelivery is harmless: a stale record is corrected again."""
        await for_each_event(batch, StoryPosted, republish, concurrency=CONCURRENCY)

    @subscribe(router, StoryExpired, service=SERVICE, max_records=ENDINGS_BATCH)
    async def on_story_expired(batch: Batch) -> None:
        """Erase media of expired stories and publish that. Redelivery is harmless: erasing is idempotent."""

        async def handle(records: Sequence[ReceivedEvent[StoryExpired]]) -> None:
            for outcome in await expire([received.event for received in records]):
                metrics.archived.labels(outcome.result).inc()
                metrics.archived_objects.inc(outcome.objects)

        await for_batch(batch, StoryExpired, handle)

    @subscribe(router, StoryDeleted, service=SERVICE, max_records=ENDINGS_BATCH)
    async def on_story_deleted(batch: Batch) -> None:
        """End stories, erase their media and publish that. Redelivery is harmless: an ended story stays ended."""
        await for_batch(batch, StoryDeleted, delete)

    @subscribe(router, StoryErased, service=SERVICE)
    async def on_story_erased(batch: Batch) -> None:
        """Erase again what a restored backup keeps in an archive. Redelivery is harmless: nothing is kept any more."""
        await for_each_event(batch, StoryErased, repeat_erasure)

    @subscribe(router, UserErased, service=SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Erase a user's data until `at`. Redelivery is harmless: later stories are not affected."""
        await for_each_record(batch, UserErased, erase_user)

    @subscribe(router, UserSuspended, service=SERVICE)
    async def on_user_suspended(batch: Batch) -> None:
        """Suspend users. Redelivery is harmless: the longest suspension counts, and none from before an erasure."""

        async def handle(received: ReceivedEvent[UserSuspended]) -> None:
            await suspend(received.event, received.produced_at or received.appended_at)

        await for_each_record(batch, UserSuspended, handle)

    for event in EDGE_EVENTS:

        @subscribe(router, event, service=SERVICE)
        async def on_edge_event(batch: Batch) -> None:
            """Store blocks and hiding. Redelivery is harmless: only a newer state is stored."""
            await for_each_record(batch, UserEdge, store_edge)

    @subscribe(router, StoryHeld, service=SERVICE)
    async def on_story_held(batch: Batch) -> None:
        """Keep media of reported stories. Redelivery is harmless: the latest event of a story counts."""
        await for_each_event(batch, StoryHeld, hold)

    return router
