"""The recorder reads every topic from its first record on, because retention is minutes here."""

import asyncio
import contextlib
import json
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from stories_engagement.domain.webhooks import WEBHOOK_EVENTS
from stories_shared.kafka.client import Consumer, Kafka
from stories_shared.testing import records_of

from .invariant_monitor import seconds

KEPT = 400
NEW_TOPICS_S = 2.0
INVALID_KEY_PREFIX = b"poison-"
"""Prefix of the keys of invalid records, which describe nothing that happened."""
DETAILS = {"story-posted": "revision", "comment-created": "comment_id", "user-mentioned": "user_id"}
Published: TypeAlias = tuple[str, str, str]
"""Topic, story, and what tells events of one story apart there: the revision, the comment, the mentioned user."""


@dataclass
class LogRecorder:
    """The records of the log. `dead_letter`: reasons by topic and key; `lateness`: of endings, in seconds."""

    bootstrap: str
    topics: tuple[str, ...]
    dead_letter: dict[str, dict[bytes, str]] = field(default_factory=dict)
    lateness: list[float] = field(default_factory=list)
    early: list[dict[str, Any]] = field(default_factory=list)
    recent: deque[Any] = field(default_factory=lambda: deque(maxlen=KEPT))
    appended: dict[str, int] = field(default_factory=dict)
    published: set[Published] = field(default_factory=set)
    """Every event of the topics that webhooks can have."""
    _ended: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Read for ever, through outages of the broker."""
        positions: dict[TopicPartition, int] = {}
        while True:
            with contextlib.suppress(KafkaError, OSError, AssertionError):
                await self._read(positions)
            await asyncio.sleep(0.5)

    async def _read(self, positions: dict[TopicPartition, int]) -> None:
        consumer = Consumer(
            bootstrap_servers=self.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=int(NEW_TOPICS_S * 1000),
        )
        try:
            await consumer.start()
            while True:
                cluster = await consumer._client.fetch_all_metadata()
                partitions = [TopicPartition(t, p) for t in self.topics for p in cluster.partitions_for_topic(t) or ()]
                if set(partitions) != consumer.assignment():
                    # Only on a change, because assigning discards fetches in flight, which large records need.
                    consumer.assign(partitions)
                    for each in partitions:
                        if each in positions:
                            consumer.seek(each, positions[each])
                refreshed = asyncio.get_running_loop().time()
                while asyncio.get_running_loop().time() < refreshed + NEW_TOPICS_S:
                    for partition, records in (await consumer.getmany(timeout_ms=300)).items():
                        for record in records:
                            self._note(record)
                        positions[partition] = records[-1].offset + 1
        finally:
            await consumer.stop()

    def _note(self, record: Any) -> None:
        if record.value is not None:
            self.appended[record.topic] = self.appended.get(record.topic, 0) + 1
        if record.topic.endswith(".dlq"):
            headers = {name: value for name, value in record.headers or () if value is not None}
            why = b"/".join(headers.get(name, b"?") for name in ("error-type", "error")).decode(errors="replace")
            self.dead_letter.setdefault(record.topic, {})[record.key or b""] = why
            return
        self.recent.append(record)
        if not record.value or (record.key or b"").startswith(INVALID_KEY_PREFIX):
            return
        if record.topic in WEBHOOK_EVENTS:
            content = json.loads(record.value)
            self.published.add((record.topic, content["story_id"], str(content.get(DETAILS.get(record.topic), ""))))
        if record.topic == "story-expired":
            self._note_end(record.value)

    def _note_end(self, value: bytes) -> None:
        try:
            ending = json.loads(value)
            late = seconds(ending["expired_at"]) - seconds(ending["expires_at"])
            story_id = ending["story_id"]
        except (ValueError, KeyError, TypeError, RecursionError):  # invalid record
            return
        if story_id in self._ended:
            return
        self._ended.add(story_id)
        self.lateness.append(late)
        if late < 0:
            self.early.append(ending)

    async def everything(self) -> list[tuple[str, bytes, bytes]]:
        """Topic, key and value of every record that the broker has now."""
        kafka = Kafka(self.bootstrap)
        records = [record for topic in self.topics for record in await records_of(kafka, topic)]
        return [(record.topic, record.key or b"", record.value or b"") for record in records]

    def some(self, rng: random.Random) -> Any:
        """A recent record, or None."""
        return rng.choice(list(self.recent)) if self.recent else None
