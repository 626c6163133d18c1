"""The topics that ``topics.yml`` describes: created by ``init``, checked when a service starts."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from typing import Any

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from stories_shared.errors import KAFKA, Unavailable
from stories_shared.kafka.client import Kafka
from stories_shared.runtime.logging import logger
from stories_shared.runtime.settings import Settings, duration

log = logger(__name__)

RETENTION_AFTER_LIFETIME = timedelta(hours=24)
# How often brokers look for segments to delete (log.retention.check.interval.ms, default five minutes).
RETENTION_CHECK = timedelta(minutes=5)
# Markers of ended stories, unfollows and erased users guard against late records. They are kept longer than any record,
# including one that is dead-lettered on its last day and replayed on the last day of the dead-letter topic.
MARK_RETENTION = timedelta(days=30)
SHORTEST_SEGMENT = timedelta(seconds=1)
MAX_CREATE_ATTEMPTS = 5
METADATA_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``dead_letters_of`` is (topic, service) of a dead-letter topic, else None."""

    name: str
    cleanup: tuple[str, ...]
    retention: timedelta
    max_message_bytes: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    external_writers: bool = False
    dead_letters_of: tuple[str, str] | None = None

    @property
    def segment(self) -> timedelta:
        """After how long a segment is closed: only closed ones are compacted or dropped."""
        return max(self.retention / 10, SHORTEST_SEGMENT)

    @property
    def max_record_age(self) -> timedelta:
        """The longest time between a record's append and its deletion."""
        return self.retention + self.segment + RETENTION_CHECK

    def config(self, replication: int) -> dict[str, str]:
        """The topic's configuration by Kafka's names."""
        compacted = "compact" in self.cleanup
        times = {"retention.ms": self.retention, "segment.ms": self.segment}
        if compacted:
            times |= {"max.compaction.lag.ms": self.segment, "delete.retention.ms": self.retention}
        return {name: str(int(value.total_seconds() * 1000)) for name, value in times.items()} | {
            "cleanup.policy": ",".join(self.cleanup),
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": "2" if replication >= 3 else "1",
            **({"min.cleanable.dirty.ratio": "0.01"} if compacted else {}),
        }


class Topics(dict[str, Topic]):
    """All topics by name without prefix, dead-letter topics included."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        super().__init__((topic.name, topic) for topic in topics)

    @classmethod
    def of(cls, lifetimes: Sequence[timedelta], cap: timedelta | None = None) -> "Topics":
        """The topics for stories of these lifetimes.

        Args:
            lifetimes: allowed lifetimes of stories; the longest decides how long ``story-posted`` keeps records.
            cap: an upper bound of every retention, for short-lived stacks.
        """
        text = resources.files("stories_shared").joinpath("topics.yml").read_text(encoding="utf-8")
        document = yaml.safe_load(text)
        made: list[Topic] = []
        for name, own in document["topics"].items():
            entry = document["defaults"] | own
            retention = retention_of(entry["retention"], max(lifetimes), cap)
            topic = Topic(
                name=name,
                cleanup=tuple(entry["cleanup"]),
                retention=retention,
                max_message_bytes=entry["max_message_bytes"],
                writers=tuple(entry["writers"]),
                readers=tuple(entry["readers"]),
                external_writers=entry.get("external_writers", False),
            )
            made.append(topic)
            made.extend(dead_letter_topic(topic, reader, document["dead_letter"], cap) for reader in topic.readers)
        return cls(made)

    @classmethod
    def for_settings(cls, settings: Settings) -> "Topics":
        """The topics for the settings."""
        return cls.of(settings.story_lifetimes, settings.topic_retention_max)

    def of_service(self, service: str) -> "Topics":
        """The topics that a service writes, reads or dead-letters to."""
        return Topics(
            topic for topic in self.values() if service in (*topic.writers, *map(service_of_reader, topic.readers))
        )


def service_of_reader(reader: str) -> str:
    """The service of a reader: `engagement-webhooks` is a second consumer of engagement, with groups of its own."""
    return reader.partition("-")[0]


def retention_of(text: str, longest: timedelta, cap: timedelta | None) -> timedelta:
    """A retention in the notation of ``topics.yml``."""
    kept: timedelta = longest + RETENTION_AFTER_LIFETIME if text == "longest-lifetime+24h" else duration(text)
    return min(kept, cap) if cap else kept


def dead_letter_topic(topic: Topic, reader: str, entry: Mapping[str, Any], cap: timedelta | None) -> Topic:
    """The dead-letter topic of one reader. Of a compacted topic it keeps records no longer than that topic does."""
    retention = retention_of(entry["retention"], timedelta(0), cap)
    return Topic(
        name=f"{topic.name}.{reader}.dlq",
        cleanup=("delete",),
        retention=min(retention, topic.retention) if "compact" in topic.cleanup else retention,
        max_message_bytes=entry["max_message_bytes"],
        writers=(service_of_reader(reader),),
        readers=(),
        dead_letters_of=(topic.name, reader),
    )


async def init_topics(settings: Settings, service: str) -> list[str]:
    """Create a service's topics for its settings; with ``TOPICS=external`` do nothing.

    Returns:
        The names, without prefix, of the created topics.

    Raises:
        Unavailable: no broker answers.
        KafkaError: the brokers reject the request.
    """
    if settings.topics == "external":
        return []
    topics = Topics.for_settings(settings).of_service(service)
    return await ensure_topics(Kafka.of(settings), topics, settings.topic_partitions, settings.topic_replication)


async def ensure_topics(kafka: Kafka, topics: Topics, partitions: int, replication: int) -> list[str]:
    """Create the missing topics and update the configuration of the others. Idempotent.

    Returns:
        The names, without prefix, of the created topics.

    Raises:
        Unavailable: no broker answers.
        KafkaError: the brokers reject the request.
    """
    async with admin_of(kafka) as admin:
        existing = set(await admin.list_topics())
        new = [topic for topic in topics.values() if kafka.topic(topic.name) not in existing]
        made = await create_topics(admin, kafka, new, partitions, replication) if new else set()
        others = [topic for topic in topics.values() if kafka.topic(topic.name) not in made]
        if others:
            await admin.alter_configs(
                [
                    ConfigResource(ConfigResourceType.TOPIC, kafka.topic(topic.name), configs=topic.config(replication))
                    for topic in others
                ]
            )
        return sorted(kafka.plain(name) for name in made)


async def create_topics(
    admin: AIOKafkaAdminClient, kafka: Kafka, topics: Sequence[Topic], partitions: int, replication: int
) -> set[str]:
    """Create topics, wait until the brokers list them, and return the full names of the created ones."""
    new_topics = [
        NewTopic(kafka.topic(topic.name), partitions, replication, topic_configs=topic.config(replication))
        for topic in topics
    ]
    made: set[str] = set()
    for attempt in range(1, MAX_CREATE_ATTEMPTS + 1):
        response = await admin.create_topics(new_topics)
        errors = {row[0]: for_code(row[1]) for row in response.topic_errors}
        made |= {name for name, kind in errors.items() if kind.errno == 0}
        failed = [kind for kind in errors.values() if kind.errno and kind is not TopicAlreadyExistsError]
        if not failed:
            break
        if attempt == MAX_CREATE_ATTEMPTS or not any(kind.retriable for kind in failed):
            raise failed[0]("creating topics")
        await asyncio.sleep(0.5 * attempt)
    names = {topic.name for topic in new_topics}
    deadline = time.monotonic() + METADATA_TIMEOUT_S
    while not names <= set(await admin.list_topics()):
        if time.monotonic() > deadline:
            raise Unavailable(KAFKA, "the brokers do not list the created topics")
        await asyncio.sleep(0.05)
    return made


async def missing_topics(kafka: Kafka, topics: Topics) -> list[str]:
    """The full names of the topics that do not exist.

    Raises:
        Unavailable: no broker answers.
    """
    async with admin_of(kafka) as admin:
        existing = set(await admin.list_topics())
    return sorted(kafka.topic(name) for name in topics if kafka.topic(name) not in existing)


@contextlib.asynccontextmanager
async def admin_of(kafka: Kafka) -> Any:
    """A started admin client.

    Raises:
        Unavailable: no broker answers.
    """
    admin: AIOKafkaAdminClient = kafka.admin()
    try:
        await admin.start()
    except (KafkaError, OSError) as error:
        with contextlib.suppress(KafkaError, OSError):
            await admin.close()
        raise Unavailable(KAFKA, await kafka.handshake_error() or str(error)) from error
    try:
        yield admin
    finally:
        with contextlib.suppress(KafkaError, OSError):
            await admin.close()
