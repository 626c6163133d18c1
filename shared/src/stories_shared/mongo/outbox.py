"""The outbox is a mark in the document, not a queue.

State and the duty to say it are one write: ``{"$set": {…, "pending": mark(revision, now)}}``. One loop, woken in
process and by a sweep, says what the document says *now* and clears the mark on condition that the revision still
stands; where it does not, the newer state is said next. A relay that was frozen in between can thus say old news, but
never leave it as the last word.

A document whose event cannot be made, or is refused by Kafka for good, stays marked with the time of its next try. It
is then tried alone, with a producer of its own, so that it delays nobody else; a new mark takes that time away.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import IndexModel, UpdateOne

from stories_shared.clock import Clock
from stories_shared.errors import failed_dependency
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.publisher import ATTEMPTS, Publisher, RecordsRefused
from stories_shared.mongo.client import Collection, Document, Mongo
from stories_shared.runtime.log_throttle import LogThrottle
from stories_shared.runtime.logging import logger

log = logger(__name__)

FIELD = "pending"
BATCH = 500
POLL_S = 0.5
RETRIES = 20
FIRST_RETRY, LAST_RETRY = timedelta(seconds=1), timedelta(minutes=5)
MARKED = {f"{FIELD}.since": {"$exists": True}}
FRESH = MARKED | {f"{FIELD}.retry_at": None}

EventsOf = Callable[[Document], Sequence[OutgoingEvent] | Awaitable[Sequence[OutgoingEvent]]]


def pending_mark(n: int, now: datetime) -> dict[str, Any]:
    """The value of a document's ``pending`` field: ``n`` grows with every change of what there is to say."""
    return {"n": n, "since": now}


def outbox_index() -> IndexModel:
    """The index that finds pending documents, and holds nothing else: those to be tried again apart from the fresh."""
    keys = [(f"{FIELD}.retry_at", 1), (f"{FIELD}.since", 1)]
    return IndexModel(keys, name="pending", partialFilterExpression=MARKED)


class Outbox:
    """The relay of one collection.

    Args:
        name: for logs and metrics.
        collection: whose documents carry marks.
        facts: what a document says now; no facts clear the mark in silence. It may be asynchronous.
        publisher: says it.
        now: the clock that waiting is measured with.
    """

    def __init__(self, name: str, collection: Collection, facts: EventsOf, publisher: Publisher, now: Clock) -> None:
        self.name = name
        self.collection = collection
        self.facts = facts
        self.publisher = publisher
        self.now = now
        self.turns = 0
        self._woken = asyncio.Event()
        self._throttle = LogThrottle()

    @classmethod
    async def ensure(cls, mongo: Mongo, collection: str) -> None:
        """Make the index that the relay reads by."""
        await mongo.ensure(collection, outbox_index())

    def wake(self) -> None:
        """Tell the loop that there is something to say."""
        self._woken.set()

    async def publish_now(self, document_id: Any) -> None:
        """Say one document's mark, if it has one, and return when Kafka has acknowledged it.

        Whoever gives up waiting leaves the mark, and the loop goes on trying.

        Raises:
            Unavailable: Kafka does not acknowledge it in time.
            RecordsRefused: nor will it ever.
        """
        waiting = {"_id": document_id, FIELD: {"$exists": True}}
        failed: list[tuple[Document, Exception]] = []
        try:
            while not failed and (document := await self.collection.find_one(waiting)) is not None:
                failed = await self._say([document], self.publisher)
        except BaseException:
            self.wake()
            raise
        if failed:
            raise failed[0][1]

    async def run(self) -> None:
        """Say marks for ever: at once when woken, by a sweep at the latest."""
        while True:
            said = await self.turn()
            self.turns += 1
            if said < BATCH:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()
                self._woken.clear()

    async def turn(self) -> int:
        """Say at most one batch of fresh marks, oldest first, and return how many documents it held.

        Before, a few of those whose time to be tried again has come.
        """
        due = {f"{FIELD}.retry_at": {"$lte": self.now()}}
        failed_before = await self.collection.find(
            MARKED | due, sort=[(f"{FIELD}.retry_at", 1)], limit=RETRIES
        ).to_list(None)
        documents = await self.collection.find(FRESH, sort=[(f"{FIELD}.since", 1)], limit=BATCH).to_list(None)
        if documents:
            await self._say(documents, self.publisher)
        if failed_before:
            await self._try_again(failed_before)
        return len(documents)

    async def pending(self) -> tuple[int, float]:
        """How many documents wait to be said, counted to 10,000, and how long the oldest has waited, in seconds."""
        tried = MARKED | {f"{FIELD}.retry_at": {"$type": "date"}}
        count = await self.collection.count_documents(FRESH, limit=10_000)
        count += await self.collection.count_documents(tried, limit=10_000)
        oldest = await self.collection.find(FRESH, {FIELD: 1}, sort=[(f"{FIELD}.since", 1)], limit=1).to_list(None)
        oldest += await self.collection.find(tried, {FIELD: 1}, limit=BATCH).to_list(None)
        now = self.now()
        waited = max(((now - document[FIELD]["since"]).total_seconds() for document in oldest), default=0.0)
        return min(count, 10_000), max(0.0, waited)

    async def _try_again(self, documents: Sequence[Document]) -> None:
        """Say each alone, with one try of a producer that nobody shares."""
        publisher = self.publisher.with_own_producer()
        try:
            for document in documents:
                await self._say([document], publisher, attempts=1)
        finally:
            await publisher.stop()

    async def _say(
        self, documents: Sequence[Document], publisher: Publisher, attempts: int = ATTEMPTS
    ) -> list[tuple[Document, Exception]]:
        """Say what these documents say and clear their marks; those that failed for good are put off and returned."""
        failed: dict[int, Exception] = {}
        owners: dict[int, int] = {}
        messages = []
        for place, document in enumerate(documents):
            try:
                facts = self.facts(document)
                made = [publisher.record_of(event) for event in (await facts if inspect.isawaitable(facts) else facts)]
            except Exception as error:
                if failed_dependency(error) is not None:
                    raise
                failed[place] = error
            else:
                owners |= {id(message): place for message in made}
                messages += made
        if messages:
            try:
                await publisher.send(messages, attempts)
            except RecordsRefused as error:
                failed |= {owners[id(message)]: error for message in error.messages}
        marks = [self._cleared(document) for place, document in enumerate(documents) if place not in failed]
        marks += [self._put_off(documents[place], error) for place, error in failed.items()]
        await self.collection.bulk_write(marks, ordered=False)
        return [(documents[place], error) for place, error in failed.items()]

    def _cleared(self, document: Document) -> UpdateOne:
        return UpdateOne(_same(document), {"$unset": {FIELD: ""}})

    def _put_off(self, document: Document, error: Exception) -> UpdateOne:
        """The time of the next try, twice as far ahead as the one before, up to five minutes."""
        tries = document[FIELD].get("tries", 0)
        times = self._throttle.should_log(type(error).__name__)
        if times is not None:
            log.error("event_refused", outbox=self.name, document=str(document["_id"]), times=times, exc_info=error)
        retry_at = self.now() + min(FIRST_RETRY * 2 ** min(tries, 20), LAST_RETRY)
        return UpdateOne(_same(document), {"$set": {f"{FIELD}.retry_at": retry_at, f"{FIELD}.tries": tries + 1}})


def _same(document: Document) -> Document:
    """The document as long as it says what it said."""
    return {"_id": document["_id"], f"{FIELD}.n": document[FIELD]["n"]}
