"""Faults in the log: invalid records, redeliveries, invalid headers, maximum sizes, new partitions.

`invalid_keys` are the keys of records that must be dead-lettered, and no others. `republished` is the time at which
content of a story was appended again, from which its retention counts.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import KafkaError
from stories_embedded.paths import CHECKOUT
from stories_shared.events import EVENTS
from stories_shared.kafka.topics import Topics
from stories_shared.testing.kafka_admin import administer

from .log_recorder import INVALID_KEY_PREFIX, LogRecorder

GOLDEN = CHECKOUT / "shared" / "tests" / "golden"
MOST_BYTES = 1024 * 1024 - 600
"""Of a value, so that the record with its overhead is as large as a topic accepts."""
MOST_PARTITIONS = 6
ALL_S, RETRY_S = 15.0, 90.0
T = TypeVar("T")
BAD_HEADERS: list[tuple[str, Any]] = [
    ("note", b"\xff\xfe\x00"),
    ("nothing", None),
    ("reply_to", b"story-deleted"),
    ("correlation_id", b"\xc3\x28"),
]
BAD_TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", 2**70)
Header = tuple[str, Any]


@dataclass
class RecordFaults:
    """Writes to the broker directly, without a proxy."""

    bootstrap: str
    recorder: LogRecorder
    topics: Topics = field(default_factory=lambda: Topics.of([timedelta(hours=24)]))
    invalid_keys: dict[str, set[bytes]] = field(default_factory=dict)
    republished: dict[str, float] = field(default_factory=dict)

    @asynccontextmanager
    async def invalid(self, rng: random.Random) -> AsyncIterator[str]:
        """One undecodable record on every topic, and a few more on some."""
        topics = [*EVENTS, *rng.choices(sorted(EVENTS), k=5)]
        records = [self._invalid(topic, rng.choice(list(bad_values(topic, rng))), rng) for topic in topics]
        await self._send(records)
        yield f"{len(records)} invalid records"

    @asynccontextmanager
    async def large(self, rng: random.Random) -> AsyncIterator[str]:
        """Records of the maximum size: one undecodable, and one valid with an unknown field."""
        topic = rng.choice(sorted(EVENTS))
        edge = {"user_id": f"ghost{rng.getrandbits(32)}", "target_id": "another-ghost", "at": "2026-01-01T00:00:00Z"}
        good = json.dumps({**edge, "unknown": ""}).encode()
        good = good[:-2] + b"x" * (MOST_BYTES - len(good)) + good[-2:]
        await self._send(
            [self._invalid(topic, b"x" * MOST_BYTES, rng), ("user-muted", edge["user_id"].encode(), good, [])]
        )
        yield f"large records on {topic} and user-muted"

    @asynccontextmanager
    async def again(self, rng: random.Random) -> AsyncIterator[str]:
        """Redeliver recent records unchanged: duplicates, old revisions, ended stories."""
        records = [record for record in (self.recorder.some(rng) for _ in range(40)) if record is not None]
        await self._send([self._copy(record, list(record.headers or ())) for record in records])
        yield f"{len(records)} records again"

    @asynccontextmanager
    async def headers(self, rng: random.Random) -> AsyncIterator[str]:
        """Redeliver records with headers that are not text, have no value, or request a reply."""
        records = [record for record in (self.recorder.some(rng) for _ in range(15)) if record is not None]
        await self._send([self._copy(record, [*BAD_HEADERS, *(record.headers or ())]) for record in records])
        yield f"{len(records)} records with bad headers"

    @asynccontextmanager
    async def partitions(self, rng: random.Random) -> AsyncIterator[str]:
        """Add a partition to a topic, which changes the partition of keys."""
        topic = rng.choice(sorted(EVENTS))
        number = await self._one_more(topic)
        yield f"{topic} has {number} partitions"

    def readable(self) -> dict[str, int]:
        """The number of decodable records by topic."""
        found = dict(self.recorder.appended)
        for topic in EVENTS:
            for reader in self.topics[topic].readers[:1]:
                found[topic] = found.get(topic, 0) - len(self.invalid_keys.get(f"{topic}.{reader}.dlq", ()))
        return found

    def _invalid(self, topic: str, value: bytes, rng: random.Random) -> tuple[str, bytes, bytes, list[Header]]:
        key = INVALID_KEY_PREFIX + f"{rng.getrandbits(64):016x}".encode()
        for reader in self.topics[topic].readers:
            self.invalid_keys.setdefault(f"{topic}.{reader}.dlq", set()).add(key)
        return topic, key, value, list(BAD_HEADERS) if rng.random() < 0.3 else []

    def _copy(self, record: Any, headers: list[Header]) -> tuple[str, bytes, bytes, list[Header]]:
        if record.topic in {"story-posted", "story-viewed"} and record.key:
            self.republished[record.key.decode(errors="replace")] = time.time()
        return record.topic, record.key, record.value, headers

    async def _one_more(self, topic: str) -> int:
        async def add(admin: AIOKafkaAdminClient) -> int:
            [described] = await admin.describe_topics([topic])
            existing = len(described["partitions"])
            if existing < MOST_PARTITIONS:
                await admin.create_partitions({topic: NewPartitions(total_count=existing + 1)})
            return min(existing + 1, MOST_PARTITIONS)

        return await administer(self.bootstrap, add)

    async def _send(self, records: list[tuple[str, bytes, bytes, list[Header]]]) -> None:
        async def send() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", max_request_size=2 * MOST_BYTES)
            try:
                await producer.start()
                async with asyncio.timeout(ALL_S):
                    sent = [await producer.send(topic, value, key, headers=own) for topic, key, value, own in records]
                    await asyncio.gather(*sent)
            finally:
                await producer.stop()

        await with_retries(send)


async def with_retries(act: Callable[[], Awaitable[T]]) -> T:
    """Run it, and retry while another fault has stopped the broker."""
    deadline = time.time() + RETRY_S
    while True:
        try:
            return await act()
        except (KafkaError, OSError, TimeoutError, AssertionError):
            if time.time() > deadline:
                raise
        await asyncio.sleep(1)


def bad_values(topic: str, rng: random.Random) -> Iterator[bytes]:
    """Values that are not valid events, and values that are JSON but cannot be stored."""
    yield b""
    yield b"no JSON at all"
    yield b"\xff\xfe\x00\x01"
    yield b"[" * 20_000
    yield b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    yield b"null"
    yield b"{}"
    golden = json.loads(next(GOLDEN.rglob(f"{topic}.json")).read_text())
    event = EVENTS[topic]
    yield json.dumps({name: value for name, value in golden.items() if name != event.key_field}).encode()
    yield json.dumps({**golden, event.key_field: "a\x00b"}).encode()
    yield json.dumps({**golden, event.key_field: "x" * 300}).encode()
    for name in event.time_fields:
        yield json.dumps({**golden, name: rng.choice(BAD_TIMES)}).encode()
    for name, value in golden.items():
        if isinstance(value, int) and not isinstance(value, bool):
            yield json.dumps({**golden, name: rng.choice((2**70, -(2**70), 1e308))}).encode()
    if topic == "story-posted":
        for layer in ({"a\x00b": 1}, {"n": 2**70}, {"deep": [[[[[[[[[[1]]]]]]]]]]}, {"long": "x" * 20_000}):
            yield json.dumps({**golden, "layers": [layer]}).encode()
