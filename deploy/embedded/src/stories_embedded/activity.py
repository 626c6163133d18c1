"""The activity of a stack, for the web client's view "Behind the scenes": its events, and figures of each replica.

Development only: `dev_server` streams it. Kafka is read only while a client is connected. Of an event, only ids, times
and kinds are sent, never what a user wrote.
"""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from stories_shared.events.cloudevents import SERVICES

from .http_probe import read

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord
    from stories_shared.kafka.client import Consumer, Kafka

Send = Callable[[str, Any], None]
"""Sends a message: its name and its data. Raises OSError once the client has disconnected."""

SENT_FIELDS = frozenset(
    {
        *("story_id", "author_id", "viewer_id", "user_id", "target_id", "kind", "store", "service", "by", "emoji"),
        *("posted_at", "expires_at", "ended_at", "erased_at", "total", "part", "parts", "revision", "audience"),
    }
)
FIGURES = frozenset(
    {
        *("ready", "outbox_pending", "live_stories", "live_authors", "live_connections", "views_total"),
        *("timers", "timers_overdue", "receipts_open", "dead_lettered_total", "media_jobs"),
    }
)
LAG = "consumer_lag_records"
SAMPLE = re.compile(r"stories_(\w+?)(?:\{(.*)\})? ([-+.0-9eE]+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')
LATEST_RECORDS = 40  # of each partition, sent to a client that connects
MAX_CHARS = 128
POLL_MS = 100
FIGURES_SECONDS = 1.0
RETRY_SECONDS = 1.0


class Activity:
    """What a stack does, from its Kafka and from the metrics of every replica (URLs by name)."""

    def __init__(self, kafka: "Callable[[], Kafka]", replicas: Mapping[str, str]) -> None:
        self._kafka, self._replicas = kafka, replicas

    async def stream(self, send: Send) -> None:
        """Send the topics, the latest events and then every new one, and figures each second. Runs until OSError."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stream_figures(send))
            group.create_task(self._stream_events(send))

    async def _stream_figures(self, send: Send) -> None:
        while True:
            urls = [f"{url}/metrics" for url in self._replicas.values()]
            texts = await asyncio.gather(*(asyncio.to_thread(read, url, 2) for url in urls))
            send("figures", [figures(name, metrics) for name, metrics in zip(self._replicas, texts, strict=True)])
            await asyncio.sleep(FIGURES_SECONDS)

    async def _stream_events(self, send: Send) -> None:
        from aiokafka.errors import KafkaError

        send("topics", topics())
        kafka = self._kafka()
        while True:
            reader = kafka.reader(auto_offset_reset="earliest")
            try:
                await reader.start()
                await _follow(kafka, reader, send)
            except (KafkaError, ConnectionRefusedError):
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await reader.stop()


async def _follow(kafka: "Kafka", reader: "Consumer", send: Send) -> None:
    from aiokafka import TopicPartition

    cluster = await reader._client.fetch_all_metadata()  # noqa: SLF001  (a consumer knows only topics that it reads)
    partitions = [
        TopicPartition(topic, number)
        for name in topics()
        for topic in [kafka.topic(name)]
        for number in sorted(cluster.partitions_for_topic(topic) or ())
    ]
    reader.assign(partitions)
    begins, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
    for each in partitions:
        reader.seek(each, max(begins[each], ends[each] - LATEST_RECORDS))
    earlier: list[dict[str, Any]] = []
    unread = {each for each in partitions if begins[each] < ends[each]}
    while unread:
        for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
            earlier += [described(kafka.plain(record.topic), record) for record in records]
        unread = {each for each in unread if await reader.position(each) < ends[each]}
    send("earlier", sorted(earlier, key=lambda event: event["at"]))
    while True:
        for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                send("event", described(kafka.plain(record.topic), record))


def topics() -> dict[str, dict[str, list[str]]]:
    """Who writes and who reads each topic; a service's second reader counts as the service."""
    from stories_shared.kafka.topics import Topics, service_of_reader

    return {
        topic.name: {
            "writers": list(topic.writers),
            "readers": sorted({service_of_reader(reader) for reader in topic.readers}, key=SERVICES.index),
        }
        for topic in Topics.of([timedelta(hours=24)]).values()
        if topic.dead_letters_of is None
    }


def described(topic: str, record: "ConsumerRecord[Any, Any]") -> dict[str, Any]:
    """A record as it is sent: topic, offset and time, the service that published it, and its ids, times and kinds."""
    from stories_shared.events.cloudevents import decoded_headers

    headers = decoded_headers(record.headers)
    data: Any = None
    with suppress(ValueError, RecursionError):
        data = json.loads(record.value or b"")
    if isinstance(data, dict) and "specversion" in data:
        headers = {"ce_source": str(data.get("source")), "ce_id": str(data.get("id"))}
        data = data.get("data")
    known = {name: data[name] for name in sorted(SENT_FIELDS & data.keys())} if isinstance(data, dict) else {}
    source = headers.get("ce_source", "").removeprefix("/stories/")
    return {
        "topic": topic,
        "offset": f"{record.partition}:{record.offset}",
        "at": record.timestamp,
        "key": None if record.key is None else record.key.decode(errors="replace")[:MAX_CHARS],
        "id": headers.get("ce_id"),
        "source": source if source in SERVICES else None,
        "bytes": len(record.value or b""),
        "tombstone": record.value is None,
        "told": {
            name: value
            for name, value in known.items()
            if isinstance(value, str | int) and len(str(value)) <= MAX_CHARS
        },
    }


def figures(name: str, metrics: bytes | None) -> dict[str, Any]:
    """A replica's figures, and how far it is behind by topic; with `ready` 0 if it does not answer."""
    values: dict[str, float] = defaultdict(float)
    behind: dict[str, float] = defaultdict(float)
    for number, labels, value in _samples((metrics or b"").decode()):
        if number == LAG:
            behind[labels.get("topic", "")] += value
        else:
            values[".".join([number, *([labels["store"]] if "store" in labels else [])])] += value
    return {"name": name, "ready": 0, **values, "behind": behind}


def _samples(text: str) -> Iterable[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if found and (found[1] in FIGURES or found[1] == LAG):
            yield found[1], dict(LABEL.findall(found[2] or "")), float(found[3])
