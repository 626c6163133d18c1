"""Kafka in: what other services say becomes calls of one verb each."""

from collections.abc import Sequence

from faststream.kafka import KafkaRouter
from stories_shared.events import StoryDeleted, StoryErased, StoryPosted, UserDataErased, UserErased
from stories_shared.events.cloudevents import Fact
from stories_shared.kafka.subscriber import Records, each, each_fact, listen, together

from stories_expiry.metrics import ExpiryMetrics
from stories_expiry.usecases.accounts import AcceptServiceAnswer, ForgetUser
from stories_expiry.usecases.endings import AcceptAnswers, RecordDeletion
from stories_expiry.usecases.timers import ArmTimers

SERVICE = "expiry"


def event_handlers(
    arm: ArmTimers,
    record_deletion: RecordDeletion,
    accept_answers: AcceptAnswers,
    forget_user: ForgetUser,
    accept_service_answer: AcceptServiceAnswer,
    metrics: ExpiryMetrics,
) -> KafkaRouter:
    """Every subscriber of expiry."""
    router = KafkaRouter()

    @listen(router, StoryPosted, service=SERVICE)
    async def on_story_posted(batch: Records) -> None:
        """Set each story's timer. Replays are harmless: an ended story and a known revision get none."""
        await together(batch, StoryPosted, arm)

    @listen(router, StoryDeleted, service=SERVICE)
    async def on_story_deleted(batch: Records) -> None:
        """Open a deleted story's receipt. Replays are harmless: the first ending stands."""
        await each_fact(batch, StoryDeleted, record_deletion)

    @listen(router, StoryErased, service=SERVICE)
    async def on_story_erased(batch: Records) -> None:
        """Note what stores erased. Replays are harmless: a store's first answer stands."""

        async def accept(facts: Sequence[Fact[StoryErased]]) -> None:
            for answered in await accept_answers(facts):
                metrics.erasure_duration.labels(answered.store).observe(answered.after_s)

        await together(batch, StoryErased, accept)

    @listen(router, UserErased, service=SERVICE)
    async def on_user_erased(batch: Records) -> None:
        """Forget a user and answer. Replays are harmless: nothing is left to forget, the same is answered."""
        await each_fact(batch, UserErased, forget_user)

    @listen(router, UserDataErased, service=SERVICE)
    async def on_user_data_erased(batch: Records) -> None:
        """Note which services forgot a user. Replays are harmless: a service's first answer stands."""
        await each(batch, UserDataErased, accept_service_answer)

    return router
