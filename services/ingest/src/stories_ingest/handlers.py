"""Kafka in: facts become calls of one verb each."""

from faststream.kafka import KafkaRouter
from stories_shared.events import StoryDeleted, StoryExpired, StoryPosted, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, receipt_id_of
from stories_shared.kafka.subscriber import Batch, for_each_record, subscribe

from stories_ingest.usecases.endings import EndDeleted, EndExpired
from stories_ingest.usecases.erasure import ForgetUser
from stories_ingest.usecases.republish_stale import RepublishIfStale

SERVICE = "ingest"
CONCURRENCY = 8
"""How many facts are handled at a time: each waits for MongoDB, the bucket and Kafka, and a night ends thousands."""


def event_handlers(
    expire: EndExpired, delete: EndDeleted, republish: RepublishIfStale, forget: ForgetUser
) -> KafkaRouter:
    """Everything that ingest hears."""
    router = KafkaRouter()

    @subscribe(router, StoryPosted, service=SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Answer old news with the truth. Replays are harmless: they are old news."""

        async def handle(received: ReceivedEvent[StoryPosted]) -> None:
            await republish(received.event)

        await for_each_record(batch, StoryPosted, handle, concurrency=CONCURRENCY)

    @subscribe(router, StoryExpired, service=SERVICE)
    async def on_story_expired(batch: Batch) -> None:
        """Erase the media of ended stories and say so. Replays are harmless: there is nothing left to erase."""

        async def handle(received: ReceivedEvent[StoryExpired]) -> None:
            await expire(received.event)

        await for_each_record(batch, StoryExpired, handle, concurrency=CONCURRENCY)

    @subscribe(router, StoryDeleted, service=SERVICE)
    async def on_story_deleted(batch: Batch) -> None:
        """End stories, erase their media and say so. Replays are harmless: an ended story does not end again."""

        async def handle(received: ReceivedEvent[StoryDeleted]) -> None:
            await delete(received.event, is_internal=received.is_internal)

        await for_each_record(batch, StoryDeleted, handle, concurrency=CONCURRENCY)

    @subscribe(router, UserErased, service=SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Forget a user's stories until `at`. Replays are harmless: what was made later is somebody new's."""

        async def handle(received: ReceivedEvent[UserErased]) -> None:
            await forget(
                received.event.user_id, clamp_to_append_time(received, received.event.at), receipt_id_of(received)
            )

        await for_each_record(batch, UserErased, handle)

    return router
