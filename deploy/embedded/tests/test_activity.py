"""The activity of a stack, as it is streamed to the web client."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord
from stories_embedded import dev_server
from stories_embedded.activity import Activity, described, figures, topics
from stories_embedded.ports import free_port
from stories_shared.kafka.client import Kafka

DEADLINE_S = 30.0


def record(value: bytes | None, headers: Mapping[str, bytes] | None = None, key: bytes | None = b"s1") -> Any:
    given = tuple((headers or {}).items())
    return ConsumerRecord("story-posted", 1, 7, 1000, 1, key, value, None, 2, len(value or b""), given)


def test_an_event_is_told_without_what_somebody_wrote() -> None:
    value = {"story_id": "s1", "author_id": "ann", "caption": "secret", "layers": [{"text": "secret"}], "revision": 2}
    headers = {"ce_source": b"/stories/ingest", "ce_id": b"e1"}
    told = described("story-posted", record(json.dumps(value).encode(), headers))
    assert told["told"] == {"story_id": "s1", "author_id": "ann", "revision": 2}
    assert (told["source"], told["id"], told["key"], told["at"], told["offset"]) == ("ingest", "e1", "s1", 1000, "1:7")
    assert "secret" not in json.dumps(told)


def test_a_record_without_value_is_a_tombstone() -> None:
    told = described("story-posted", record(None))
    assert told["tombstone"]
    assert told["told"] == {}
    assert not described("story-posted", record(b"{}"))["tombstone"]


@pytest.mark.parametrize("value", [b"", b"\xff", b"[1]", b"7", b"[" * 100_000, b'{"story_id": {"a": 1}}'])
def test_what_outsiders_write_is_told_as_far_as_it_is_known(value: bytes) -> None:
    told = described("user-followed", record(value, {"ce_source": b"\xff"}, key=None))
    assert (told["told"], told["source"], told["key"]) == ({}, None, None)


def test_a_structured_event_is_told_like_any_other() -> None:
    value = {"specversion": "1.0", "id": "e2", "source": "/stories/feed", "data": {"user_id": "ann"}}
    told = described("user-followed", record(json.dumps(value).encode()))
    assert (told["source"], told["id"], told["told"]) == ("feed", "e2", {"user_id": "ann"})


def test_figures_are_sums_over_partitions_and_labels() -> None:
    text = b"""
# TYPE stories_ready gauge
stories_ready 1.0
stories_consumer_lag_records{group="feed.story-viewed",partition="0",topic="story-viewed"} 2.0
stories_consumer_lag_records{group="feed.story-viewed",partition="1",topic="story-viewed"} 3.0
stories_receipts_open{store="media"} 4.0
stories_http_requests_total{method="GET",route="/v1/tray",status="200"} 9.0
"""
    assert figures("feed", text) == {
        "name": "feed",
        "ready": 1,
        "receipts_open.media": 4,
        "behind": {"story-viewed": 5},
    }
    assert figures("feed", None) == {"name": "feed", "ready": 0, "behind": {}}


def test_topics_are_told_with_their_services() -> None:
    told = topics()
    assert told["story-posted"] == {"writers": ["ingest"], "readers": ["ingest", "feed", "engagement", "expiry"]}
    assert not any(name.endswith(".dlq") for name in told)


def test_only_this_machine_may_look() -> None:
    port = free_port(set())
    with dev_server.serving(port, lambda user, _: user), httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        assert http.get("/dev/events").status_code == 404, "nothing to look at"
        assert http.get("/dev/events", headers={"Host": "evil.example"}).status_code == 404
        assert http.get("/dev/events", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 404


async def test_what_happened_before_and_what_happens_now_is_streamed(namespace: Any) -> None:
    http = httpx.AsyncClient(trust_env=False, timeout=DEADLINE_S)
    await namespace.topic("story-posted", "story-erased")
    kafka = Kafka(namespace["KAFKA_BOOTSTRAP_SERVERS"], namespace.prefix)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    port = free_port(set())
    activity = Activity(lambda: kafka, {"feed": f"http://127.0.0.1:{port}/nowhere"})
    try:
        await producer.send_and_wait(kafka.topic("story-posted"), b'{"story_id": "s1"}', key=b"s1")
        with dev_server.serving(port, lambda user, _: user, activity):
            looked = http.stream("GET", f"http://127.0.0.1:{port}/dev/events")
            async with asyncio.timeout(DEADLINE_S), looked as answer:
                assert answer.headers["content-type"] == "text/event-stream"
                seen: dict[str, Any] = {}
                async for name, data in messages(answer):
                    seen[name] = data
                    if name == "earlier":
                        await producer.send_and_wait(kafka.topic("story-posted"), None, key=b"s1")
                    if {"earlier", "event", "figures"} <= seen.keys():
                        break
        assert [each["key"] for each in seen["earlier"]] == ["s1"]
        assert seen["event"]["tombstone"]
        assert seen["figures"] == [{"name": "feed", "ready": 0, "behind": {}}]
        assert "story-erased" in seen["topics"]
    finally:
        await http.aclose()
        await producer.stop()


async def messages(answer: httpx.Response) -> Any:
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
