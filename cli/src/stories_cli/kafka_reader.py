"""Reads topics from the beginning to their current end, without a consumer group or commits."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from stories_shared.clock import epoch_ms
from stories_shared.kafka.client import Kafka

from .console import abort

Record: TypeAlias = ConsumerRecord[Any, Any]
POLL_MS = 200
MAX_RECORDS = 2_000


class TopicReader:
    """The topics of one installation, by name without prefix."""

    def __init__(self, kafka: Kafka, reader: AIOKafkaConsumer, partitions: Mapping[str, list[TopicPartition]]) -> None:
        self.kafka = kafka
        self._reader = reader
        self._partitions = partitions

    @property
    def topics(self) -> list[str]:
        """The existing topics."""
        return sorted(self._partitions)

    def partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        """Every partition of the existing ones of these topics."""
        return [partition for topic in topics for partition in self._partitions.get(topic, ())]

    async def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """The current end offsets of these topics, by topic and partition."""
        ends = await self._reader.end_offsets(self.partitions(topics))
        return {(self.kafka.plain(each.topic), each.partition): end for each, end in ends.items()}

    async def read(self, *topics: str, since: datetime | None = None) -> AsyncIterator[list[Record]]:
        """Batches of raw records, in order within a partition. `since`: appended at that time or later."""
        partitions = self.partitions(topics)
        if not partitions:
            return
        reader = self._reader
        reader.assign(partitions)
        ends = await reader.end_offsets(partitions)
        starts = await reader.beginning_offsets(partitions)
        if since is not None:
            found = await reader.offsets_for_times({each: epoch_ms(since) for each in partitions})
            starts = {each: at.offset if (at := found.get(each)) else ends[each] for each in partitions}
        for each in partitions:
            reader.seek(each, starts[each])
        unfinished = {each for each in partitions if starts[each] < ends[each]}
        while unfinished:
            batches = await reader.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            for partition, records in batches.items():
                if before_end := [record for record in records if record.offset < ends[partition]]:
                    yield before_end
            unfinished = {each for each in unfinished if await reader.position(each) < ends[each]}

    async def follow(
        self, topics: Iterable[str], *, from_beginning: bool, until_end: bool
    ) -> AsyncIterator[list[Record]]:
        """Batches of records as they arrive; `until_end` stops at the current end of the topics."""
        partitions = self.partitions(topics)
        reader = self._reader
        reader.assign(partitions)
        ends = await reader.end_offsets(partitions)
        starts = await reader.beginning_offsets(partitions) if from_beginning else ends
        for each in partitions:
            reader.seek(each, starts[each])
        while not until_end or any([await reader.position(each) < ends[each] for each in partitions]):
            batches = await reader.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            for records in batches.values():
                yield records


@asynccontextmanager
async def open_reader(kafka: Kafka) -> AsyncIterator[TopicReader]:
    """The reader of an installation, for one command. Ends the command if no broker answers."""
    reader = kafka.reader(auto_offset_reset="earliest")
    try:
        await reader.start()
        # The consumer caches metadata only of topics that it already reads.
        cluster = await reader._client.fetch_all_metadata()  # noqa: SLF001
        partitions = {
            kafka.plain(topic): [
                TopicPartition(topic, number) for number in sorted(cluster.partitions_for_topic(topic))
            ]
            for topic in cluster.topics()
            if topic.startswith(kafka.prefix)
        }
    except (KafkaError, OSError) as error:
        await reader.stop()
        abort(f"Kafka does not answer at {kafka.bootstrap}: {error}")
    try:
        yield TopicReader(kafka, reader, partitions)
    finally:
        await reader.stop()
