"""Publishes many small records of concurrent requests: those that wait for the same partition share one batch.

A record that is sent by itself costs a future, a wake-up and a look-up of its partition, several times what its bytes
cost; here a request has one future for each partition.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stories_shared.concurrency import gather_all
from stories_shared.errors import KAFKA, Unavailable, failed_dependency
from stories_shared.events import Event
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.partitioner import key_hash
from stories_shared.kafka.publisher import SEND_ERRORS, ProducerRecord, Publisher

Partition = tuple[str, int]
"""A topic and the number of a partition."""


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """The records of one request for one partition, and the future of their acknowledgement."""

    records: Sequence[ProducerRecord]
    acknowledged: asyncio.Future[None]


class BatchPublisher:
    """Publishes events that may be published twice after a failure, and that are no state of a story, which is logged.

    The records of one key stay in order.

    Args:
        publisher: its producer is used, and its way of handling records that the broker rejects.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: dict[Partition, list[Share]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish_all(self, event: type[Event], events: Iterable[Event]) -> None:
        """Publish events of one type, and return when Kafka has acknowledged all of them.

        Raises:
            Unavailable: one or more were not acknowledged in time; any of them may have been.
        """
        count, at = await self._publisher.partition_count(event), self._publisher.now()
        topic = self._publisher.kafka.topic(event.topic)
        records: dict[int, list[ProducerRecord]] = {}
        for each in events:
            record = self._publisher.record_of(OutgoingEvent(each), at)
            records.setdefault(key_hash(each.key) % count, []).append(record)
        loop = asyncio.get_running_loop()
        shares = [(partition, Share(some, loop.create_future())) for partition, some in records.items()]
        for partition, share in shares:
            self._add((topic, partition), share)
        await gather_all(share.acknowledged for _, share in shares)

    def _add(self, partition: Partition, share: Share) -> None:
        """Add a share to the next batch of its partition, which leaves when the one under way is acknowledged."""
        if partition in self._waiting:
            self._waiting[partition].append(share)
            return
        self._waiting[partition] = [share]
        work = asyncio.create_task(self._drain(partition))
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    async def _drain(self, partition: Partition) -> None:
        """Send what waits for a partition, until nothing is left."""
        waiting = self._waiting[partition]
        try:
            while waiting:
                shares = waiting[:]
                waiting.clear()
                outcome = await self._send(partition, [record for share in shares for record in share.records])
                for share in shares:
                    if share.acknowledged.done():
                        continue
                    if outcome is None:
                        share.acknowledged.set_result(None)
                    else:
                        share.acknowledged.set_exception(outcome)
        finally:
            del self._waiting[partition]

    async def _send(self, partition: Partition, records: list[ProducerRecord]) -> Exception | None:
        """Send records in as few batches as they need; the error if they are not acknowledged."""
        began, outcome = time.perf_counter(), "error"
        try:
            async with asyncio.timeout(self._publisher.timeout_s):
                while records:
                    records = records[await self._send_batch(partition, records) :]
            outcome = "ok"
        except SEND_ERRORS as error:
            if failed_dependency(error) == KAFKA or isinstance(error, TimeoutError):
                return Unavailable(KAFKA, type(error).__name__)
            return await self._send_singly(records)
        except Exception as error:  # noqa: BLE001  (every waiting request gets it)
            return error
        finally:
            self._publisher.observe("send", time.perf_counter() - began, outcome)
        return None

    async def _send_batch(self, partition: Partition, records: Sequence[ProducerRecord]) -> int:
        """Send one batch; how many of the records it held."""
        topic, number = partition
        producer = await self._publisher.producer()
        batch, held = producer.create_batch(), 0
        for record in records:
            if batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers)) is None:
                break
            held += 1
        if not held:
            raise ValueError("a record is larger than a batch")
        await (await producer.send_batch(batch, topic, partition=number))
        return held

    async def _send_singly(self, records: list[ProducerRecord]) -> Exception | None:
        """Send records as the publisher does, which replaces a producer that a rejected record has spoilt."""
        try:
            await self._publisher.send(records)
        except Exception as error:  # noqa: BLE001  (every waiting request gets it)
            return error
        return None
