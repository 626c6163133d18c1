"""The recorder reads every topic from its first record on, as the broker has it: topics here forget within minutes."""

import asyncio
import contextlib
import json
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from stories_shared.kafka.client import Consumer

from .invariant_monitor import seconds

KEPT = 400
NEW_TOPICS_S = 2.0
POISON = b"poison-"
"""How the keys of poison begin, which tells of nothing that happened."""


@dataclass
class LogRecorder:
    """What went through the log. `dead_letter`: by topic, key and reason; `lateness`: of endings, in seconds."""

    bootstrap: str
    topics: tuple[str, ...]
    dead_letter: dict[str, dict[bytes, str]] = field(default_factory=dict)
    lateness: list[float] = field(default_factory=list)
    early: list[dict[str, Any]] = field(default_factory=list)
    recent: deque[Any] = field(default_factory=lambda: deque(maxlen=KEPT))
    appended: dict[str, int] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Read for ever, whatever happens to the broker."""
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
                there = [TopicPartition(t, p) for t in self.topics for p in cluster.partitions_for_topic(t) or ()]
                if set(there) != consumer.assignment():
                    # Only then: it throws away what is being fetched, which large records on a busy machine need.
                    consumer.assign(there)
                    for each in there:
                        if each in positions:
                            consumer.seek(each, positions[each])
                looked = asyncio.get_running_loop().time()
                while asyncio.get_running_loop().time() < looked + NEW_TOPICS_S:
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
        if record.topic == "story-expired" and record.value and not (record.key or b"").startswith(POISON):
            self._note_end(record.value)

    def _note_end(self, value: bytes) -> None:
        try:
            told = json.loads(value)
            late = seconds(told["expired_at"]) - seconds(told["expires_at"])
            story_id = told["story_id"]
        except (ValueError, KeyError, TypeError, RecursionError):  # poison
            return
        if story_id in self._ended:
            return
        self._ended.add(story_id)
        self.lateness.append(late)
        if late < 0:
            self.early.append(told)

    async def everything(self) -> list[tuple[str, bytes, bytes]]:
        """Topic, key and value of every record that the broker holds now."""
        consumer = Consumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
        found: list[tuple[str, bytes, bytes]] = []
        try:
            await consumer.start()
            cluster = await consumer._client.fetch_all_metadata()
            there = [TopicPartition(t, p) for t in self.topics for p in cluster.partitions_for_topic(t) or ()]
            consumer.assign(there)
            first, ends = await consumer.beginning_offsets(there), await consumer.end_offsets(there)
            for each in there:
                consumer.seek(each, first[each])
            going = {each for each in there if first[each] < ends[each]}
            while going:
                for records in (await consumer.getmany(timeout_ms=300)).values():
                    found += [(record.topic, record.key or b"", record.value or b"") for record in records]
                going = {each for each in going if await consumer.position(each) < ends[each]}
        finally:
            await consumer.stop()
        return found

    def some(self, rng: random.Random) -> Any:
        """A record of late, or None."""
        return rng.choice(list(self.recent)) if self.recent else None
