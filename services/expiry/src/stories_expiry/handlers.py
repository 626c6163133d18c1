"""Kafka in: what other services say becomes calls of one verb each."""

from collections.abc import Sequence

from faststream.kafka import KafkaRouter
from stories_shared.events import StoryDeleted, StoryErased, StoryPosted, UserDataErased, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.kafka.subscriber import Batch, for_batch, for_each_event, for_each_record, subscribe

from stories_expiry.metrics import ExpiryMetrics
from stories_expiry.usecases.accounts import AcceptServiceAnswer, EraseUserData
from stories_expiry.usecases.endings import AcceptAnswers, RecordDeletion
from stories_expiry.usecases.timers import ArmTimers

SERVICE = "expiry"


def event_handlers(
    arm: ArmTimers,
    record_deletion: RecordDeletion,
    accept_answers: AcceptAnswers,
    forget_user: EraseUserData,
    accept_service_answer: AcceptServiceAnswer,
    metrics: ExpiryMetrics,
) -> KafkaRouter:
    """Every subscriber of expiry."""
    router = KafkaRouter()

    @subscribe(router, StoryPosted, service=SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Set each story's timer. Replays are harmless: an ended story and a known revision get none."""
        await for_batch(batch, StoryPosted, arm)

    @subscribe(router, StoryDeleted, service=SERVICE)
    async def on_story_deleted(batch: Batch) -> None:
        """Open a deleted story's receipt. Replays are harmless: the first ending stands."""
        await for_each_record(batch, StoryDeleted, record_deletion)

    @subscribe(router, StoryErased, service=SERVICE)
    async def on_story_erased(batch: Batch) -> None:
        """Note what stores erased. Replays are harmless: a store's first answer stands."""

        async def accept(records: Sequence[ReceivedEvent[StoryErased]]) -> None:
            for answered in await accept_answers(records):
                metrics.erasure_duration.labels(answered.store).observe(answered.after_s)

        await for_batch(batch, StoryErased, accept)

    @subscribe(router, UserErased, service=SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Forget a user and answer. Replays are harmless: nothing is left to forget, the same is answered."""
        await for_each_record(batch, UserErased, forget_user)

    @subscribe(router, UserDataErased, service=SERVICE)
    async def on_user_data_erased(batch: Batch) -> None:
        """Note which services forgot a user. Replays are harmless: a service's first answer stands."""
        await for_each_event(batch, UserDataErased, accept_service_answer)

    return router
