"""Republishes endings since a backup, so that a restored database restores no ended story."""

import asyncio
from collections.abc import Iterable
from datetime import datetime

import msgspec
from stories_shared.events import EVENTS, StoryDeleted, StoryErased, StoryExpired, UserEdge, UserErased
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.log_tail import committed_offsets
from stories_shared.kafka.publisher import ProducerRecord, Publisher
from stories_shared.kafka.topics import Topics

from . import clients
from .console import stderr
from .kafka_reader import Record, TopicReader, open_reader
from .progress import counting

ENDINGS = (StoryExpired.topic, StoryDeleted.topic, StoryErased.topic, UserErased.topic)
EDGES = tuple(name for name, event in EVENTS.items() if issubclass(event, UserEdge))
BATCH_SIZE = 500
POLL_S = 0.3


async def replay_endings(settings: dict[str, str], since: datetime, *, wait: bool) -> dict[str, int]:
    """Republish endings and edges since a time; returns their number by topic.

    `wait`: return once every consumer group has processed them.
    """
    kafka, topics = clients.kafka(settings)
    publisher = Publisher(kafka, "expiry")
    await publisher.start()
    try:
        async with open_reader(kafka) as log:
            published = await publish_again(log, publisher, since)
            if wait:
                await wait_until_handled(log, kafka, topics, published)
            return published
    finally:
        await publisher.stop()


async def publish_again(log: TopicReader, publisher: Publisher, since: datetime) -> dict[str, int]:
    """Republish each event once, unchanged; returns their number by topic."""
    published: dict[str, int] = {}
    known: set[int] = set()
    with counting("publishing", None) as advance:
        async for records in log.read(*ENDINGS, *EDGES, since=since):
            messages = [message(record) for record in records if is_ending(log, record) and is_new(record, known)]
            for start in range(0, len(messages), BATCH_SIZE):
                await publisher.send(messages[start : start + BATCH_SIZE])
            if messages:
                topic = log.kafka.plain(records[0].topic)
                published[topic] = published.get(topic, 0) + len(messages)
                advance(len(messages))
    return published


def message(record: Record) -> ProducerRecord:
    """A record, unchanged, as a producer record."""
    headers = tuple((name, value) for name, value in record.headers or () if value is not None)
    return ProducerRecord(record.topic, record.key, record.value, headers)


def is_ending(log: TopicReader, record: Record) -> bool:
    """Whether this is to be repeated; of confirmations only that an author's archive no longer keeps a story."""
    if record.value is None or log.kafka.plain(record.topic) != StoryErased.topic:
        return True
    try:
        return bool(msgspec.json.decode(record.value)["store"] == "archive")
    except (msgspec.DecodeError, KeyError, TypeError):
        return False


def is_new(record: Record, known: set[int]) -> bool:
    """Whether this event was not read before: endings are republished until every store has confirmed."""
    if record.value is None:
        return False
    identity = dict(record.headers or ()).get("ce_id") or record.value
    mark = hash((record.topic, record.key, identity))
    met = mark in known
    known.add(mark)
    return not met


async def wait_until_handled(log: TopicReader, kafka: Kafka, topics: Topics, published: Iterable[str]) -> None:
    """Wait until every service has processed these topics up to their current end."""
    groups = {f"{reader}.{topic}": topic for topic in published for reader in topics[topic].readers}
    ends = await log.ends(published)
    with stderr.status("waiting") as status:
        while groups:
            left = {group: topic for group, topic in groups.items() if await behind(kafka, group, topic, ends)}
            status.update(f"waiting for {', '.join(sorted(left))}")
            if groups := left:
                await asyncio.sleep(POLL_S)


async def behind(kafka: Kafka, group: str, topic: str, ends: dict[tuple[str, int], int]) -> bool:
    """Whether a group has not yet processed everything before these end offsets."""
    reached = await committed_offsets(kafka, {group: topic})
    return any(reached.get(each, 0) < end for each, end in ends.items() if each[0] == topic and end)
