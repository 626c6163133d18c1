"""Kafka in: facts become calls of one verb each."""

from faststream.kafka import KafkaRouter
from stories_shared.events import StoryDeleted, StoryExpired, StoryPosted, UserErased
from stories_shared.events.cloudevents import Fact
from stories_shared.events.external_producers import no_later, receipt_id_of
from stories_shared.kafka.subscriber import Records, each_fact, listen

from stories_ingest.usecases.endings import EndDeleted, EndExpired
from stories_ingest.usecases.erasure import ForgetUser
from stories_ingest.usecases.republish_stale import MendNews

SERVICE = "ingest"
LANES = 8
"""How many facts are handled at a time: each waits for MongoDB, the bucket and Kafka, and a night ends thousands."""


def event_handlers(expire: EndExpired, delete: EndDeleted, mend: MendNews, forget: ForgetUser) -> KafkaRouter:
    """Everything that ingest hears."""
    router = KafkaRouter()

    @listen(router, StoryPosted, service=SERVICE)
    async def on_story_posted(batch: Records) -> None:
        """Answer old news with the truth. Replays are harmless: they are old news."""

        async def mended(fact: Fact[StoryPosted]) -> None:
            await mend(fact.event)

        await each_fact(batch, StoryPosted, mended, lanes=LANES)

    @listen(router, StoryExpired, service=SERVICE)
    async def on_story_expired(batch: Records) -> None:
        """Erase the media of ended stories and say so. Replays are harmless: there is nothing left to erase."""

        async def ended(fact: Fact[StoryExpired]) -> None:
            await expire(fact.event)

        await each_fact(batch, StoryExpired, ended, lanes=LANES)

    @listen(router, StoryDeleted, service=SERVICE)
    async def on_story_deleted(batch: Records) -> None:
        """End stories, erase their media and say so. Replays are harmless: an ended story does not end again."""

        async def ended(fact: Fact[StoryDeleted]) -> None:
            await delete(fact.event, ours=fact.ours)

        await each_fact(batch, StoryDeleted, ended, lanes=LANES)

    @listen(router, UserErased, service=SERVICE)
    async def on_user_erased(batch: Records) -> None:
        """Forget a user's stories until `at`. Replays are harmless: what was made later is somebody new's."""

        async def erased(fact: Fact[UserErased]) -> None:
            await forget(fact.event.user_id, no_later(fact, fact.event.at), receipt_id_of(fact))

        await each_fact(batch, UserErased, erased)

    return router
