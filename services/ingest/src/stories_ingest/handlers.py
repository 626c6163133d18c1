"""Kafka in: facts become calls of one verb each."""

from faststream.kafka import KafkaRouter
from stories_shared.cloudevents import Fact
from stories_shared.consuming import Records, each, each_fact, listen
from stories_shared.events import StoryDeleted, StoryExpired, StoryPosted, UserErased
from stories_shared.ids import fact_based_id

from stories_ingest.usecases.accounts import ForgetUser
from stories_ingest.usecases.endings import EndDeleted, EndExpired
from stories_ingest.usecases.mend import MendNews

SERVICE = "ingest"


def event_handlers(expire: EndExpired, delete: EndDeleted, mend: MendNews, forget: ForgetUser) -> KafkaRouter:
    """Everything that ingest hears."""
    router = KafkaRouter()

    @listen(router, StoryPosted, service=SERVICE)
    async def on_story_posted(batch: Records) -> None:
        """Answer old news with the truth. Replays are harmless: they are old news."""
        await each(batch, StoryPosted, mend)

    @listen(router, StoryExpired, service=SERVICE)
    async def on_story_expired(batch: Records) -> None:
        """Erase the media of an ended story and say so. Replays are harmless: there is nothing left to erase."""
        await each(batch, StoryExpired, expire)

    @listen(router, StoryDeleted, service=SERVICE)
    async def on_story_deleted(batch: Records) -> None:
        """End a story, erase its media and say so. Replays are harmless: an ended story does not end again."""

        async def ended(fact: Fact[StoryDeleted]) -> None:
            await delete(fact.event, ours=fact.ours)

        await each_fact(batch, StoryDeleted, ended)

    @listen(router, UserErased, service=SERVICE)
    async def on_user_erased(batch: Records) -> None:
        """Forget a user's stories until `at`. Replays are harmless: what was made later is somebody new's."""

        async def erased(fact: Fact[UserErased]) -> None:
            event = fact.event
            at = event.at if fact.ours else min(event.at, fact.appended_at)
            await forget(event.user_id, at, event.receipt_id or fact_based_id(fact.identity))

        await each_fact(batch, UserErased, erased)

    return router
