"""Consumer group offsets: reads and resets them."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from stories_embedded.kafka import Kafka
from stories_embedded.processes import stop
from stories_embedded.server import start, wait_until_ready
from stories_shared.testing.kafka_admin import administer

from .stack import Stack

START_SECONDS = 60.0


async def groups_of(bootstrap: str) -> list[str]:
    """Every group `<service>.<topic>` of the running stack."""
    return [name for name, _ in await administer(bootstrap, lambda admin: admin.list_consumer_groups()) if "." in name]


async def unread(bootstrap: str, groups: Sequence[str]) -> Mapping[str, int]:
    """The lag of each group; groups without lag are left out."""

    async def read(admin: AIOKafkaAdminClient) -> Mapping[str, int]:
        consumer, lags = AIOKafkaConsumer(bootstrap_servers=bootstrap), dict[str, int]()
        try:
            await consumer.start()
            for group in groups:
                partitions = await _partitions(admin, group)
                begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
                committed = await admin.list_consumer_group_offsets(group)
                done = {each: committed[each].offset if each in committed else 0 for each in partitions}
                lags[group] = sum(ends[each] - max(begins[each], done[each]) for each in partitions)
            return {group: lag for group, lag in lags.items() if lag}
        finally:
            await consumer.stop()

    return await administer(bootstrap, read)


async def rewind(stack: Stack, groups: Sequence[str]) -> int:
    """Reset groups to the first record of their topics, with the stack stopped; returns the number of records."""
    ports = json.loads((stack.folder / "ports.json").read_text())
    kafka, log = Kafka(stack.folder / "kafka", ports["kafka"], ports["kafka-controller"]), stack.log("rewind")
    kafka.prepare()
    process = start(kafka, log, os.environ)
    try:
        await asyncio.to_thread(wait_until_ready, kafka.name, process, kafka.ready, log, START_SECONDS)
        for group in groups:
            partitions = await administer(kafka.url, partial(_partitions, group=group))
            await _rewound(kafka.url, group, partitions)
        return sum((await unread(kafka.url, groups)).values())
    finally:
        stop(process, kafka.stop_seconds)


async def _rewound(bootstrap: str, group: str, partitions: Sequence[TopicPartition]) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.commit(await consumer.beginning_offsets(partitions))
    finally:
        await consumer.stop()


async def _partitions(admin: AIOKafkaAdminClient, group: str) -> list[TopicPartition]:
    """The partitions of the topic of a group."""
    topic = group.partition(".")[2]
    [described] = await admin.describe_topics([topic])
    return [TopicPartition(topic, each["partition"]) for each in described["partitions"]]
