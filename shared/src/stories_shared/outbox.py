"""The outbox is a mark in the document, not a queue.

State and the duty to say it are one write: ``{"$set": {…, "unsaid": mark(revision, now)}}``. One loop, woken in
process and by a sweep, says what the document says *now* and clears the mark on condition that the revision still
stands; where it does not, the newer state is said next. A relay that was frozen in between can thus say old news, but
never leave it as the last word.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from aiokafka.errors import KafkaError
from pymongo import IndexModel, UpdateOne

from stories_shared.clock import Clock
from stories_shared.failures import KAFKA, Unavailable, dependency_of
from stories_shared.logging import logger
from stories_shared.mongo import Collection, Document, Mongo
from stories_shared.publishing import Publisher, Saying

log = logger(__name__)

FIELD = "unsaid"
BATCH = 500
SWEEP_S = 0.5
CONFIRM_WITHIN_S = 3.0

Facts = Callable[[Document], Sequence[Saying] | Awaitable[Sequence[Saying]]]


def mark(n: int, now: datetime) -> dict[str, Any]:
    """The value of a document's ``unsaid`` field: ``n`` grows with every change of what there is to say."""
    return {"n": n, "since": now}


def outbox_index() -> IndexModel:
    """The index that finds unsaid documents, and holds nothing else."""
    return IndexModel(
        [(f"{FIELD}.since", 1)], name="unsaid", partialFilterExpression={f"{FIELD}.since": {"$exists": True}}
    )


class Outbox:
    """The relay of one collection.

    Args:
        name: for logs and metrics.
        collection: whose documents carry marks.
        facts: what a document says now; no facts clear the mark in silence. It may be asynchronous.
        publisher: says it.
        now: the clock that waiting is measured with.
    """

    def __init__(self, name: str, collection: Collection, facts: Facts, publisher: Publisher, now: Clock) -> None:
        self.name = name
        self.collection = collection
        self.facts = facts
        self.publisher = publisher
        self.now = now
        self.turns = 0
        self._woken = asyncio.Event()

    @classmethod
    async def ensure(cls, mongo: Mongo, collection: str) -> None:
        """Make the index that the relay reads by."""
        await mongo.ensure(collection, outbox_index())

    def wake(self) -> None:
        """Tell the loop that there is something to say."""
        self._woken.set()

    async def say_now(self, document_id: Any) -> None:
        """Say one document's mark, if it has one, and return when Kafka has acknowledged it.

        Raises:
            Unavailable: not within three seconds. The mark stays and the loop goes on trying.
        """
        try:
            async with asyncio.timeout(CONFIRM_WITHIN_S):
                document = await self.collection.find_one({"_id": document_id, FIELD: {"$exists": True}})
                while document is not None:
                    await self._say([document])
                    document = await self.collection.find_one({"_id": document_id, FIELD: {"$exists": True}})
        except TimeoutError:
            self.wake()
            raise Unavailable(KAFKA, "the event is not acknowledged yet") from None
        except Unavailable:
            self.wake()
            raise

    async def run(self) -> None:
        """Say marks for ever: at once when woken, by a sweep at the latest."""
        while True:
            said = await self.turn()
            self.turns += 1
            if said < BATCH:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SWEEP_S):
                        await self._woken.wait()
                self._woken.clear()

    async def turn(self) -> int:
        """Say at most one batch of marks, oldest first, and return how many documents it held."""
        documents = await self.collection.find(
            {f"{FIELD}.since": {"$exists": True}}, sort=[(f"{FIELD}.since", 1)], limit=BATCH
        ).to_list(None)
        if not documents:
            return 0
        try:
            await self._say(documents)
        except KafkaError as error:
            if dependency_of(error) is not None or len(documents) == 1:
                raise
            await self._say_one_by_one(documents)
        return len(documents)

    async def pending(self) -> tuple[int, float]:
        """How many documents wait to be said, counted to 10,000, and how long the oldest has waited, in seconds."""
        waiting = {f"{FIELD}.since": {"$exists": True}}
        count = await self.collection.count_documents(waiting, limit=10_000)
        oldest = await self.collection.find_one(waiting, {FIELD: 1}, sort=[(f"{FIELD}.since", 1)])
        waited = (self.now() - oldest[FIELD]["since"]).total_seconds() if oldest else 0.0
        return count, max(0.0, waited)

    async def _say_one_by_one(self, documents: Sequence[Document]) -> None:
        """Keep a record that Kafka refuses from holding up the others; it stays marked, counted and logged."""
        for document in documents:
            try:
                await self._say([document])
            except KafkaError as error:
                if dependency_of(error) is not None:
                    raise
                log.error("event_refused", outbox=self.name, document=str(document["_id"]), error=str(error))

    async def _say(self, documents: Sequence[Document]) -> None:
        sayings: list[Saying] = []
        for document in documents:
            facts = self.facts(document)
            sayings.extend(await facts if inspect.isawaitable(facts) else facts)
        if sayings:
            await self.publisher.say_all(sayings)
        cleared = [
            UpdateOne({"_id": document["_id"], f"{FIELD}.n": document[FIELD]["n"]}, {"$unset": {FIELD: ""}})
            for document in documents
        ]
        await self.collection.bulk_write(cleared, ordered=False)
