"""Kafka consumers of expiry. Each calls one use case."""

from collections.abc import Sequence

from faststream.kafka import KafkaRouter
from stories_shared.events import StoryDeleted, StoryErased, StoryPosted, UserDataErased, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.kafka.subscriber import Batch, for_batch, for_each_event, for_each_record, subscribe

from stories_expiry.metrics import ExpiryMetrics
from stories_expiry.usecases.accounts import AcceptServiceConfirmation, EraseUserData
from stories_expiry.usecases.endings import AcceptConfirmations, RecordDeletion
from stories_expiry.usecases.timers import ArmTimers

SERVICE = "expiry"


def event_handlers(
    arm: ArmTimers,
    record_deletion: RecordDeletion,
    accept_confirmations: AcceptConfirmations,
    erase_user_data: EraseUserData,
    accept_service_confirmation: AcceptServiceConfirmation,
    metrics: ExpiryMetrics,
) -> KafkaRouter:
    """Every subscriber of expiry."""
    router = KafkaRouter()

    @subscribe(router, StoryPosted, service=SERVICE)
    async def on_story_posted(batch: Batch) -> None:
        """Set each story's timer. Redelivery is harmless: an ended story or a known revision sets none."""
        await for_batch(batch, StoryPosted, arm)

    @subscribe(router, StoryDeleted, service=SERVICE)
    async def on_story_deleted(batch: Batch) -> None:
        """Open receipts of deleted stories. Redelivery is harmless: the first ending is final."""
        await for_batch(batch, StoryDeleted, record_deletion)

    @subscribe(router, StoryErased, service=SERVICE)
    async def on_story_erased(batch: Batch) -> None:
        """Record stores' confirmations. Redelivery is harmless: a store's first confirmation is final."""

        async def accept(records: Sequence[ReceivedEvent[StoryErased]]) -> None:
            for confirmation in await accept_confirmations(records):
                metrics.erasure_duration.labels(confirmation.store).observe(confirmation.after_s)

        await for_batch(batch, StoryErased, accept)

    @subscribe(router, UserErased, service=SERVICE)
    async def on_user_erased(batch: Batch) -> None:
        """Erase a user's data and confirm it. Redelivery is harmless: the erasure is idempotent."""
        await for_each_record(batch, UserErased, erase_user_data)

    @subscribe(router, UserDataErased, service=SERVICE)
    async def on_user_data_erased(batch: Batch) -> None:
        """Record services' confirmations. Redelivery is harmless: a service's first confirmation is final."""
        await for_each_event(batch, UserDataErased, accept_service_confirmation)

    return router
