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
LANES = 8
"""How many facts are handled at a time: each waits for MongoDB, the bucket and Kafka, and a night ends thousands."""


def event_handlers(expire: EndExpired, delete: EndDeleted, mend: RepublishIfStale, forget: ForgetUser) -> KafkaRouter:
    """Everything that ingest hears."""
    router = KafkaRouter()

    @subscribe(router, StoryPosted, service=SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Answer old news with the truth. Replays are harmless: they are old news."""

        async def mended(fact: ReceivedEvent[StoryPosted]) -> None:
            await mend(fact.event)

        await for_each_record(batch, StoryPosted, mended, concurrency=LANES)

    @subscribe(router, StoryExpired, service=SERVICE)
    async def on_story_expired(batch: Batch) -> None:
        """Erase the media of ended stories and say so. Replays are harmless: there is nothing left to erase."""

        async def ended(fact: ReceivedEvent[StoryExpired]) -> None:
            await expire(fact.event)

        await for_each_record(batch, StoryExpired, ended, concurrency=LANES)

    @subscribe(router, StoryDeleted, service=SERVICE)
    async def on_story_deleted(batch: Batch) -> None:
        """End stories, erase their media and say so. Replays are harmless: an ended story does not end again."""

        async def ended(fact: ReceivedEvent[StoryDeleted]) -> None:
            await delete(fact.event, is_internal=fact.is_internal)

        await for_each_record(batch, StoryDeleted, ended, concurrency=LANES)

    @subscribe(router, UserErased, service=SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Forget a user's stories until `at`. Replays are harmless: what was made later is somebody new's."""

        async def erased(fact: ReceivedEvent[UserErased]) -> None:
            await forget(fact.event.user_id, clamp_to_append_time(fact, fact.event.at), receipt_id_of(fact))

        await for_each_record(batch, UserErased, erased)

    return router
