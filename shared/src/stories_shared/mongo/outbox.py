"""The transactional outbox: a pending marker in the document itself, and a relay that publishes it.

State and marker are one write: ``{"$set": {…, "pending": pending_mark(revision, now)}}``. The relay, woken in process
and by polling, publishes the document's current event and clears the marker on condition that the revision is
unchanged; otherwise it publishes the newer state next. So a relay that was frozen may publish an outdated event, but
the newest state always follows.

If an event cannot be built, or Kafka rejects it permanently, the marker stays with the time of its next retry. It is
retried alone, with its own producer, so that it delays no other document. A new marker removes the retry time.
"""

import inspect
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import DeleteMany, DeleteOne, IndexModel, UpdateMany, UpdateOne

from stories_shared.clock import Clock
from stories_shared.errors import failed_dependency
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.publisher import ATTEMPTS, Publisher, RecordsRefused
from stories_shared.mongo.client import Collection, Document
from stories_shared.runtime.log_throttle import LogThrottle
from stories_shared.runtime.logging import logger
from stories_shared.runtime.wakeup import Wakeup
from stories_shared.tracing import continue_trace, current_traceparent

log = logger(__name__)

PENDING_FIELD = "pending"
BATCH = 500
# What another replica has marked and could not publish waits so long at most.
POLL_S = 1.0
RETRIES = 20
FIRST_RETRY, LAST_RETRY = timedelta(seconds=1), timedelta(minutes=5)
PENDING = {f"{PENDING_FIELD}.since": {"$exists": True}}
NOT_RETRIED = PENDING | {f"{PENDING_FIELD}.retry_at": None}

Clearing = UpdateOne | UpdateMany | DeleteOne | DeleteMany
EventsOf = Callable[[Document], Sequence[OutgoingEvent] | Awaitable[Sequence[OutgoingEvent]]]


def pending_mark(n: int, now: datetime) -> dict[str, Any]:
    """The value of a document's ``pending`` field; ``n`` grows with every change that is to be published.

    Its event continues the trace of this change.
    """
    mark: dict[str, Any] = {"n": n, "since": now}
    traceparent = current_traceparent()
    return mark if traceparent is None else mark | {"traceparent": traceparent}


def outbox_index() -> IndexModel:
    """The partial index of pending documents; those waiting for a retry sort apart from the others."""
    keys = [(f"{PENDING_FIELD}.retry_at", 1), (f"{PENDING_FIELD}.since", 1)]
    return IndexModel(keys, name="pending", partialFilterExpression=PENDING)


class Outbox:
    """The relay of one collection.

    Args:
        name: for logs and metrics.
        collection: the documents with pending markers.
        events_of: returns the current events of a document; without events the marker is just cleared. May be async.
        publisher: publishes them.
        now: the clock for waiting times.
        delete_published: each document is one event and is deleted when that is published, not just its marker.
    """

    def __init__(
        self,
        name: str,
        collection: Collection,
        events_of: EventsOf,
        publisher: Publisher,
        now: Clock,
        *,
        delete_published: bool = False,
    ) -> None:
        self.name = name
        self.collection = collection
        self.events_of = events_of
        self.publisher = publisher
        self.now = now
        self.delete_published = delete_published
        self.iterations = 0
        self._wakeup = Wakeup()
        self._throttle = LogThrottle()

    def wake(self) -> None:
        """Wake the relay: there is a pending document."""
        self._wakeup.set()

    async def publish_now(self, document_id: Any) -> None:
        """Publish one document's pending event, if any, and return when Kafka has acknowledged it.

        After a timeout or cancellation the marker stays, and the relay retries.

        Raises:
            Unavailable: Kafka does not acknowledge it in time.
            RecordsRefused: Kafka rejects it permanently.
        """
        waiting = {"_id": document_id, PENDING_FIELD: {"$exists": True}}
        failed: list[tuple[Document, Exception]] = []
        try:
            while not failed and (document := await self.collection.find_one(waiting)) is not None:
                failed = await self._publish([document], self.publisher)
        except BaseException:
            self.wake()
            raise
        if failed:
            raise failed[0][1]

    async def run(self) -> None:
        """Publish pending events for ever: at once when woken, otherwise every ``POLL_S``."""
        while True:
            published = await self.run_once()
            self.iterations += 1
            if published < BATCH:
                await self._wakeup.wait(POLL_S)

    async def run_once(self) -> int:
        """Publish at most one batch of pending events, oldest first, and return how many documents it held.

        Then retry a few postponed documents that are due.
        """
        if not await self._any_pending():
            return 0
        due = {f"{PENDING_FIELD}.retry_at": {"$lte": self.now()}}
        retries = await self.collection.find(
            PENDING | due, sort=[(f"{PENDING_FIELD}.retry_at", 1)], limit=RETRIES
        ).to_list(None)
        documents = await self.collection.find(NOT_RETRIED, sort=[(f"{PENDING_FIELD}.since", 1)], limit=BATCH).to_list(
            None
        )
        if documents:
            await self._publish(documents, self.publisher)
        if retries:
            await self._retry(retries)
        return len(documents)

    async def pending(self) -> tuple[int, float]:
        """The number of pending documents, counted up to 10,000, and the age of the oldest in seconds."""
        if not await self._any_pending():
            return 0, 0.0
        postponed = PENDING | {f"{PENDING_FIELD}.retry_at": {"$type": "date"}}
        oldest = await self.collection.find(
            NOT_RETRIED, {PENDING_FIELD: 1}, sort=[(f"{PENDING_FIELD}.since", 1)], limit=1
        ).to_list(None)
        oldest += await self.collection.find(postponed, {PENDING_FIELD: 1}, limit=BATCH).to_list(None)
        count = await self.collection.count_documents(NOT_RETRIED, limit=10_000)
        count += await self.collection.count_documents(postponed, limit=10_000)
        now = self.now()
        waited = max(((now - document[PENDING_FIELD]["since"]).total_seconds() for document in oldest), default=0.0)
        return min(count, 10_000), max(0.0, waited)

    async def _any_pending(self) -> bool:
        """Whether any document is pending, by one query: that is all an idle relay asks."""
        order = [(f"{PENDING_FIELD}.retry_at", 1), (f"{PENDING_FIELD}.since", 1)]
        return bool(await self.collection.find(PENDING, {"_id": 1}, sort=order, limit=1).to_list(None))

    async def _retry(self, documents: Sequence[Document]) -> None:
        """Publish each document alone, with one attempt of a separate producer."""
        publisher = self.publisher.with_own_producer()
        try:
            for document in documents:
                await self._publish([document], publisher, attempts=1)
        finally:
            await publisher.stop()

    async def _publish(
        self, documents: Sequence[Document], publisher: Publisher, attempts: int = ATTEMPTS
    ) -> list[tuple[Document, Exception]]:
        """Publish the documents' events and clear their markers; postpone and return those that failed permanently."""
        failed: dict[int, Exception] = {}
        owners: dict[int, int] = {}
        messages = []
        for index, document in enumerate(documents):
            try:
                events = self.events_of(document)
                with continue_trace(document[PENDING_FIELD].get("traceparent")):
                    made = [
                        publisher.record_of(event)
                        for event in (await events if inspect.isawaitable(events) else events)
                    ]
            except Exception as error:
                if failed_dependency(error) is not None:
                    raise
                failed[index] = error
            else:
                owners |= {id(message): index for message in made}
                messages += made
        if messages:
            try:
                await publisher.send(messages, attempts)
            except RecordsRefused as error:
                failed |= {owners[id(message)]: error for message in error.messages}
        updates: list[Clearing] = [
            *self._clear(document for index, document in enumerate(documents) if index not in failed)
        ]
        updates += [self._postpone(documents[index], error) for index, error in failed.items()]
        await self.collection.bulk_write(updates, ordered=False)
        return [(documents[index], error) for index, error in failed.items()]

    def _clear(self, documents: Iterable[Document]) -> list[Clearing]:
        """Clear the markers of documents, by one update for all with the same ``n``: one for each takes three times."""
        alike: dict[int, list[Document]] = defaultdict(list)
        for document in documents:
            alike[document[PENDING_FIELD]["n"]].append(document)
        return [self._clear_alike(n, some) for n, some in alike.items()]

    def _clear_alike(self, n: int, documents: Sequence[Document]) -> Clearing:
        update = {"$unset": {PENDING_FIELD: ""}}
        if len(documents) == 1:  # the driver retries no update of many
            unchanged = _unchanged(documents[0])
            return DeleteOne(unchanged) if self.delete_published else UpdateOne(unchanged, update)
        unchanged = {"_id": {"$in": [document["_id"] for document in documents]}, f"{PENDING_FIELD}.n": n}
        return DeleteMany(unchanged) if self.delete_published else UpdateMany(unchanged, update)

    def _postpone(self, document: Document, error: Exception) -> UpdateOne:
        """Set the time of the next retry, with exponential backoff up to five minutes."""
        tries = document[PENDING_FIELD].get("tries", 0)
        times = self._throttle.should_log(type(error).__name__)
        if times is not None:
            log.error("event_refused", outbox=self.name, document=str(document["_id"]), times=times, exc_info=error)
        retry_at = self.now() + min(FIRST_RETRY * 2 ** min(tries, 20), LAST_RETRY)
        return UpdateOne(
            _unchanged(document), {"$set": {f"{PENDING_FIELD}.retry_at": retry_at, f"{PENDING_FIELD}.tries": tries + 1}}
        )


def _unchanged(document: Document) -> Document:
    """A filter for the document while its marker is unchanged."""
    return {"_id": document["_id"], f"{PENDING_FIELD}.n": document[PENDING_FIELD]["n"]}
